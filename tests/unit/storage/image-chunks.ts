import { crc32 } from "node:zlib";
import type { ImageChunk } from "@quorate/services/replica";

/** A chunk with a row that is wrong, and the checksum of a whole chunk. */
export function chunkWith(chunk: ImageChunk, change: keyof typeof changes): ImageChunk {
  const data = Buffer.from(chunk.data);
  const changed = changes[change](data);
  return { ...chunk, data: changed, checksum: crc32(changed) };
}

/** The same without its first row, which its position does not count either. */
export function chunkWithoutHead(chunk: ImageChunk): ImageChunk {
  const data = chunk.data.subarray(rowEnd(Buffer.from(chunk.data), 0));
  const position = Buffer.from(chunk.position);
  position.writeBigUInt64BE(position.readBigUInt64BE() - 1n);
  return { ...chunk, position, data, checksum: crc32(data) };
}

const changes = {
  value: (data: Buffer) => flipped(data, data.length - 1),
  order: (data: Buffer) => {
    // The first two rows change places: each is the length of its key, of its value, and those.
    const first = rowEnd(data, 0);
    const second = rowEnd(data, first);
    return Buffer.concat([data.subarray(first, second), data.subarray(0, first), data.subarray(second)]);
  },
  // The last two, behind the head and others.
  lastRows: (data: Buffer) => {
    const ends = [0];
    while ((ends.at(-1) as number) < data.length) ends.push(rowEnd(data, ends.at(-1) as number));
    const [third, second] = [ends.at(-3) as number, ends.at(-2) as number];
    return Buffer.concat([data.subarray(0, third), data.subarray(second), data.subarray(third, second)]);
  },
  // The first byte of the second key.
  kind: (data: Buffer) => {
    const copy = Buffer.from(data);
    copy[rowEnd(data, 0) + 2] = 0x77;
    return copy;
  },
  length: (data: Buffer) => data.subarray(0, -2),
} as const;

function rowEnd(data: Buffer, from: number): number {
  let at = from;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = data[at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const bytes = varint() + varint();
  return at + bytes;
}

function flipped(data: Buffer, at: number): Buffer {
  const copy = Buffer.from(data);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
