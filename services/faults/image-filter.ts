import type { MemberId } from "#raft";
import type { ImageChunk } from "#replica";
import { assert, type Random } from "#std";
import { assertProbability, happens } from "./chance";

/** A chunk of an image on its way. */
export interface ChunkDelivery {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly imageId: number;
  /** Counted from 1 in each stream: an image that is gone on with has a stream of its own. */
  readonly number: number;
  readonly chunk: ImageChunk;
}

/** What becomes of a chunk. */
export type ChunkFate =
  | { readonly kind: "pass"; readonly chunk: ImageChunk; readonly delayMs: number }
  /** The stream ends with an error. */
  | { readonly kind: "break" }
  /** Neither it nor any other comes until the filter is taken away. */
  | { readonly kind: "stall" };

/** What a network does to images, chunk by chunk: the like of NetworkFilter, for streams that are pulled. */
export interface ImageFilter {
  /** For traces and failure reports. */
  readonly name: string;
  apply(delivery: ChunkDelivery, context: { readonly random: Random }): ChunkFate;
}

/** Breaks the stream at each chunk with that probability, in [0, 1]; by default at the first that comes to it. */
export function breakStream(probability = 1): ImageFilter {
  assertProbability(probability);
  return {
    name: `breakStream(${probability})`,
    apply: ({ chunk }, { random }) => (happens(random, probability) ? { kind: "break" } : passed(chunk)),
  };
}

/** The stream stands still, though it is open. */
export function stallStream(): ImageFilter {
  return { name: "stallStream", apply: () => ({ kind: "stall" }) };
}

/** Each chunk takes that much longer. */
export function delayChunks(delayMs: number): ImageFilter {
  assert(delayMs >= 0, "no chunk arrives before it was sent");
  return { name: `delayChunks(${delayMs} ms)`, apply: ({ chunk }) => passed(chunk, delayMs) };
}

/** With that probability a bit of the chunk's data flips, and its checksum stays what it was. */
export function damageChunks(probability = 1): ImageFilter {
  assertProbability(probability);
  return {
    name: `damageChunks(${probability})`,
    apply: ({ chunk }, { random }) =>
      passed(happens(random, probability) && chunk.data.length > 0 ? damaged(chunk, random) : chunk),
  };
}

/** Applies the filter to those chunks only for which the predicate holds. */
export function whenChunk(predicate: (delivery: ChunkDelivery) => boolean, filter: ImageFilter): ImageFilter {
  return {
    name: `whenChunk: ${filter.name}`,
    apply: (delivery, context) =>
      predicate(delivery) ? filter.apply(delivery, context) : passed(delivery.chunk),
  };
}

/** Applies the filter to the first `count` chunks that come to it, of whatever stream. */
export function firstChunks(count: number, filter: ImageFilter): ImageFilter {
  assert(Number.isSafeInteger(count) && count >= 0, "chunks are counted in whole numbers");
  let seen = 0;
  const isFirst = (): boolean => {
    seen += 1;
    return seen <= count;
  };
  return { ...whenChunk(isFirst, filter), name: `firstChunks ${count}: ${filter.name}` };
}

function passed(chunk: ImageChunk, delayMs = 0): ChunkFate {
  return { kind: "pass", chunk, delayMs };
}

function damaged(chunk: ImageChunk, random: Random): ImageChunk {
  const data = chunk.data.slice();
  const at = random.below(data.length);
  data[at] = data[at]! ^ (1 << random.below(8));
  return { ...chunk, data };
}
