import { crc32 } from "node:zlib";
import type { ImageChunk } from "@quorate/services/replica";

/** A chunk with a row that is wrong, and the checksum of a whole chunk. */
export function chunkWith(chunk: ImageChunk, change: "value" | "order" | "kind" | "length"): ImageChunk {
  const data = Buffer.from(chunk.data);
  const changed = changes[change](data);
  return { ...chunk, data: changed, checksum: crc32(changed) };
}

const changes = {
  value: (data: Buffer) => flipped(data, data.length - 1),
  order: (data: Buffer) => {
    // The first two rows change places: each is the length of its key, of its value, and those.
    const first = rowEnd(data, 0);
    const second = rowEnd(data, first);
    return Buffer.concat([data.subarray(first, second), data.subarray(0, first), data.subarray(second)]);
  },
  // The first byte of the second key.
  kind: (data: Buffer) => {
    const copy = Buffer.from(data);
    copy[rowEnd(data, 0) + 2] = 0x77;
    return copy;
  },
  length: (data: Buffer) => data.subarray(0, -2),
} as const;

function rowEnd(data: Buffer, at: number): number {
  return at + 2 + (data[at] as number) + (data[at + 1] as number);
}

function flipped(data: Buffer, at: number): Buffer {
  const copy = Buffer.from(data);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
