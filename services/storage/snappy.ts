import { LevelBytes, MalformedBytes } from "./leveldb-bytes";

/** Undoes Snappy compression (google/snappy, format_description.txt): the length, then literals and copies. */
export function snappyUncompress(compressed: Uint8Array): Uint8Array {
  const source = new LevelBytes(compressed);
  const target = new Uint8Array(source.varint());
  let at = 0;
  while (!source.isAtEnd) {
    const tag = source.u8();
    if ((tag & 3) === 0) {
      const length = literalLength(source, tag >>> 2) + 1;
      const from = source.at;
      source.skip(length);
      if (at + length > target.length) throw new MalformedBytes("a block is longer than it says");
      target.set(compressed.subarray(from, from + length), at);
      at += length;
      continue;
    }
    const { length, distance } = readCopy(source, tag);
    if (distance === 0 || distance > at || at + length > target.length) {
      throw new MalformedBytes("a block copies from outside of it");
    }
    // Byte by byte, for a copy may run into what it has just written.
    for (let copied = 0; copied < length; copied += 1)
      target[at + copied] = target[at + copied - distance] as number;
    at += length;
  }
  if (at !== target.length) throw new MalformedBytes("a block is shorter than it says");
  return target;
}

function literalLength(source: LevelBytes, code: number): number {
  if (code < 60) return code;
  let length = 0;
  for (let byte = 0; byte < code - 59; byte += 1) length += source.u8() * 2 ** (8 * byte);
  return length;
}

function readCopy(source: LevelBytes, tag: number): { readonly length: number; readonly distance: number } {
  switch (tag & 3) {
    case 1:
      return { length: ((tag >>> 2) & 7) + 4, distance: ((tag >>> 5) << 8) | source.u8() };
    case 2:
      return { length: (tag >>> 2) + 1, distance: source.u8() | (source.u8() << 8) };
    default:
      return { length: (tag >>> 2) + 1, distance: source.u32() };
  }
}
