import { join } from "node:path";
import { maskedCrc32c } from "./crc32c";
import { errorCode } from "./error-fields";
import { FileBuffer } from "./file-buffer";
import { LevelBytes, MalformedBytes } from "./leveldb-bytes";
import { liveTables } from "./leveldb-manifest";
import { snappyUncompress } from "./snappy";

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = Uint8Array.of(0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb);

/** Where a block lies in its file, its trailer not counted. */
interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

/**
 * Verifies every block of every table of a LevelDB database that is not open. LevelDB has a checksum in each block but
 * does not look at it when it reads, and classic-level has no way to ask for it: a flipped byte then hides keys
 * silently, or aborts the process on an assertion.
 *
 * A missing file is left for LevelDB to report: another process that has the database open may have removed it.
 *
 * @returns what is wrong with the first bad table, or null
 */
export async function faultyTable(databasePath: string): Promise<string | null> {
  const buffer = new FileBuffer();
  try {
    for (const number of await liveTables(databasePath)) {
      const name = `${String(number).padStart(6, "0")}.ldb`;
      const fault = await tableFault(join(databasePath, name), buffer);
      if (fault !== null) return `${name}: ${fault}`;
    }
    return null;
  } catch (error) {
    if (error instanceof MalformedBytes) return `the manifest: ${error.message}`;
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

async function tableFault(path: string, buffer: FileBuffer): Promise<string | null> {
  try {
    checkTable(await buffer.read(path));
    return null;
  } catch (error) {
    if (error instanceof MalformedBytes) return error.message;
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** @throws MalformedBytes */
function checkTable(file: Uint8Array): void {
  const footerAt = file.length - FOOTER_BYTES;
  if (footerAt < 0) throw new MalformedBytes("it is too short");
  if (Buffer.compare(file.subarray(file.length - MAGIC.length), MAGIC) !== 0) {
    throw new MalformedBytes("its footer is damaged");
  }
  const footer = new LevelBytes(file, footerAt);
  const metaIndex = readHandle(footer);
  const index = readHandle(footer);
  const padding = file.subarray(footer.at, file.length - MAGIC.length);
  if (padding.some((byte) => byte !== 0)) throw new MalformedBytes("its footer is damaged");
  const blocks = [
    metaIndex,
    index,
    ...handlesIn(checkedBlock(file, metaIndex)),
    ...handlesIn(checkedBlock(file, index)),
  ];
  let bytes = FOOTER_BYTES;
  for (const block of blocks) {
    verifyBlock(file, block);
    bytes += block.size + TRAILER_BYTES;
  }
  // A handle that was damaged into another valid one would leave a block out.
  if (bytes !== file.length) throw new MalformedBytes("its blocks do not fill it");
}

function readHandle(bytes: LevelBytes): BlockHandle {
  return { offset: bytes.varint(), size: bytes.varint() };
}

function verifyBlock(file: Uint8Array, { offset, size }: BlockHandle): void {
  const crcAt = offset + size + 1;
  if (crcAt + 4 > file.length - FOOTER_BYTES) throw new MalformedBytes("a block lies outside of it");
  if (new LevelBytes(file, crcAt).u32() !== maskedCrc32c(file, offset, crcAt)) {
    throw new MalformedBytes(`the checksum of the block at ${offset} does not match`);
  }
}

function checkedBlock(file: Uint8Array, block: BlockHandle): Uint8Array {
  verifyBlock(file, block);
  const content = file.subarray(block.offset, block.offset + block.size);
  return file[block.offset + block.size] === 0 ? content : snappyUncompress(content);
}

/** The handles that a block of handles has as values (table/block_builder.cc). */
function handlesIn(block: Uint8Array): readonly BlockHandle[] {
  const restartCount = new LevelBytes(block, Math.max(0, block.length - 4)).u32();
  const end = block.length - 4 - restartCount * 4;
  const bytes = new LevelBytes(block, 0, end);
  const handles: BlockHandle[] = [];
  while (!bytes.isAtEnd) {
    bytes.varint();
    const keyBytes = bytes.varint();
    bytes.varint();
    bytes.skip(keyBytes);
    handles.push(readHandle(bytes));
  }
  return handles;
}
