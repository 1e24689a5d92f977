import { describe, expect, it } from "@jest/globals";
import { seededRandom } from "@quorate/services/std";
import { permutation, Zipfian } from "./distributions";
import type { Driver, Revision } from "./driver";
import { KeySpace, keyAt, loadKeys } from "./key-space";
import { SCANNED_KEYS, supplyOf } from "./operations";
import { usageOf } from "./process-usage";
import { OPERATIONS, type Operation } from "./workload";

const SHAPE = { keys: 2000, valueBytes: 8 };

/** A store in memory that counts what is done, and refuses what the real ones refuse. */
class Ledger implements Driver {
  readonly revisionOf = new Map<string, number>();
  readonly counts = { put: 0, get: 0, getStale: 0, cas: 0, scan: 0, txn: 0 };
  readonly read: string[] = [];
  scanned = 0;
  #revision = 0;

  async put(key: string): Promise<void> {
    this.counts.put += 1;
    this.#write(key);
  }

  async get(key: string): Promise<void> {
    this.counts.get += 1;
    this.read.push(key);
    if (!this.revisionOf.has(key)) throw new Error(`${key} is not there`);
  }

  async getStale(): Promise<void> {
    this.counts.getStale += 1;
  }

  async compareAndSet(key: string, revision: Revision): Promise<Revision> {
    this.counts.cas += 1;
    if (this.revisionOf.get(key) !== revision) throw new Error(`${key} is at another revision`);
    // As over a network: others begin in between.
    await new Promise((resolve) => setImmediate(resolve));
    return this.#write(key);
  }

  async scan(from: string, to: string): Promise<number> {
    this.counts.scan += 1;
    const records = [...this.revisionOf.keys()].filter((key) => key >= from && key < to).length;
    this.scanned += records;
    return records;
  }

  async transact({ first, second }: { readonly first: string; readonly second: string }): Promise<void> {
    this.counts.txn += 1;
    if (first === second) throw new Error("duplicate key");
  }

  async revisions(from: string, to: string): Promise<readonly Revision[]> {
    return [...this.revisionOf].filter(([key]) => key >= from && key < to).map(([, revision]) => revision);
  }

  async close(): Promise<void> {}

  #write(key: string): number {
    this.#revision += 1;
    this.revisionOf.set(key, this.#revision);
    return this.#revision;
  }
}

async function ledger(): Promise<Ledger> {
  const store = new Ledger();
  await loadKeys(store, SHAPE, 1);
  store.counts.put = 0;
  return store;
}

async function carryOut(operation: Operation, times: number): Promise<{ store: Ledger; space: KeySpace }> {
  const store = await ledger();
  const space = new KeySpace(SHAPE);
  const supply = await supplyOf(operation, store, space, 7);
  for (let done = 0; done < times; done += 20) await Promise.all(Array.from({ length: 20 }, () => supply()));
  return { store, space };
}

describe("operations", () => {
  it.each(OPERATIONS)("%s are all carried out on keys that exist", async (operation) => {
    const { store } = await carryOut(operation, 200);
    const done = Object.values(store.counts).reduce((sum, count) => sum + count, 0);
    expect(done).toBeGreaterThanOrEqual(200);
  });

  it.each([
    ["mixed", { get: 0.5, put: 0.5 }],
    ["ycsb-a", { get: 0.5, put: 0.5 }],
    ["ycsb-b", { get: 0.95, put: 0.05 }],
    ["ycsb-c", { get: 1, put: 0 }],
    ["ycsb-d", { get: 0.95, put: 0.05 }],
    ["ycsb-e", { scan: 0.95, put: 0.05 }],
    // A write there is a read before, too.
    ["ycsb-f", { get: 1, put: 0.5 }],
  ] as const)("%s keeps its shares", async (operation, shares) => {
    const { store } = await carryOut(operation, 4000);
    for (const [kind, share] of Object.entries(shares)) {
      expect(Math.abs(store.counts[kind as keyof Ledger["counts"]] / 4000 - share)).toBeLessThan(0.03);
    }
  });

  it("a scan reads a thousand records", async () => {
    const { store } = await carryOut("scan", 40);
    expect(store.scanned).toBe(40 * SCANNED_KEYS);
  });

  it("compare-and-sets never meet, and go on from the revision that each made", async () => {
    const { store } = await carryOut("cas", 4000);
    expect(store.counts.cas).toBe(4000);
  });

  it("inserts make new keys, and the newest are read most", async () => {
    const { store, space } = await carryOut("ycsb-d", 4000);
    expect(space.present).toBe(SHAPE.keys + store.counts.put);
    const newest = store.read.filter((key) => key >= keyAt(SHAPE.keys - 100)).length;
    expect(newest / store.read.length).toBeGreaterThan(0.5);
  });

  it("a read that finds nothing is a failure", async () => {
    const store = await ledger();
    store.revisionOf.clear();
    const supply = await supplyOf("get", store, new KeySpace(SHAPE), 1);
    await expect(supply()).rejects.toThrow("is not there");
  });

  it("the same seed gives the same keys", async () => {
    const [one, other] = await Promise.all([carryOut("ycsb-a", 100), carryOut("ycsb-a", 100)]);
    expect(one.store.read).toEqual(other.store.read);
  });
});

