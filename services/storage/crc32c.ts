/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), which LevelDB's own blocks carry and Node has no function for. Eight
 * bytes a step through eight tables ("slicing by 8", Kounavis and Berry 2005).
 */

const POLYNOMIAL = 0x82f63b78;
const TABLES = makeTables();

/** The checksum of bytes[from, to), as LevelDB stores it: rotated and offset, so that checksums of checksums differ. */
export function maskedCrc32c(bytes: Uint8Array, from: number, to: number): number {
  const crc = crc32c(bytes, from, to);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as unknown as EightTables;
  let crc = 0xffffffff;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (t7[low & 0xff] as number) ^
      (t6[(low >>> 8) & 0xff] as number) ^
      (t5[(low >>> 16) & 0xff] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[bytes[at + 4] as number] as number) ^
      (t2[bytes[at + 5] as number] as number) ^
      (t1[bytes[at + 6] as number] as number) ^
      (t0[bytes[at + 7] as number] as number);
  }
  for (; at < to; at += 1) crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

type EightTables = readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function makeTables(): readonly Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = tables[0] as Int32Array;
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    first[byte] = crc;
  }
  for (let step = 1; step < 8; step += 1) {
    const before = tables[step - 1] as Int32Array;
    const table = tables[step] as Int32Array;
    for (let byte = 0; byte < 256; byte += 1) {
      const crc = before[byte] as number;
      table[byte] = (first[crc & 0xff] as number) ^ (crc >>> 8);
    }
  }
  return tables;
}
