import { describe, expect } from "@jest/globals";
import type { Kv } from "@quorate/client";
import { clusterOfFile, noise, type TestCluster } from "#support";
import { patientKv, patientTests } from "./patient";

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
        for (let round = 0; round < 6; round += 1) {
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
