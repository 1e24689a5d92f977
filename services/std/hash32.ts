/**
 * A 32-bit hash of bytes, equal on every machine: FNV-1a, then the finalizer of MurmurHash3, which brings all bits of the
 * first into the lowest ones. Not for secrets: whoever wants two texts of one hash finds them.
 */
export function hash32(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < bytes.length; at += 1) {
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
