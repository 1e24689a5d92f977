/*
 * UTF-8 (RFC 3629) for the folders that are compiled without a platform and so have no TextEncoder.
 */

const REPLACEMENT = 0xfffd;

/** The UTF-8 bytes of a text; a lone surrogate becomes U+FFFD, as TextEncoder has it. */
export function utf8Encode(text: string): Uint8Array {
  // A UTF-16 unit takes at most three bytes; a surrogate pair takes four for its two units.
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    let point = text.codePointAt(at) as number;
    if (point > 0xffff) at += 1;
    else if (point >= 0xd800 && point <= 0xdfff) point = REPLACEMENT;
    if (point < 0x80) {
      bytes[length++] = point;
    } else if (point < 0x800) {
      bytes[length++] = 0xc0 | (point >> 6);
      bytes[length++] = 0x80 | (point & 0x3f);
    } else if (point < 0x10000) {
      bytes[length++] = 0xe0 | (point >> 12);
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[length++] = 0x80 | (point & 0x3f);
    } else {
      bytes[length++] = 0xf0 | (point >> 18);
      bytes[length++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[length++] = 0x80 | (point & 0x3f);
    }
  }
  return bytes.slice(0, length);
}

/** The text that the bytes stand for, or null when they are not well-formed UTF-8. */
export function utf8Decode(bytes: Uint8Array): string | null {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at] as number;
    const length =
      first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length === 0 || at + length > bytes.length) return null;
    let point = length === 1 ? first : first & (0x7f >> length);
    for (let next = 1; next < length; next += 1) {
      const byte = bytes[at + next] as number;
      if ((byte & 0xc0) !== 0x80) return null;
      point = (point << 6) | (byte & 0x3f);
    }
    // Overlong forms, surrogates and what is past the last code point are refused, as RFC 3629 section 3 asks.
    if (length === 3 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) return null;
    if (length === 4 && (point < 0x10000 || point > 0x10ffff)) return null;
    text += String.fromCodePoint(point);
    at += length;
  }
  return text;
}
