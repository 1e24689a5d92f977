import { BackupDamaged, backupChunks, backupRefusal, verifyBackup } from "#backup";
import type { Log } from "#forward";
import { foundingMembership } from "#kv";
import { ImageDamaged } from "#replica";
import { createDataDirectoryFromImage, type DataDirectory, LEVEL_IMAGE_FORMAT } from "#storage";
import type { NodeConfig } from "./config";
import { dataRefusal, type StartRefusal, startRefusal } from "./start-refusal";

export type RestoreOutcome =
  | { readonly kind: "restored"; readonly directory: DataDirectory }
  | StartRefusal
  | { readonly kind: "aborted" };

/**
 * Makes the data directory of a member of a new cluster that begins with what a backup holds: its records and history,
 * sessions, leases and revisions, but members of its own. The log begins after the backup's entry, so each member of the
 * new cluster is to begin with the same file. Of a damaged file nothing is made.
 *
 * @throws StoreFailure
 */
export async function restore(
  config: Pick<NodeConfig, "id" | "dataDir" | "members"> & { readonly clusterId: string },
  file: string,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<RestoreOutcome> {
  try {
    const check = await verifyBackup(file, signal);
    if (check.kind === "refused") return startRefusal("restore", `${check.message}; nothing was restored`);
    const { imageFormat, applied, revision, clusterId: from } = check.info;
    if (imageFormat !== LEVEL_IMAGE_FORMAT) {
      return startRefusal(
        "restore",
        `${file} has a state in the format ${imageFormat}, and this version reads ${LEVEL_IMAGE_FORMAT}: use the version of quorate that wrote it`,
      );
    }
    if (from === config.clusterId) {
      return startRefusal(
        "cluster-id",
        `${from} is the cluster that the backup was taken from: a restored cluster has an id of its own, the same on each node`,
      );
    }
    const { id, clusterId, dataDir, members } = config;
    const made = await createDataDirectoryFromImage({
      path: dataDir,
      clusterId,
      memberId: id,
      members,
      header: { format: imageFormat, applied, revision },
      chunks: backupChunks(file, signal),
      membership: foundingMembership(members),
    });
    if (made.kind === "refused") return dataRefusal(made.message);
    log.info({ file, from, revision, appliedIndex: applied.index }, "restored a backup");
    return { kind: "restored", directory: made.directory };
  } catch (error) {
    if (signal.aborted) return { kind: "aborted" };
    if (error instanceof ImageDamaged) {
      return startRefusal("restore", `${file} cannot be restored: ${error.message}: use another backup`);
    }
    const refusal = error instanceof BackupDamaged ? backupRefusal(file, error) : null;
    if (refusal === null) throw error;
    return startRefusal("restore", `${refusal.message}; nothing was restored`);
  }
}
