import { afterAll, beforeAll, test } from "@jest/globals";
import { startTestCluster, type TestCluster } from "./cluster";
import type { ClusterOptions } from "./topology";

const START_MS_MAX = 300_000;

/** The one cluster of a test file. */
export interface FileCluster {
  /** The cluster, inside tests. */
  (): TestCluster;
  /** Like jest's own; a failure shows what the processes logged. */
  test(title: string, body: (cluster: TestCluster) => Promise<void>, timeoutMs?: number): void;
}

/** Starts a cluster before the file's tests and ends it after them. */
export function clusterOfFile(options: ClusterOptions = {}): FileCluster {
  let cluster: TestCluster | null = null;
  beforeAll(async () => {
    cluster = await startTestCluster(options);
  }, START_MS_MAX);
  afterAll(() => cluster?.stop(), START_MS_MAX);
  const current = (): TestCluster => {
    if (cluster === null) throw new Error("the cluster runs only while tests do");
    return cluster;
  };
  return Object.assign(current, {
    test(title: string, body: (cluster: TestCluster) => Promise<void>, timeoutMs?: number): void {
      test(title, () => showingLogs(current(), body), timeoutMs);
    },
  });
}

/** Runs the body on a cluster of its own, which is gone afterwards, whatever happened. A failure shows the logs. */
export async function withCluster(
  options: ClusterOptions,
  body: (cluster: TestCluster) => Promise<void>,
): Promise<void> {
  const cluster = await startTestCluster(options);
  try {
    await showingLogs(cluster, body);
  } finally {
    await cluster.stop();
  }
}

async function showingLogs(
  cluster: TestCluster,
  body: (cluster: TestCluster) => Promise<void>,
): Promise<void> {
  try {
    await body(cluster);
  } catch (failure) {
    process.stderr.write(`${cluster.allLogs()}\n`);
    throw failure;
  }
}
