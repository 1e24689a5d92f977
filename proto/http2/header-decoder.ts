import { kindOf, roleOf, roleWithValue, seenWith } from "./field-rules";
import { ConnectionError, errorCode } from "./frames";
import { DYNAMIC_FROM, FieldTable, fieldBytes, STATIC_FIELDS, TABLE_BYTES_DEFAULT } from "./header-table";
import { Headers } from "./headers";
import { huffmanDecoded } from "./huffman";

/** What the fields of one block may come to, as `fieldBytes` counts. */
export const HEADER_LIST_BYTES_MAX = 64 * 1024;

/** No number of a block is larger by far. */
const NUMBER_MAX = 2 ** 28;

const STATIC_ROLES: readonly number[] = STATIC_FIELDS.map(([name]) => roleOf(name));

const NO_BLOCK = Buffer.alloc(0);

/** Reads the header blocks of one side of a connection (HPACK, RFC 7541), all of them, in their order. */
export class HeaderDecoder {
  private readonly table = new FieldTable(TABLE_BYTES_DEFAULT);
  private block: Buffer = NO_BLOCK;
  private at = 0;
  /** Of the name that was read last. */
  private role = 0;

  /** Throws a ConnectionError where it is none, after which no other can be read. */
  decode(block: Buffer): Headers {
    this.block = block;
    this.at = 0;
    const fields: string[] = [];
    let listBytes = 0;
    let mayResize = true;
    let seen = 0;
    while (this.at < block.length) {
      const first = block[this.at] as number;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.number(7);
        name = this.nameAt(index);
        value = this.valueAt(index);
      } else if (first >= 0x40) {
        name = this.literalName(6);
        value = this.text();
        this.role = roleWithValue(this.role, name, value);
        this.table.add(name, value, this.role);
      } else if (first >= 0x20) {
        if (!mayResize) throw malformed("a table changes its size behind a field");
        this.resize(this.number(5));
        continue;
      } else {
        name = this.literalName(4);
        value = this.text();
        this.role = roleWithValue(this.role, name, value);
      }
      mayResize = false;
      seen = seenWith(seen, this.role);
      listBytes += fieldBytes(name, value);
      if (listBytes <= HEADER_LIST_BYTES_MAX) fields.push(name, value);
    }
    this.block = NO_BLOCK;
    return new Headers(fields, kindOf(seen), listBytes, listBytes > HEADER_LIST_BYTES_MAX);
  }

  private resize(bytesMax: number): void {
    if (bytesMax > TABLE_BYTES_DEFAULT) throw malformed("a table is larger than we let it be");
    this.table.resize(bytesMax);
  }

  private nameAt(index: number): string {
    if (index < DYNAMIC_FROM) {
      const [name] = this.staticField(index);
      this.role = STATIC_ROLES[index - 1] as number;
      return name;
    }
    this.checkDynamic(index);
    this.role = this.table.role(index - DYNAMIC_FROM);
    return this.table.name(index - DYNAMIC_FROM);
  }

  private valueAt(index: number): string {
    if (index < DYNAMIC_FROM) return this.staticField(index)[1];
    this.checkDynamic(index);
    return this.table.value(index - DYNAMIC_FROM);
  }

  private staticField(index: number): readonly [string, string] {
    const field = STATIC_FIELDS[index - 1];
    if (field === undefined) throw malformed("a field has the number 0");
    return field;
  }

  private checkDynamic(index: number): void {
    if (index - DYNAMIC_FROM >= this.table.size) throw malformed(`no field has the number ${index}`);
  }

  /** @param prefixBits how many bits of the first byte are of its number */
  private literalName(prefixBits: number): string {
    const index = this.number(prefixBits);
    if (index !== 0) return this.nameAt(index);
    const name = this.text();
    this.role = roleOf(name);
    return name;
  }

  private text(): string {
    const { block } = this;
    const isHuffman = ((block[this.at] as number) & 0x80) !== 0;
    const length = this.number(7);
    const start = this.at;
    const end = start + length;
    if (end > block.length) throw malformed("a text is cut off");
    this.at = end;
    return isHuffman ? huffmanDecoded(block, start, end) : block.toString("latin1", start, end);
  }

  private number(prefixBits: number): number {
    const { block } = this;
    if (this.at >= block.length) throw malformed("a field is cut off");
    const prefixMax = (1 << prefixBits) - 1;
    let value = (block[this.at++] as number) & prefixMax;
    if (value < prefixMax) return value;
    for (let factor = 1; ; factor *= 128) {
      if (this.at >= block.length) throw malformed("a number is cut off");
      const byte = block[this.at++] as number;
      value += (byte & 0x7f) * factor;
      if (value > NUMBER_MAX || factor > NUMBER_MAX) throw malformed("a number is too large");
      if (byte < 0x80) return value;
    }
  }
}

function malformed(why: string): ConnectionError {
  return new ConnectionError(errorCode.compression, why);
}
