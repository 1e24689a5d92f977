import { crc32 } from "node:zlib";
import type { ImageChunk } from "#replica";
import { BackupDamaged } from "./damage";
import {
  BACKUP_VERSION,
  type BackupCounts,
  type BackupInfo,
  CHUNK_LEAD_BYTES,
  DIGEST_BYTES,
  FRAME_KIND,
} from "./format";
import { type Frame, frames } from "./frames";

/** What a backup file holds, in order. */
export type BackupPart =
  | { readonly kind: "info"; readonly info: BackupInfo }
  | { readonly kind: "chunk"; readonly chunk: ImageChunk }
  | { readonly kind: "end"; readonly counts: BackupCounts };

/**
 * The parts of a backup: the info first, then the chunks, then the end. Only where the end was reached is the whole known
 * to be sound; what comes before is sound in itself.
 *
 * @param source the bytes of the file, in pieces of any size
 * @throws BackupDamaged
 */
export async function* backupParts(source: AsyncIterable<Uint8Array>): AsyncIterable<BackupPart> {
  const counts = { chunks: 0, bytes: 0 };
  let expected: "header" | "chunk" | "trailer" = "header";
  for await (const frame of frames(source)) {
    if (frame.kind !== FRAME_KIND[expected]) {
      throw new BackupDamaged("damaged", frame.offset, `a frame is not the ${expected} that should be there`);
    }
    switch (expected) {
      case "header":
        yield { kind: "info", info: infoOf(frame) };
        expected = "chunk";
        break;
      case "chunk": {
        const chunk = chunkOf(frame);
        counts.chunks += 1;
        counts.bytes += chunk.data.byteLength;
        yield { kind: "chunk", chunk };
        if (chunk.isLast) expected = "trailer";
        break;
      }
      case "trailer": {
        const told = jsonOf(frame, frame.payload.subarray(DIGEST_BYTES)) as Partial<BackupCounts>;
        if (told.chunks !== counts.chunks || told.bytes !== counts.bytes) {
          throw new BackupDamaged("damaged", frame.offset, "it does not hold what its trailer counts");
        }
        yield { kind: "end", counts };
      }
    }
  }
}

function infoOf(frame: Frame): BackupInfo {
  const told = jsonOf(frame, frame.payload) as BackupInfo & { readonly version: unknown };
  if (told.version !== BACKUP_VERSION) {
    const what = `it has version ${String(told.version)} of the format, and this version reads ${BACKUP_VERSION}`;
    throw new BackupDamaged("unknown_version", frame.offset, what);
  }
  const { imageFormat, clusterId, applied, revision, wallMs, softwareVersion } = told;
  return { imageFormat, clusterId, applied, revision, wallMs, softwareVersion };
}

function chunkOf({ payload, offset }: Frame): ImageChunk {
  const positionAt = CHUNK_LEAD_BYTES;
  const dataAt = payload.byteLength < positionAt ? 0 : positionAt + payload.readUInt32BE(5);
  if (dataAt === 0 || dataAt > payload.byteLength)
    throw new BackupDamaged("damaged", offset, "a chunk is too short");
  const chunk: ImageChunk = {
    isLast: payload.readUInt8(0) === 1,
    checksum: payload.readUInt32BE(1),
    position: payload.subarray(positionAt, dataAt),
    data: payload.subarray(dataAt),
  };
  // As the store made it, which may have been before the frame's own.
  if (crc32(chunk.data) !== chunk.checksum)
    throw new BackupDamaged("damaged", offset, "the checksum of a chunk does not match");
  return chunk;
}

function jsonOf({ offset }: Frame, text: Uint8Array): unknown {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text).toString("utf8"));
    if (typeof parsed === "object" && parsed !== null) return parsed;
  } catch {
    // Said below: a frame whose checksum is right and that is no JSON was not written by this program.
  }
  throw new BackupDamaged("damaged", offset, "a frame does not hold what it should");
}
