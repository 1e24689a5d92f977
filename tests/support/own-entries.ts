import type { TestCluster } from "./cluster";
import { eventually } from "./eventually";

/**
 * How many log entries the body itself appended. A leader appends a Tick about once a second, so the body is run again
 * until a run falls between two Ticks, which the replicated time tells.
 *
 * @param body takes well below a second and may run several times
 */
export async function ownEntries(cluster: TestCluster, body: () => Promise<void>): Promise<number> {
  return eventually("a run between two Ticks", async () => {
    const leader = await cluster.leader();
    const before = await cluster.status(leader);
    if (before.appliedIndex !== before.lastIndex) throw new Error("entries are on their way");
    await body();
    const after = await cluster.status(leader);
    const isQuiet =
      after.term === before.term &&
      after.replicatedTimeMs === before.replicatedTimeMs &&
      after.appliedIndex === after.lastIndex;
    if (!isQuiet) throw new Error("a Tick came in between");
    return { entries: after.lastIndex - before.lastIndex };
  }).then(({ entries }) => entries);
}
