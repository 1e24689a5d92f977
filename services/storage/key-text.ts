import type { KeySpace } from "./key-hash";

const SPACE_BYTES = 8;

let scratch = Buffer.alloc(256);

/** A key as a text with a character a byte, namespace and generation first: texts sort as the keys do, and compare quickly. */
export function keyText({ namespaceId, generation }: KeySpace, key: Uint8Array): string {
  const length = SPACE_BYTES + key.length;
  if (scratch.length < length) scratch = Buffer.alloc(length * 2);
  scratch.writeUInt32BE(namespaceId, 0);
  scratch.writeUInt32BE(generation, 4);
  scratch.set(key, SPACE_BYTES);
  return scratch.toString("latin1", 0, length);
}

/** The key alone. */
export function keyOfText(text: string): Uint8Array {
  return Buffer.from(text, "latin1").subarray(SPACE_BYTES);
}
