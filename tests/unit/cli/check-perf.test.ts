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
  const LOAD = { writesPerSecond: 2000, inFlightMax: 8 };

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

  type Store = ReturnType<typeof storeOf>;

  /** Writes until the store was given 50 keys, however long a busy machine takes for that. */
  async function write50({ kv, keys }: Store, seconds = 3600): Promise<PerfFigures> {
    const stopped = new AbortController();
    const put: typeof kv.put = (key, value) => {
      if (keys.length >= 50) stopped.abort();
      return kv.put(key, value);
    };
    const plan = { load: LOAD, seconds, prefix: "probe/", onProgress: () => undefined };
    return writePaced({ put }, { ...plan, signal: stopped.signal });
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("are of new keys of 256 bytes under the prefix, with values of 1 KiB", async () => {
    const store = storeOf(turn);
    const { keys, sizes } = store;
    const startedAtMs = performance.now();
    const figures = await write50(store);
    const tookMs = performance.now() - startedAtMs;
    expect(figures).toMatchObject({ written: keys.length, failed: 0, failure: null });
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.startsWith("probe/") && Buffer.byteLength(key) === 256)).toBe(true);
    expect([...sizes]).toEqual([1024]);
    expect(keys.length).toBeLessThanOrEqual(1 + (LOAD.writesPerSecond * tookMs) / 1000);
  });

  test("are no more at a time than the load allows, and are waited for", async () => {
    let open = 0;
    let openMax = 0;
    const store = storeOf(async () => {
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise((resolve) => setTimeout(resolve, 30));
      open -= 1;
    });
    const figures = await write50(store);
    expect(openMax).toBe(8);
    expect(open).toBe(0);
    expect(figures.written).toBe(store.keys.length);
    expect(figures.slowestSeconds).toBeGreaterThan(0.02);
  });

  test("that were due while no more could be open begin as soon as others end", async () => {
    const batches: number[] = [];
    let answers: (() => void)[] = [];
    const answer = (): void => {
      const answered = answers;
      answers = [];
      batches.push(answered.length);
      for (const each of answered) each();
    };
    // Answers what there is, all at once, as a store does that writes in batches.
    const store = storeOf(
      () =>
        new Promise((resolve) => {
          if (answers.push(resolve) === 1) setTimeout(answer, 30);
        }),
    );
    await write50(store);
    expect(new Set(batches.slice(1))).toEqual(new Set([LOAD.inFlightMax]));
  });

  test("that fail are counted, with the first reason", async () => {
    const store = storeOf(async (number) => {
      await turn();
      if (number % 2 === 0) throw new Error(`number ${number} is refused`);
    });
    const figures = await write50(store);
    expect(figures.written + figures.failed).toBe(store.keys.length);
    expect(figures.failed).toBe(Math.floor(store.keys.length / 2));
    expect(figures.failure).toBe("number 2 is refused");
  });

  test("end when they are told to", async () => {
    const store = storeOf(turn);
    const figures = await write50(store);
    expect(figures.written).toBe(store.keys.length);
    expect(store.keys.length).toBeLessThan(50 + 2 * LOAD.inFlightMax);
  });

  test("end after so many seconds", async () => {
    const startedAtMs = performance.now();
    await write50(
      storeOf(() => new Promise((resolve) => setTimeout(resolve, 20))),
      0.1,
    );
    expect(performance.now() - startedAtMs).toBeGreaterThan(80);
  });
});
