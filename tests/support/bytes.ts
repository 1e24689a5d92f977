/** The UTF-8 bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text of UTF-8 bytes. */
export function text(utf8: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(utf8);
}

/** Bytes as jest compares and prints them best. */
export function hex(raw: Uint8Array): string {
  return Buffer.from(raw).toString("hex");
}

/** That many bytes that neither repeat in short nor compress, the same for the same seed. */
export function noise(lengthBytes: number, seed: number): Uint8Array {
  const out = new Uint8Array(lengthBytes);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let at = 0; at < lengthBytes; at += 1) {
    // Xorshift (Marsaglia 2003).
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    out[at] = state;
  }
  return out;
}
