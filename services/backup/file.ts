import { createReadStream } from "node:fs";
import type { ImageChunk } from "#replica";
import { assert } from "#std";
import { BackupDamaged } from "./damage";
import type { BackupCounts, BackupInfo } from "./format";
import { backupParts } from "./reader";

/** What came of looking at a backup file. */
export type BackupCheck =
  | { readonly kind: "sound"; readonly info: BackupInfo; readonly counts: BackupCounts }
  | BackupRefusal;

/** Why a file is not restored: `message` is one line that names the file and says what to do. */
export interface BackupRefusal {
  readonly kind: "refused";
  readonly reason: BackupDamaged["kind"] | "unreadable";
  readonly message: string;
}

/** Read in pieces of this size. */
const READ_BYTES = 256 * 1024;

/** Reads the whole file, in bounded memory, and checks every byte of it. */
export async function verifyBackup(path: string, signal?: AbortSignal): Promise<BackupCheck> {
  try {
    let info: BackupInfo | null = null;
    let counts: BackupCounts | null = null;
    for await (const part of backupParts(bytesOf(path, signal))) {
      if (part.kind === "info") info = part.info;
      if (part.kind === "end") counts = part.counts;
    }
    assert(info !== null && counts !== null, "a backup whose end was read has a header and a trailer");
    return { kind: "sound", info, counts };
  } catch (error) {
    const refusal = backupRefusal(path, error);
    if (refusal === null) throw error;
    return refusal;
  }
}

/**
 * The chunks of a file, checked again on the way: an end without an error says that the whole file was sound.
 *
 * @throws BackupDamaged, or the file system's error
 */
export async function* backupChunks(path: string, signal?: AbortSignal): AsyncIterable<ImageChunk> {
  for await (const part of backupParts(bytesOf(path, signal))) {
    if (part.kind === "chunk") yield part.chunk;
  }
}

/** What an error of reading a backup says to the operator; null where it is none. */
export function backupRefusal(path: string, error: unknown): BackupRefusal | null {
  if (error instanceof BackupDamaged) {
    return { kind: "refused", reason: error.kind, message: `${path} ${sentences[error.kind](error)}` };
  }
  const code = typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) return null;
  const message = `${path} cannot be read: ${(error as Error).message}`;
  return { kind: "refused", reason: "unreadable", message };
}

const sentences = {
  not_a_backup: () => "is no backup of this software: give a file that `quorate backup save` made",
  unknown_version: ({ message }) => `cannot be read: ${message}; use the version of quorate that wrote it`,
  damaged: ({ message, offset }) => `is damaged at byte ${offset}: ${message}: use another backup`,
} as const satisfies Record<BackupDamaged["kind"], (error: BackupDamaged) => string>;

function bytesOf(path: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: READ_BYTES, ...(signal === undefined ? {} : { signal }) });
}
