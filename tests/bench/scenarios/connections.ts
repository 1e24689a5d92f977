import { closedLoop } from "../closed-loop";
import { keyOf, numberedValue } from "./data";
import type { Figures } from "./goal";
import type { Scenario, Stage } from "./scenario";
import type { SubjectClient } from "./subject";

type Option = "clients" | "crowd" | "in-flight" | "seconds";

/** Many clients with a connection each. */
export const connections: Scenario<Option> = {
  about: "100 clients with a connection each are served; 20 clients in sum against one",
  rounds: 3,
  options: {
    clients: { default: 100, about: "clients that are connected at once" },
    crowd: { default: 20, about: "clients whose rates are summed and compared with that of one" },
    "in-flight": { default: 4, about: "puts that each of them has open at a time" },
    seconds: { default: 3, about: "length of each of the three loops" },
  },
  round,
  goals: (_profile, { clients }) => [
    { figure: "served", is: "at least", limit: clients },
    { figure: "crowdOverOne", is: "at least", limit: 1 },
    { figure: "failed", is: "at most", limit: 0 },
  ],
};

async function round(stage: Stage, options: Readonly<Record<Option, number>>): Promise<Figures> {
  const { clients: count, crowd, seconds } = options;
  const inFlight = options["in-flight"];
  const subject = await stage.cluster();
  const clients = await Promise.all(Array.from({ length: count }, () => subject.connect()));
  try {
    const first = await Promise.all(clients.map(callOnce));
    // Again when all of them are connected.
    const second = await Promise.all(clients.map(callOnce));
    const put = putsOf(clients);
    const [one] = clients as [SubjectClient];
    const alone = await closedLoop(() => put(one), { inFlight, seconds });
    let turn = 0;
    const crowded = await closedLoop(() => put(clients[turn++ % crowd] as SubjectClient), {
      inFlight: inFlight * crowd,
      seconds,
    });
    const merged = await closedLoop(() => put(one), { inFlight: inFlight * crowd, seconds });
    const rate = ({ operations, seconds: took }: typeof alone) => operations / took;
    return {
      served: first.filter((tookMs, at) => isNumber(tookMs) && isNumber(second[at])).length,
      slowestFirstCallMs: Math.max(...first.filter(isNumber)),
      slowestSecondCallMs: Math.max(...second.filter(isNumber)),
      onePerSecond: rate(alone),
      crowdPerSecond: rate(crowded),
      crowdOverOne: rate(crowded) / rate(alone),
      oneWithAllInFlightPerSecond: rate(merged),
      failed: alone.failed + crowded.failed + merged.failed,
    };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** How long a put and a get took; null where one failed. */
async function callOnce(client: SubjectClient, at: number): Promise<number | null> {
  const startedAtMs = performance.now();
  try {
    await client.put(keyOf("served-", at), numberedValue(at));
    await client.get(keyOf("served-", at));
    return performance.now() - startedAtMs;
  } catch {
    return null;
  }
}

function putsOf(clients: readonly SubjectClient[]): (client: SubjectClient) => Promise<unknown> {
  let written = clients.length;
  return (client) => {
    written += 1;
    return client.put(keyOf("crowd-", written % 10_000), numberedValue(written));
  };
}

function isNumber(value: number | null | undefined): value is number {
  return typeof value === "number";
}
