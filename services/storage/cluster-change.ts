import type { DataDirectory } from "./data-directory";
import { type DataIdentity, writeIdentity } from "./identity";

/**
 * Says that a data directory belongs to another cluster from now on; durable when it resolves. Rejects with errors of the
 * file system.
 *
 * @param change `begun`: what makes it so is still to be done, and until it is noted as done nothing may serve from here
 */
export async function changeCluster(
  { path, identity }: DataDirectory,
  clusterId: string,
  change: "begun" | "done",
): Promise<DataDirectory> {
  const { isChangingCluster: _, ...rest } = identity;
  const changed: DataIdentity = {
    ...rest,
    clusterId,
    ...(change === "begun" ? { isChangingCluster: true } : {}),
  };
  await writeIdentity(path, changed);
  return { path, identity: changed };
}
