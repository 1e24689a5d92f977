import { DiskRoom } from "./disk-room";
import { MemoryRoom } from "./memory-room";
import { type CheckedOptions, type ClusterOptions, checkedOptions } from "./options";
import { RealTime } from "./real-time";
import { TestCluster } from "./test-cluster";
import { VirtualTime } from "./virtual-time";

/**
 * Starts a cluster inside this process and waits until it has a leader.
 *
 * @example
 * await using cluster = await startCluster();
 * await cluster.kv.put("greeting", "hello");
 * await cluster.kill(1);
 * console.log(await cluster.kv.getText("greeting"));
 *
 * @throws TestClusterError that names the option which is wrong
 */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  return openCluster(checkedOptions(options), { keepsProcess: true });
}

/** @param keepsProcess whether the cluster keeps the process from ending while nobody calls it */
export async function openCluster(
  options: CheckedOptions,
  { keepsProcess }: { readonly keepsProcess: boolean },
): Promise<TestCluster> {
  const time = options.clock === "virtual" ? new VirtualTime() : new RealTime(keepsProcess);
  const room = options.storage === "disk" ? DiskRoom : MemoryRoom;
  const cluster = new TestCluster(await room.open(options, time), options.seed);
  try {
    await cluster.leader();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}
