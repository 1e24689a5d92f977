import { openLoop } from "../open-loop";
import { usageOf } from "../process-usage";
import { quantileOf, Samples } from "../statistics";
import { keyOf, numberedValue, numberOf } from "./data";
import type { Figures } from "./goal";
import type { Scenario, Stage } from "./scenario";
import type { Subject } from "./subject";
import { until } from "./wait";

const PREFIX = "watched-";
const WARM_UP_IN_FLIGHT = 32;

type Option = "watchers" | "rate" | "seconds" | "warm-up";

/** From the call of each put to the event in the hands of each watcher; watchers and writer have a connection each. */
export const watch: Scenario<Option> = {
  about: "watch fan-out: from the call of a put to its event at each watcher",
  rounds: 3,
  options: {
    watchers: { default: 10, about: "watchers of the same prefix, a connection each" },
    rate: { default: 100, about: "puts a second, open loop" },
    seconds: { default: 10, about: "length of a round" },
    "warm-up": { default: 3000, about: "puts before it, as fast as they go" },
  },
  round,
  goals: (_profile, { watchers, rate }) =>
    watchers === 10 && rate === 100
      ? [
          { figure: "p50Ms", is: "below", limit: 2 },
          { figure: "p99Ms", is: "below", limit: 6 },
          { figure: "missing", is: "at most", limit: 0 },
        ]
      : [{ figure: "missing", is: "at most", limit: 0 }],
};

async function round(
  stage: Stage,
  { watchers, rate, seconds, "warm-up": warmUp }: Readonly<Record<Option, number>>,
): Promise<Figures> {
  const subject = await stage.cluster();
  const clients = await Promise.all(Array.from({ length: watchers + 1 }, () => subject.connect()));
  const [writer, ...readers] = clients as [(typeof clients)[number], ...typeof clients];
  try {
    const delays = new Samples();
    const calledAtMs: number[] = [];
    let received = 0;
    let countedFrom = Number.POSITIVE_INFINITY;
    const onPut = (value: Uint8Array) => {
      const number = numberOf(value);
      received += 1;
      if (number >= countedFrom) delays.add(performance.now() - (calledAtMs[number] as number));
    };
    await Promise.all(readers.map((reader) => reader.watch(PREFIX, onPut)));
    const put = () => {
      const number = calledAtMs.length;
      calledAtMs.push(performance.now());
      return writer.put(keyOf(PREFIX, number % 1000), numberedValue(number));
    };
    const allReceived = (expected: number) =>
      until("every event at every watcher", () => received >= expected || undefined);
    const warmer = async () => {
      while (calledAtMs.length < warmUp) await put();
    };
    await Promise.all(Array.from({ length: WARM_UP_IN_FLIGHT }, warmer));
    countedFrom = calledAtMs.length;
    await allReceived(watchers * countedFrom);
    const before = cpuMicrosOf(subject);
    const puts = await openLoop(put, { perSecond: rate, seconds });
    const expected = watchers * (countedFrom + puts.operations);
    await allReceived(expected).catch(() => undefined);
    const cpuMicros = cpuMicrosOf(subject) - before;
    const sorted = delays.sorted();
    return {
      p50Ms: quantileOf(sorted, 0.5),
      p95Ms: quantileOf(sorted, 0.95),
      p99Ms: quantileOf(sorted, 0.99),
      maxMs: sorted.at(-1) ?? Number.NaN,
      putP50Ms: puts.p50Ms,
      putP99Ms: puts.p99Ms,
      events: sorted.length,
      missing: Math.max(0, expected - received) + puts.failed,
      serverCpuMicrosPerEvent: cpuMicros / sorted.length,
    };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function cpuMicrosOf(subject: Subject): number {
  return subject.nodes.reduce((sum, node) => sum + usageOf(subject.pid(node)).cpuMicros, 0);
}
