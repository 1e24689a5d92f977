import type { EntryId } from "#raft";

/*
 * A backup file: eight bytes that name it, then frames. A frame is its kind (u8), the length of its payload (u32), the
 * payload, and the CRC-32 (u32) of all three, numbers big-endian. First comes one header, then chunks, then one trailer,
 * and nothing after it.
 *
 *   header   JSON: what the backup is of (BackupInfo), and the version of this format
 *   chunk    whether it is the last (u8), the checksum of its data (u32), the length of its position (u32), the position,
 *            the data
 *   trailer  the SHA-256 of all that precedes this frame, then JSON: how many chunks and bytes of data there are
 *
 * The CRC tells where a file is damaged; the digest, that nothing was left out, doubled or put elsewhere.
 */

export const MAGIC = new TextEncoder().encode("QUORBAK1");

export const BACKUP_VERSION = 1;

export const FRAME_KIND = { header: 1, chunk: 2, trailer: 3 } as const;

/** Kind and length. */
export const FRAME_HEAD_BYTES = 5;
/** What comes before the position of a chunk. */
export const CHUNK_LEAD_BYTES = 9;
export const CRC_BYTES = 4;
export const DIGEST_BYTES = 32;

/** A reader takes no longer payload, so that a damaged length cannot take its memory. */
export const PAYLOAD_BYTES_MAX = 32 * 1024 * 1024;

/** What a backup is of. */
export interface BackupInfo {
  /** How the state is written in it: only a store that knows the format can restore it. */
  readonly imageFormat: string;
  /** The cluster that it was taken from. */
  readonly clusterId: string;
  /** The last entry that the state has applied. */
  readonly applied: EntryId;
  readonly revision: number;
  /** When it was taken: milliseconds since 1970. */
  readonly wallMs: number;
  readonly softwareVersion: string;
}

/** What the trailer counts. */
export interface BackupCounts {
  readonly chunks: number;
  /** Of the chunks' data. */
  readonly bytes: number;
}
