import type { Kv } from "@quorate/client";
import { type Random, seededRandom } from "@quorate/services/std";

/** What is done over and over, and how many at a time. */
export interface Workload {
  readonly operation: Operation;
  readonly inFlight: number;
}

export const OPERATIONS = ["put", "get", "get-stale", "mixed"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** The keys and values that all workloads use. */
export interface DataShape {
  readonly keys: number;
  readonly valueBytes: number;
}

/** Keys of 16 bytes. */
export function keyAt(index: number): string {
  return `k${index.toString().padStart(15, "0")}`;
}

/** One operation on a key drawn at random, as an endless supply. */
export function operationsOf(
  operation: Operation,
  kv: Kv,
  shape: DataShape,
  seed: number,
): () => Promise<unknown> {
  const random = seededRandom(seed);
  const values = valuesOf(shape.valueBytes, random);
  let drawn = 0;
  const put = () => kv.put(keyAt(random.below(shape.keys)), values[drawn++ % values.length] as Uint8Array);
  const get = () => kv.get(keyAt(random.below(shape.keys)));
  switch (operation) {
    case "put":
      return put;
    case "get":
      return get;
    case "get-stale":
      return () => kv.get(keyAt(random.below(shape.keys)), { consistency: "stale" });
    case "mixed":
      return () => (random.below(2) === 0 ? put() : get());
  }
}

/** Values that do not compress, so that the disk has its full work. */
export function valuesOf(valueBytes: number, random: Random): readonly Uint8Array[] {
  return Array.from({ length: 64 }, () => Uint8Array.from({ length: valueBytes }, () => random.below(256)));
}
