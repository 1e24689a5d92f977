import { describe, expect } from "@jest/globals";
import type { Kv } from "@quorate/client";
import { clusterOfFile, noise, type TestCluster } from "#support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// With the fast timing a busy machine elects now and then; here a leader is killed where a test says so.
const cluster = clusterOfFile({ nodes: 3, gateways: 1, profile: "default" });
const { test } = cluster;

const ways: readonly { readonly name: string; to(c: TestCluster): Promise<Kv> }[] = [
  { name: "the leader", to: async (c) => patientKv(c, await c.leader()) },
  { name: "a follower", to: async (c) => patientKv(c, (await c.followers())[0] as number) },
  { name: "a gateway", to: async (c) => patientKv(c, c.gateway(1).address) },
];

/** A step of a caller, which knows what its answer must be. */
type Step = (kv: Kv, caller: string, round: number) => Promise<void>;

const steps: readonly Step[] = [
  async (kv, caller, round) => {
    await kv.put(`${caller}/key`, `${caller}, ${round}`);
    expect(await kv.getText(`${caller}/key`)).toBe(`${caller}, ${round}`);
  },
  async (kv, caller, round) => {
    expect(await kv.increment(`${caller}/counter`)).toBe(BigInt(round + 1));
  },
  async (kv, caller, round) => {
    const record = await kv.append(`${caller}/text`, `${round};`);
    expect(record?.text().split(";").length).toBe(round + 2);
  },
  async (kv, caller) => {
    expect(await kv.get(`${caller}/nothing`)).toBeUndefined();
  },
  async (kv, caller, round) => {
    const failure = kv.put(`${caller}/never`, "never", { expectedModRevision: 1 + round });
    await expect(failure).rejects.toMatchObject({ reason: "CONDITION_FAILED", outcome: "not_applied" });
  },
  async (kv, caller, round) => {
    const keys = [`${caller}/a${round}`, `${caller}/b${round}`];
    const put = await kv.put(keys[0] as string, caller);
    const [there, missing] = await kv.batchGet(keys);
    expect([there?.text(), there?.modRevision, missing]).toEqual([caller, put.revision, undefined]);
    expect((await kv.delete(keys[0] as string, { returnPrevious: true })).previous?.text()).toBe(caller);
  },
  async (kv, caller, round) => {
    const leaving = new AbortController();
    const given = kv.get(`${caller}/key`, { signal: leaving.signal }).then(
      () => "answered",
      ({ code }) => code,
    );
    const kept = kv.exists([`${caller}/nothing`, `${caller}/never`]);
    if (round % 2 === 0) leaving.abort();
    else setImmediate(() => leaving.abort());
    expect(["answered", "CANCELLED"]).toContain(await given);
    expect(await kept).toBe(0);
  },
];

/** Beyond what a frame holds, and beyond what travels together at all. */
const LARGE_BYTES = [100_000, 700_000];

describe("calls of many callers through one client", () => {
  test("B9: thousands of mixed calls from many callers get their own answers, whoever serves them", async (c) => {
    for (const { name, to } of ways) {
      const kv = await to(c);
      const callers = Array.from({ length: 50 }, async (_, at) => {
        const caller = `${name}/${at}`;
        for (let round = 0; round < 4; round += 1) {
          // Each caller begins elsewhere, so that all kinds travel together.
          for (let step = 0; step < steps.length; step += 1) {
            await (steps[(at + step) % steps.length] as Step)(kv, caller, round);
          }
        }
      });
      const large = LARGE_BYTES.map(async (length, at) => {
        const value = noise(length, at + 1);
        await kv.put(`${name}/large/${at}`, value);
        const read = await kv.get(`${name}/large/${at}`);
        expect(Buffer.compare(read?.bytes ?? Buffer.of(), value)).toBe(0);
      });
      await Promise.all([...callers, ...large]);
    }
  });
});

/** All values that a key was given after a revision, the last of which is known. */
async function valuesSince(kv: Kv, key: string, revision: number, last: string): Promise<string[]> {
  const values: string[] = [];
  for await (const event of kv.watch(key, { fromRevision: revision + 1 })) {
    if (event.kind !== "put") continue;
    values.push(event.record.text());
    if (values.at(-1) === last) break;
  }
  return values;
}

/** What one caller writes, never waiting for an answer. */
class HastyCaller {
  answered = 0;
  readonly #kv: Kv;
  readonly #name: string;
  readonly #counts: Promise<bigint>[] = [];
  readonly #texts: Promise<string | undefined>[] = [];
  readonly #puts: Promise<unknown>[] = [];

  constructor(kv: Kv, name: string) {
    this.#kv = kv;
    this.#name = name;
  }

  write(times: number): void {
    const end = this.#puts.length + times;
    for (let at = this.#puts.length + 1; at <= end; at += 1) {
      this.#puts.push(this.#kv.put(`${this.#name}/key`, `${at}`).finally(() => this.answered++));
      this.#counts.push(this.#kv.increment(`${this.#name}/counter`));
      this.#texts.push(this.#kv.append(`${this.#name}/text`, `${at};`).then((record) => record?.text()));
    }
  }

  /** @param revision before the first write */
  async expectOrder(revision: number): Promise<void> {
    await Promise.all(this.#puts);
    const numbers = this.#puts.map((_, at) => `${at + 1}`);
    expect(await Promise.all(this.#counts)).toEqual(numbers.map(BigInt));
    const texts = await Promise.all(this.#texts);
    expect(texts.at(-1)).toBe(numbers.map((number) => `${number};`).join(""));
    expect(texts.map((text) => text?.split(";").length)).toEqual(numbers.map((_, at) => at + 2));
    const last = numbers.at(-1) as string;
    expect(await valuesSince(this.#kv, `${this.#name}/key`, revision, last)).toEqual(numbers);
  }
}

describe("what one caller writes without waiting for answers", () => {
  for (const { name, to } of ways) {
    test(`B9: comes in its order, once, through ${name}`, async (c) => {
      const kv = await to(c);
      const { revision } = await kv.put("begun", name);
      const callers = [1, 2, 3].map((number) => new HastyCaller(kv, `hasty/${name}/${number}`));
      for (const caller of callers) caller.write(100);
      for (const caller of callers) await caller.expectOrder(revision);
    });
  }

  test("B9: comes in its order, once, while the leader is killed, through a gateway and through nodes", async (c) => {
    const clients = [patientKv(c, c.gateway(1).address), patientKv(c)];
    const { revision } = await (clients[0] as Kv).put("begun", "to kill");
    const callers = clients.map((kv, at) => new HastyCaller(kv, `killed/${at}`));
    const leader = await c.leader();
    for (const caller of callers) caller.write(300);
    await inTime("some are answered", () => callers.every(({ answered }) => answered >= 50));
    await c.kill(leader);
    for (const caller of callers) caller.write(300);
    for (const caller of callers) await caller.expectOrder(revision);
    await c.restart(leader);
  });
});
