import { type Random, seededRandom } from "@quorate/services/std";
import type { Driver, Revision } from "./driver";

/** The keys and values that all workloads use. */
export interface DataShape {
  readonly keys: number;
  readonly valueBytes: number;
}

/** How many keys one read of revisions asks for. */
const PAGE_KEYS = 1000;

/** How many puts are open while keys are loaded. */
const LOADERS = 256;

/** Those below some number, made when they were first asked for: to make one takes a tenth of what a get takes of its client. */
const keys: string[] = [];

/** Keys of 16 bytes, in the order of their numbers. */
export function keyAt(index: number): string {
  const known = keys[index];
  if (known !== undefined) return known;
  const key = `k${index.toString().padStart(15, "0")}`;
  if (index === keys.length) keys.push(key);
  return key;
}

/** Values that do not compress, so that the disk has its full work. */
export function valuesOf(valueBytes: number, random: Random): readonly Buffer[] {
  return Array.from({ length: 64 }, () =>
    Buffer.from(Uint8Array.from({ length: valueBytes }, () => random.below(256))),
  );
}

/** Which keys one cluster holds: those that were loaded, and behind them what workloads inserted since. */
export class KeySpace {
  readonly shape: DataShape;
  #claimed: number;
  #present: number;
  readonly #confirmed = new Set<number>();

  constructor(shape: DataShape) {
    this.shape = shape;
    this.#claimed = shape.keys;
    this.#present = shape.keys;
  }

  /** All keys with a number below this exist. */
  get present(): number {
    return this.#present;
  }

  /** The number of a key that nobody has written. */
  claim(): number {
    return this.#claimed++;
  }

  /** The key that was claimed has been written. */
  confirm(index: number): void {
    this.#confirmed.add(index);
    while (this.#confirmed.delete(this.#present)) this.#present += 1;
  }
}

/** Writes all keys once, in order. */
export async function loadKeys(
  driver: Pick<Driver, "put">,
  { keys, valueBytes }: DataShape,
  seed: number,
): Promise<void> {
  const values = valuesOf(valueBytes, seededRandom(seed));
  let next = 0;
  const writer = async () => {
    for (let at = next++; at < keys; at = next++)
      await driver.put(keyAt(at), values[at % values.length] as Buffer);
  };
  await Promise.all(Array.from({ length: LOADERS }, writer));
}

/** The revision of each loaded key, by its number. */
export async function revisionsOf(driver: Driver, { keys }: DataShape): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for (let from = 0; from < keys; from += PAGE_KEYS) {
    revisions.push(...(await driver.revisions(keyAt(from), keyAt(Math.min(keys, from + PAGE_KEYS)))));
  }
  if (revisions.length !== keys) throw new Error(`${revisions.length} of ${keys} loaded keys are there`);
  return revisions;
}
