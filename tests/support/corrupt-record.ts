import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { ClassicLevel } from "classic-level";

/** Which key of a stored state, and what its newest value becomes: null to take the key away. */
export interface Corruption {
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/**
 * Changes what the data directory of a node that is stopped holds of keys, with the right checksums: as a fault of the
 * software itself would, which no checksum shows. Knows the layout of the state's database (services/storage/DESIGN.md).
 */
export async function corruptStoredRecords(
  dataPath: string,
  corruptions: readonly Corruption[],
): Promise<void> {
  const [name = ""] = (await readFile(join(dataPath, "state.current"), "utf8")).trim().split(" ");
  const database = new ClassicLevel<Buffer, Buffer>(join(dataPath, name), {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: false,
  });
  await database.open();
  try {
    for (const corruption of corruptions) await corrupt(database, corruption);
  } finally {
    await database.close();
  }
}

const PUT = 1;

async function corrupt(database: ClassicLevel<Buffer, Buffer>, corruption: Corruption): Promise<void> {
  const { namespaceId, generation, key, value } = corruption;
  const newestKey = Buffer.concat([spaceKey(0x10, namespaceId, generation), key]);
  const stored = await database.get(newestKey);
  const [kind, ...varints] = stored === undefined ? [PUT, 1, 1, 1, 0] : fieldsOf(stored);
  if (value === null) {
    if (kind !== PUT) throw new Error("there is no such key");
    await database.del(newestKey);
    return;
  }
  const [modRevision = 1, createRevision = 1, version = 1, leaseId = 0] = varints;
  const meta = [createRevision, version, leaseId].map(varint);
  const newest = Buffer.concat([Buffer.of(PUT), varint(modRevision), ...meta, value]);
  await database.put(newestKey, checked(newestKey, newest));
  const versionKey = Buffer.concat([
    spaceKey(0x11, namespaceId, generation),
    escaped(key),
    descending(modRevision),
  ]);
  await database.put(versionKey, checked(versionKey, Buffer.concat([Buffer.of(PUT), ...meta, value])));
}

function spaceKey(kind: number, namespaceId: number, generation: number): Buffer {
  const key = Buffer.alloc(9);
  key.writeUInt8(kind, 0);
  key.writeUInt32BE(namespaceId, 1);
  key.writeUInt32BE(generation, 5);
  return key;
}

function escaped(key: Uint8Array): Buffer {
  const bytes = [...key].flatMap((byte) => (byte === 0 ? [0, 0xff] : [byte]));
  return Buffer.from([...bytes, 0, 1]);
}

function descending(revision: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE((1n << 64n) - 1n - BigInt(revision));
  return bytes;
}

/** The kind, and the varints that follow it: up to the value, or the checksum. */
function fieldsOf(stored: Buffer): readonly number[] {
  const fields: number[] = [stored[0] as number];
  const count = stored[0] === PUT ? 4 : 1;
  for (let at = 1; fields.length <= count; ) {
    let value = 0;
    for (let weight = 1; ; weight *= 0x80) {
      const byte = stored[at++] as number;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) break;
    }
    fields.push(value);
  }
  return fields;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function checked(key: Buffer, value: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(value, crc32(key)));
  return Buffer.concat([value, sum]);
}
