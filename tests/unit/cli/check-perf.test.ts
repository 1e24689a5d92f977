import { describe, expect, test } from "@jest/globals";
import { Durations, gatesOf, Pacer, PERF_LOADS, type PerfFigures, writePaced } from "@quorate/cli";
import type { KvRecord } from "@quorate/client";

const GOOD: PerfFigures = {
  written: 9000,
  failed: 0,
  failure: null,
  writesPerSecond: 149,
  slowestSeconds: 0.02,
  standardDeviationSeconds: 0.001,
};

/** The names of the gates that do not let the figures through. */
function closedTo(figures: Partial<PerfFigures>): readonly string[] {
  const gates = gatesOf({ ...GOOD, ...figures }, PERF_LOADS.s);
  return gates.filter(({ passed }) => !passed).map(({ name }) => name);
}

describe("the gates", () => {
  test("are those of etcdctl check perf, and that nothing failed", () => {
    expect(PERF_LOADS).toEqual({
      s: { writesPerSecond: 150, inFlightMax: 50 },
      m: { writesPerSecond: 1000, inFlightMax: 200 },
      l: { writesPerSecond: 8000, inFlightMax: 500 },
      xl: { writesPerSecond: 15_000, inFlightMax: 1000 },
    });
  });

  test.each([
    [{}, []],
    [{ writesPerSecond: 135.1 }, []],
    [{ writesPerSecond: 135 }, ["throughput"]],
    [{ slowestSeconds: 0.499 }, []],
    [{ slowestSeconds: 0.5 }, ["slowest"]],
    [{ standardDeviationSeconds: 0.099 }, []],
    [{ standardDeviationSeconds: 0.1 }, ["deviation"]],
    [{ failed: 1, failure: "no leader" }, ["failures"]],
    [{ written: 0, writesPerSecond: 0 }, ["throughput", "slowest", "deviation"]],
  ] as const)("%j does not pass %j", (figures, names) => {
    expect(closedTo(figures)).toEqual(names);
  });

  test("say what is wrong, with the bound", () => {
    const texts = gatesOf({ ...GOOD, writesPerSecond: 20, failed: 2, failure: "no leader" }, PERF_LOADS.s);
    expect(texts.map(({ text }) => text)).toEqual([
      "throughput is too low: 20 writes/s, not above 135",
      "the slowest write took 0.020 s",
      "the standard deviation is 0.001 s",
      "2 writes failed, the first with: no leader",
    ]);
  });
});

describe("the pace", () => {
  test("begins what has become due", () => {
    const pacer = new Pacer(1000, 0);
    expect([0, 1, 2, 2.5, 3, 10].map((atMs) => pacer.take(atMs, 100))).toEqual([1, 1, 1, 0, 1, 7]);
  });

  test("loses nothing to rounding", () => {
    const pacer = new Pacer(150, 0);
    let begun = 0;
    for (let atMs = 0; atMs <= 60_000; atMs += 7) begun += pacer.take(atMs, 50);
    expect(begun).toBe(1 + Math.floor((59_997 * 150) / 1000));
  });

  test("does not make up for what found no room", () => {
    const pacer = new Pacer(1000, 0);
    expect(pacer.take(0, 100)).toBe(1);
    expect(pacer.take(20, 5)).toBe(5);
    expect(pacer.take(30, 0)).toBe(0);
    expect(pacer.take(31, 100)).toBe(1);
  });

  test("catches up on no more than 50 ms of a stall", () => {
    const pacer = new Pacer(1000, 0);
    expect(pacer.take(10_000, 1000)).toBe(50);
    expect(pacer.take(10_001, 1000)).toBe(1);
  });
});

describe("durations", () => {
  test("have the deviation of all that was added", () => {
    const durations = new Durations();
    expect([durations.count, durations.maxSeconds, durations.deviationSeconds]).toEqual([0, 0, 0]);
    for (const seconds of [2, 4, 4, 4, 5, 5, 7, 9]) durations.add(seconds);
    expect(durations.count).toBe(8);
    expect(durations.maxSeconds).toBe(9);
    expect(durations.deviationSeconds).toBeCloseTo(2, 12);
  });
});

describe("the writes of a check", () => {
  const PLAN = {
    load: { writesPerSecond: 2000, inFlightMax: 8 },
    seconds: 0.2,
    prefix: "probe/",
    onProgress: () => undefined,
  };

  /** A store whose puts do `body`, and what it was given. */
  function storeOf(body: (number: number) => Promise<void>) {
    const keys: string[] = [];
    const sizes = new Set<number>();
    const put = async (key: unknown, value: unknown) => {
      keys.push(key as string);
      sizes.add((value as Uint8Array).length);
      await body(keys.length);
      return { revision: keys.length, previous: undefined as KvRecord | undefined };
    };
    return { kv: { put }, keys, sizes };
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("are of new keys of 256 bytes under the prefix, with values of 1 KiB", async () => {
    const { kv, keys, sizes } = storeOf(turn);
    const figures = await writePaced(kv, { ...PLAN, signal: new AbortController().signal });
    expect(figures).toMatchObject({ written: keys.length, failed: 0, failure: null });
    expect(keys.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.startsWith("probe/") && Buffer.byteLength(key) === 256)).toBe(true);
    expect([...sizes]).toEqual([1024]);
    expect(keys.length).toBeLessThanOrEqual(1 + PLAN.load.writesPerSecond * PLAN.seconds);
  });

  test("are no more at a time than the load allows, and are waited for", async () => {
    let open = 0;
    let openMax = 0;
    const { kv, keys } = storeOf(async () => {
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise((resolve) => setTimeout(resolve, 30));
      open -= 1;
    });
    const figures = await writePaced(kv, { ...PLAN, signal: new AbortController().signal });
    expect(openMax).toBe(8);
    expect(open).toBe(0);
    expect(figures.written).toBe(keys.length);
    expect(figures.slowestSeconds).toBeGreaterThan(0.02);
  });

  test("that fail are counted, with the first reason", async () => {
    const { kv, keys } = storeOf(async (number) => {
      await turn();
      if (number % 2 === 0) throw new Error(`number ${number} is refused`);
    });
    const figures = await writePaced(kv, { ...PLAN, signal: new AbortController().signal });
    expect(figures.written + figures.failed).toBe(keys.length);
    expect(figures.failed).toBe(Math.floor(keys.length / 2));
    expect(figures.failure).toBe("number 2 is refused");
  });

  test("end when they are told to", async () => {
    const stopped = new AbortController();
    const { kv, keys } = storeOf(async () => stopped.abort());
    const figures = await writePaced(kv, { ...PLAN, seconds: 3600, signal: stopped.signal });
    expect(figures.written).toBe(keys.length);
  });
});
