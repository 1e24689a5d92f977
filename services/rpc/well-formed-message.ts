/**
 * Whether the bytes are whole fields, one after the other, as proto3 has them. The generated decoders take a tag of 0 and
 * the end of a group for the end of the message: what follows would be lost in silence, and garbage could pass for a
 * request without fields, which for Truncate is a complete one.
 */
export function isWellFormedMessage(bytes: Uint8Array): boolean {
  let at = 0;
  const varint = (): number | null => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at];
      if (byte === undefined) return null;
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === null || tag < 8 || tag >= 2 ** 32) return false;
    switch (tag % 8) {
      case 0:
        if (varint() === null) return false;
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (length === null) return false;
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return false;
    }
  }
  return at === bytes.length;
}
