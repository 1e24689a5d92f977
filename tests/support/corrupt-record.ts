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
/** From so many changes of a key on its row names some that lie further back: a count, and two numbers each. */
const ANCHORED_DEPTH = 8;

async function corrupt(database: ClassicLevel<Buffer, Buffer>, corruption: Corruption): Promise<void> {
  const { namespaceId, generation, key, value } = corruption;
  const newestKey = Buffer.concat([spaceKey(0x10, namespaceId, generation), key]);
  const stored = await database.get(newestKey);
  if (value === null) {
    if (stored?.[0] !== PUT) throw new Error("there is no such key");
    await database.del(newestKey);
    return;
  }
  // Its revision, where it stands among the key's changes, and what else is known of it, as it was.
  const fields = stored === undefined ? [1, 0, 1, 1, 1, 0] : fieldsOf(stored);
  const newest = Buffer.concat([Buffer.of(PUT), ...fields.map(varint), value]);
  await database.put(newestKey, checked(newestKey, newest));
}

function spaceKey(kind: number, namespaceId: number, generation: number): Buffer {
  const key = Buffer.alloc(9);
  key.writeUInt8(kind, 0);
  key.writeUInt32BE(namespaceId, 1);
  key.writeUInt32BE(generation, 5);
  return key;
}

/** What precedes the value of a row that is short or deleted, all varints. */
function fieldsOf(stored: Buffer): readonly number[] {
  let at = 1;
  const next = (): number => {
    let value = 0;
    for (let weight = 1; ; weight *= 0x80) {
      const byte = stored[at++] as number;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
  };
  const link = [next(), next(), next()];
  const anchors = (link[2] as number) >= ANCHORED_DEPTH ? [next()] : [];
  for (let left = (anchors[0] ?? 0) * 2; left > 0; left -= 1) anchors.push(next());
  // Of one that is deleted no more is known.
  const meta = stored[0] === PUT ? [next(), next(), next()] : [1, 1, 0];
  return [...link, ...anchors, ...meta];
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
