import { type Random, seededRandom } from "@quorate/services/std";
import { permutation, Zipfian } from "./distributions";
import { type Driver, type Revision, WrongAnswer } from "./driver";
import { type KeySpace, keyAt, revisionsOf, valuesOf } from "./key-space";
import type { Operation } from "./workload";

/** An endless supply of one operation after the other. */
export type Supply = () => Promise<unknown>;

/** How many records a scan reads. */
export const SCANNED_KEYS = 1000;

/** YCSB's short scans read 1 to so many records. */
const SHORT_SCAN_KEYS_MAX = 100;

/** Operations on keys that are drawn at random, the same ones for the same seed. */
export async function supplyOf(
  operation: Operation,
  driver: Driver,
  space: KeySpace,
  seed: number,
): Promise<Supply> {
  const draw = new Draw(driver, space, seededRandom(seed));
  switch (operation) {
    case "put":
      return () => draw.put(draw.uniform());
    case "get":
      return () => draw.get(draw.uniform());
    case "get-stale":
      return () => driver.getStale(draw.uniform());
    case "mixed":
      return () => (draw.chance(0.5) ? draw.put(draw.uniform()) : draw.get(draw.uniform()));
    case "cas":
      return compareAndSets(driver, space, draw);
    case "scan":
      return () => draw.scan(draw.below(Math.max(1, space.shape.keys - SCANNED_KEYS + 1)), SCANNED_KEYS);
    case "txn":
      return () => draw.transact();
    case "ycsb-a":
      return () => (draw.chance(0.5) ? draw.get(draw.zipfian()) : draw.put(draw.zipfian()));
    case "ycsb-b":
      return () => (draw.chance(0.95) ? draw.get(draw.zipfian()) : draw.put(draw.zipfian()));
    case "ycsb-c":
      return () => draw.get(draw.zipfian());
    case "ycsb-d":
      return () => (draw.chance(0.95) ? draw.get(draw.latest()) : draw.insert());
    case "ycsb-e":
      return () =>
        draw.chance(0.95)
          ? draw.scan(draw.zipfianIndex(), 1 + draw.below(SHORT_SCAN_KEYS_MAX))
          : draw.insert();
    case "ycsb-f":
      return () => (draw.chance(0.5) ? draw.get(draw.zipfian()) : draw.readModifyWrite(draw.zipfian()));
  }
}

class Draw {
  readonly #driver: Driver;
  readonly #space: KeySpace;
  readonly #random: Random;
  readonly #values: readonly Buffer[];
  readonly #zipfian: Zipfian;
  readonly #latest: Zipfian;
  readonly #spread: Uint32Array;
  #written = 0;

  constructor(driver: Driver, space: KeySpace, random: Random) {
    this.#driver = driver;
    this.#space = space;
    this.#random = random;
    this.#values = valuesOf(space.shape.valueBytes, random);
    this.#zipfian = new Zipfian(random);
    this.#latest = new Zipfian(random);
    this.#spread = permutation(space.shape.keys, random);
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  chance(share: number): boolean {
    return this.#random.float() < share;
  }

  value(): Buffer {
    return this.#values[this.#written++ % this.#values.length] as Buffer;
  }

  uniform(): string {
    return keyAt(this.below(this.#space.shape.keys));
  }

  zipfianIndex(): number {
    return this.#spread[this.#zipfian.next(this.#space.shape.keys)] as number;
  }

  zipfian(): string {
    return keyAt(this.zipfianIndex());
  }

  /** The newest keys are the most frequent. */
  latest(): string {
    const { present } = this.#space;
    return keyAt(present - 1 - this.#latest.next(present));
  }

  put(key: string): Promise<unknown> {
    return this.#driver.put(key, this.value());
  }

  get(key: string): Promise<unknown> {
    return this.#driver.get(key);
  }

  async insert(): Promise<void> {
    const index = this.#space.claim();
    await this.put(keyAt(index));
    this.#space.confirm(index);
  }

  async readModifyWrite(key: string): Promise<void> {
    await this.get(key);
    await this.put(key);
  }

  async scan(first: number, count: number): Promise<void> {
    const expected = Math.min(count, this.#space.present - first);
    const records = await this.#driver.scan(keyAt(first), keyAt(first + count));
    // Others may insert at the end while this is on its way.
    if (records < expected) throw new WrongAnswer(`${records} of ${expected} records from ${keyAt(first)}`);
  }

  transact(): Promise<unknown> {
    const { keys } = this.#space.shape;
    const first = this.below(keys);
    // Another one: etcd refuses a transaction that writes a key twice.
    const second = (first + 1 + this.below(keys - 1)) % keys;
    return this.#driver.transact(
      { guard: this.uniform(), first: keyAt(first), second: keyAt(second), read: this.uniform() },
      this.value(),
    );
  }
}

/** Each on a key of which no other is under way, at the revision that it is known to have: all of them hold. */
async function compareAndSets(driver: Driver, space: KeySpace, draw: Draw): Promise<Supply> {
  const revisions = await revisionsOf(driver, space.shape);
  const busy = new Set<number>();
  return async () => {
    let index = draw.below(revisions.length);
    while (busy.has(index) && busy.size < revisions.length) index = (index + 1) % revisions.length;
    busy.add(index);
    // Where it fails the key stays busy: nobody knows its revision then.
    revisions[index] = await driver.compareAndSet(keyAt(index), revisions[index] as Revision, draw.value());
    busy.delete(index);
  };
}
