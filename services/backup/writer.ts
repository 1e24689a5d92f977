import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { FrozenState, ImageChunk } from "#replica";
import {
  BACKUP_VERSION,
  type BackupCounts,
  type BackupInfo,
  CHUNK_LEAD_BYTES,
  CRC_BYTES,
  FRAME_HEAD_BYTES,
  FRAME_KIND,
  MAGIC,
} from "./format";

const PIECE_BYTES_MAX = 1024 * 1024;

/**
 * The bytes of a backup file, in pieces of at most 1 MiB. The state is frozen by the caller, and
 * closed by it once this has ended.
 *
 * @throws StoreFailure when the store fails, StateReplaced when the state was closed meanwhile
 */
export async function* backup(
  frozen: FrozenState,
  facts: Pick<BackupInfo, "clusterId" | "wallMs" | "softwareVersion">,
): AsyncIterable<Uint8Array> {
  const digest = createHash("sha256");
  const counts = { chunks: 0, bytes: 0 };
  const header: BackupInfo & { readonly version: number } = {
    version: BACKUP_VERSION,
    imageFormat: frozen.header.format,
    applied: { term: frozen.header.applied.term, index: frozen.header.applied.index },
    revision: frozen.header.revision,
    clusterId: facts.clusterId,
    wallMs: facts.wallMs,
    softwareVersion: facts.softwareVersion,
  };
  const first = Buffer.concat([MAGIC, frame(FRAME_KIND.header, [json(header)])]);
  digest.update(first);
  yield first;
  for await (const chunk of frozen.chunks(null)) {
    const piece = frame(FRAME_KIND.chunk, chunkParts(chunk));
    counts.chunks += 1;
    counts.bytes += chunk.data.byteLength;
    digest.update(piece);
    // A chunk of one large record may be longer than what one message is to carry.
    for (let at = 0; at < piece.byteLength; at += PIECE_BYTES_MAX)
      yield piece.subarray(at, at + PIECE_BYTES_MAX);
  }
  yield trailer(counts, digest.digest());
}

function chunkParts({ position, checksum, data, isLast }: ImageChunk): readonly Uint8Array[] {
  const lead = Buffer.alloc(CHUNK_LEAD_BYTES);
  lead.writeUInt8(isLast ? 1 : 0, 0);
  lead.writeUInt32BE(checksum >>> 0, 1);
  lead.writeUInt32BE(position.byteLength, 5);
  return [lead, position, data];
}

function trailer(counts: BackupCounts, digest: Uint8Array): Buffer {
  return frame(FRAME_KIND.trailer, [digest, json(counts)]);
}

function json(content: object): Uint8Array {
  return Buffer.from(JSON.stringify(content), "utf8");
}

function frame(kind: number, parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt8(kind, 0);
  head.writeUInt32BE(
    parts.reduce((sum, part) => sum + part.byteLength, 0),
    1,
  );
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32BE(
    parts.reduce((sum, part) => crc32(part, sum), crc32(head)),
    0,
  );
  return Buffer.concat([head, ...parts, crc]);
}
