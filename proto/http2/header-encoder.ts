import { DYNAMIC_FROM, fieldBytes, STATIC_FIELDS, TABLE_BYTES_DEFAULT } from "./header-table";

/** A field that is said often, so that the other side keeps it where there is room: made once, and said by this object. */
export class KeptField {
  readonly name: string;
  readonly value: string;
  /** The number that the field has on any connection; 0 where it has none. */
  readonly staticIndex: number;
  /** That of its name alone. */
  readonly nameIndex: number;
  readonly bytes: number;

  /** @param name in lower case */
  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.staticIndex = STATIC_FIELDS.findIndex((known) => known[0] === name && known[1] === value) + 1;
    this.nameIndex = staticNameIndex(name);
    this.bytes = fieldBytes(name, value);
  }
}

/** A field: one that is kept, or a name in lower case and its value for this once. */
export type OutgoingField = KeptField | readonly [name: string, value: string];

/** What a number takes at most beside the texts of a field: two lengths and an index. */
const NUMBERS_BYTES_MAX = 16;

/** Writes the header blocks of one side of a connection (HPACK, RFC 7541). What it has kept once is never given up. */
export class HeaderEncoder {
  /** When each kept field was told, from 0 on. */
  private readonly kept = new Map<KeptField, number>();
  private keptBytes = 0;
  private tableBytesMax = TABLE_BYTES_DEFAULT;
  /** Whether the next block is to say that the table is another one. */
  private isResized = false;

  /** What the other side says of the table that it has for our fields. */
  setTableBytesMax(bytesMax: number): void {
    const ours = Math.min(bytesMax, TABLE_BYTES_DEFAULT);
    if (ours === this.tableBytesMax) return;
    this.tableBytesMax = ours;
    this.kept.clear();
    this.keptBytes = 0;
    this.isResized = true;
  }

  /** No block of these fields is longer. */
  bytesMax(fields: readonly OutgoingField[]): number {
    let bytes = NUMBERS_BYTES_MAX;
    for (const field of fields) {
      bytes += NUMBERS_BYTES_MAX;
      bytes += field instanceof KeptField ? field.bytes : field[0].length + field[1].length;
    }
    return bytes;
  }

  /** @returns where the block ends in `into` */
  encode(fields: readonly OutgoingField[], into: Buffer, start: number): number {
    let at = start;
    if (this.isResized) {
      this.isResized = false;
      // Emptied first, for the other side may still hold what was told before.
      at = writeNumber(into, at, 0x20, 5, 0);
      at = writeNumber(into, at, 0x20, 5, this.tableBytesMax);
    }
    for (const field of fields) {
      at =
        field instanceof KeptField
          ? this.encodeKept(field, into, at)
          : writeLiteral(into, at, 0, 4, staticNameIndex(field[0]), field[0], field[1]);
    }
    return at;
  }

  private encodeKept(field: KeptField, into: Buffer, at: number): number {
    if (field.staticIndex !== 0) return writeNumber(into, at, 0x80, 7, field.staticIndex);
    const told = this.kept.get(field);
    if (told !== undefined) return writeNumber(into, at, 0x80, 7, DYNAMIC_FROM + this.kept.size - 1 - told);
    const { name, value, nameIndex } = field;
    if (this.keptBytes + field.bytes > this.tableBytesMax) {
      return writeLiteral(into, at, 0, 4, nameIndex, name, value);
    }
    this.kept.set(field, this.kept.size);
    this.keptBytes += field.bytes;
    return writeLiteral(into, at, 0x40, 6, nameIndex, name, value);
  }
}

/** The first number of each name that has one from the start. */
const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_FIELDS.map(([name], at) => [name, at + 1] as const).reverse(),
);

function staticNameIndex(name: string): number {
  return STATIC_NAMES.get(name) ?? 0;
}

function writeLiteral(
  into: Buffer,
  start: number,
  pattern: number,
  prefixBits: number,
  nameIndex: number,
  name: string,
  value: string,
): number {
  let at = writeNumber(into, start, pattern, prefixBits, nameIndex);
  if (nameIndex === 0) at = writeText(into, at, name);
  return writeText(into, at, value);
}

/** As it is: what is said often is kept, and the rest is seldom long. */
function writeText(into: Buffer, start: number, text: string): number {
  const at = writeNumber(into, start, 0, 7, text.length);
  into.write(text, at, text.length, "latin1");
  return at + text.length;
}

function writeNumber(
  into: Buffer,
  start: number,
  pattern: number,
  prefixBits: number,
  value: number,
): number {
  const prefixMax = (1 << prefixBits) - 1;
  let at = start;
  if (value < prefixMax) {
    into[at++] = pattern | value;
    return at;
  }
  into[at++] = pattern | prefixMax;
  let rest = value - prefixMax;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) into[at++] = (rest & 0x7f) | 0x80;
  into[at++] = rest;
  return at;
}