describe("a key space", () => {
  it("counts a key as present when all before it are", () => {
    const space = new KeySpace({ keys: 10, valueBytes: 1 });
    const [first, second, third] = [space.claim(), space.claim(), space.claim()];
    expect([first, second, third]).toEqual([10, 11, 12]);
    space.confirm(11);
    expect(space.present).toBe(10);
    space.confirm(10);
    expect(space.present).toBe(12);
    space.confirm(12);
    expect(space.present).toBe(13);
  });

  it("has keys of 16 bytes in the order of their numbers", () => {
    expect(Buffer.byteLength(keyAt(0))).toBe(16);
    expect(Buffer.byteLength(keyAt(99_999))).toBe(16);
    expect(keyAt(9) < keyAt(10)).toBe(true);
  });
});

describe("Zipf's law", () => {
  const DRAWS = 200_000;

  function sharesOf(count: number): readonly number[] {
    const zipfian = new Zipfian(seededRandom(3));
    const drawn = new Array<number>(count).fill(0);
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const rank = zipfian.next(count);
      drawn[rank] = (drawn[rank] ?? 0) + 1;
    }
    return drawn.map((times) => times / DRAWS);
  }

  it("gives each rank about the share that it has", () => {
    const zeta = Array.from({ length: 1000 }, (_, at) => (at + 1) ** -0.99).reduce((sum, part) => sum + part);
    const shares = sharesOf(1000);
    expect(shares).toHaveLength(1000);
    // The first two are exact; the method approximates the others by a curve.
    for (const [rank, slack] of [
      [0, 0.02],
      [1, 0.04],
      [9, 0.15],
      [99, 0.15],
    ] as const) {
      const expected = (rank + 1) ** -0.99 / zeta;
      expect(Math.abs((shares[rank] ?? 0) / expected - 1)).toBeLessThan(slack);
    }
    expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1);
  });

  it.each([1, 2, 3])("stays within %d ranks", (count) => {
    expect(sharesOf(count)).toHaveLength(count);
  });

  it("follows a number of ranks that grows", () => {
    const growing = new Zipfian(seededRandom(5));
    for (let count = 1; count <= 500; count += 1) expect(growing.next(count)).toBeLessThan(count);
    expect(() => growing.next(499)).toThrow("does not shrink");
  });

  it("frequent ranks are spread over all keys, each once", () => {
    const order = permutation(1000, seededRandom(1));
    expect(new Set(order).size).toBe(1000);
    expect(Math.max(...order)).toBe(999);
    expect([...order.subarray(0, 3)]).not.toEqual([0, 1, 2]);
  });
});

it("the usage of a process is read from what the system says of it", () => {
  const { cpuMicros, rssBytes, writtenBytes, diskBytes } = usageOf(process.pid);
  expect(cpuMicros).toBeGreaterThan(0);
  expect(Math.abs(rssBytes - process.memoryUsage.rss())).toBeLessThan(20 * 1024 * 1024);
  expect(writtenBytes).toBeGreaterThan(0);
  expect(diskBytes).toBeGreaterThanOrEqual(0);
});
