import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { BackupDamaged } from "./damage";
import { CRC_BYTES, DIGEST_BYTES, FRAME_HEAD_BYTES, FRAME_KIND, MAGIC, PAYLOAD_BYTES_MAX } from "./format";

/** One frame whose CRC is right. */
export interface Frame {
  readonly kind: number;
  readonly payload: Buffer;
  /** Where in the file it begins. */
  readonly offset: number;
}

/**
 * The frames of a backup file, each checked, up to the trailer, whose digest is checked too, and the end of the file.
 * Holds one frame at a time.
 *
 * @throws BackupDamaged
 */
export async function* frames(source: AsyncIterable<Uint8Array>): AsyncIterable<Frame> {
  const bytes = new ByteSource(source);
  const digest = createHash("sha256");
  try {
    const magic = await bytes.take(MAGIC.byteLength);
    if (magic === null || !magic.equals(MAGIC)) throw new BackupDamaged("not_a_backup", 0, "its first bytes");
    digest.update(magic);
    for (;;) {
      const frame = await nextFrame(bytes, digest);
      yield frame;
      if (frame.kind === FRAME_KIND.trailer) break;
    }
    const end = bytes.offset;
    if ((await bytes.take(1)) !== null) throw new BackupDamaged("damaged", end, "bytes follow on its end");
  } finally {
    await bytes.close();
  }
}

async function nextFrame(bytes: ByteSource, digest: Hash): Promise<Frame> {
  const { offset } = bytes;
  const head = await bytes.take(FRAME_HEAD_BYTES);
  if (head === null) throw new BackupDamaged("damaged", offset, "it ends before its trailer");
  const kind = head.readUInt8(0);
  const length = head.readUInt32BE(1);
  if (length > PAYLOAD_BYTES_MAX) throw new BackupDamaged("damaged", offset, "a length is impossible");
  const rest = await bytes.take(length + CRC_BYTES);
  if (rest === null) throw new BackupDamaged("damaged", offset, "it ends within a frame");
  const payload = rest.subarray(0, length);
  if (crc32(payload, crc32(head)) !== rest.readUInt32BE(length)) {
    throw new BackupDamaged("damaged", offset, "a checksum does not match");
  }
  if (kind !== FRAME_KIND.trailer) {
    digest.update(head);
    digest.update(rest);
  } else if (!payload.subarray(0, DIGEST_BYTES).equals(digest.digest())) {
    throw new BackupDamaged("damaged", offset, "the digest of the whole does not match");
  }
  return { kind, payload, offset };
}

/** Takes runs of bytes out of pieces of any size. */
class ByteSource {
  /** How many bytes were taken. */
  offset = 0;
  private readonly pieces: AsyncIterator<Uint8Array>;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.pieces = source[Symbol.asyncIterator]();
  }

  /** null where fewer are left. */
  async take(count: number): Promise<Buffer | null> {
    while (this.waitingBytes < count) {
      const next = await this.pieces.next();
      if (next.done === true) return null;
      const { buffer, byteOffset, byteLength } = next.value;
      this.waiting.push(Buffer.from(buffer, byteOffset, byteLength));
      this.waitingBytes += byteLength;
    }
    const whole = this.waiting.length === 1 ? (this.waiting[0] as Buffer) : Buffer.concat(this.waiting);
    this.waiting = [whole.subarray(count)];
    this.waitingBytes -= count;
    this.offset += count;
    return whole.subarray(0, count);
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }
}
