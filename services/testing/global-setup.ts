import { checkedOptions } from "./options";
import { SHARED_CLUSTER_VARIABLE } from "./shared-cluster";
import { openCluster } from "./start-cluster";
import type { TestCluster } from "./test-cluster";

const RUNNING = Symbol.for("@quorate/testing cluster of the run");
const holder = globalThis as { [RUNNING]?: TestCluster };

/**
 * Starts the cluster that `sharedCluster()` gives to all tests of a run. For jest it goes with the global teardown beside
 * it; vitest calls what it returns.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const cluster = await openCluster(checkedOptions({}), { keepsProcess: true });
  holder[RUNNING] = cluster;
  process.env[SHARED_CLUSTER_VARIABLE] = (await cluster.listen()).join(",");
  return stopSharedCluster;
}

/** Ends it. Safe twice. */
export async function stopSharedCluster(): Promise<void> {
  const cluster = holder[RUNNING];
  delete holder[RUNNING];
  delete process.env[SHARED_CLUSTER_VARIABLE];
  await cluster?.close();
}
