/** A cluster that this process started. */
export interface Running {
  stop(): Promise<void>;
}

const running = new Set<Running>();

/** Runs the body and stops the cluster afterwards, also where Ctrl-C ends it all. */
export async function whileRunning<Cluster extends Running, Result>(
  cluster: Cluster,
  body: (cluster: Cluster) => Promise<Result>,
): Promise<Result> {
  if (running.size === 0) process.once("SIGINT", leave);
  running.add(cluster);
  try {
    return await body(cluster);
  } finally {
    running.delete(cluster);
    if (running.size === 0) process.off("SIGINT", leave);
    await cluster.stop();
  }
}

function leave(): void {
  void Promise.allSettled([...running].map((cluster) => cluster.stop())).finally(() => process.exit(130));
}
