import { type BackupCheck, backupChunks, verifyBackup } from "#backup";
import { ImageDamaged } from "#replica";
import { LEVEL_IMAGE_FORMAT, verifyImageRows } from "#storage";

/** What is said of a backup file, in one line, and whether it can be restored. */
export interface BackupVerdict {
  readonly isSound: boolean;
  readonly line: string;
}

/** Checks every byte of a backup file, and every row in it, and makes nothing of it. */
export async function backupVerdict(file: string): Promise<BackupVerdict> {
  const check = await verifyBackup(file);
  if (check.kind === "refused") return { isSound: false, line: check.message };
  const { imageFormat, applied, revision } = check.info;
  if (imageFormat !== LEVEL_IMAGE_FORMAT) {
    const line = `${file} has a state in the format ${imageFormat}, and this version reads ${LEVEL_IMAGE_FORMAT}: use the version of quorate that wrote it`;
    return { isSound: false, line };
  }
  try {
    const header = { format: imageFormat, applied, revision };
    const { keys } = await verifyImageRows(header, backupChunks(file));
    return { isSound: true, line: soundLine(file, check, keys) };
  } catch (error) {
    if (!(error instanceof ImageDamaged)) throw error;
    return { isSound: false, line: `${file} cannot be restored: ${error.message}: use another backup` };
  }
}

function soundLine(
  file: string,
  { info, counts }: Extract<BackupCheck, { readonly kind: "sound" }>,
  keys: number,
): string {
  const { clusterId, revision, applied, wallMs } = info;
  const taken = new Date(wallMs).toISOString();
  return `${file} is sound: cluster ${clusterId} at revision ${revision}, entry ${applied.index}, taken ${taken}; ${keys} keys, ${counts.bytes} bytes in ${counts.chunks} chunks`;
}
