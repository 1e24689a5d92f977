import type { TestCluster } from "../support";
import { inTime } from "./patient";

/**
 * Cuts a node's log up to what it has applied by now. A cut that was under way already goes less far, so it is asked for
 * again.
 *
 * @param kept how many entries nodes keep behind a snapshot
 */
export async function cutLog(cluster: TestCluster, node: number, kept: number): Promise<void> {
  const { appliedIndex } = await cluster.status(node);
  await inTime(`the log of n${node} is cut`, async () => {
    const { logFirstIndex } = await cluster.node(node).admin.call("takeSnapshot", {});
    return Number(logFirstIndex) > appliedIndex - 2 * kept;
  });
}
