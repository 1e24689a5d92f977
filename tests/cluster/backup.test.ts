import { createWriteStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import { expect } from "@jest/globals";
import { verifyBackupFile } from "@quorate/services/launcher";
import {
  clusterOfFile,
  isLongRun,
  NeverWill,
  startTestCluster,
  type TestCluster,
  withCluster,
} from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodeArgs: () => ["--verify-interval-ms", "1000"] });

/** Writes what a node's Backup streams to a file, as it comes. */
async function save(cluster: TestCluster, node: number, path: string): Promise<void> {
  const file = createWriteStream(path);
  for await (const { data } of cluster.bareAdmin(node).backup({ stale: false })) file.write(data);
  file.end();
  await finished(file);
}

/** The revision that the line on a backup names. */
function revisionIn(line: string): bigint {
  return BigInt(/at revision (\d+)/.exec(line)?.[1] ?? "-1");
}

async function hashAt(cluster: TestCluster, node: number, revision: bigint): Promise<string> {
  const { root, count } = await cluster
    .bareAdmin(node)
    .hash({ namespace: "", prefix: Buffer.alloc(0), revision });
  return `${count} keys ${Buffer.from(root).toString("hex")}`;
}

cluster.test(
  "F6: a backup under load is of one revision; restored to a cluster of another size it has the same hash, and starts again like any other",
  async (cluster) => {
    const kv = patientKv(cluster);
    const before = Load.closedLoop(kv, "before-", { callers: 16, writesMax: 200, valueBytes: 500 });
    await before.done();
    const during = Load.closedLoop(kv, "during-", { callers: 4, valueBytes: 500, restMs: 40 });
    const [node] = (await cluster.followers()) as [number];
    const file = cluster.scratch("under-load");
    await inTime("writes go on while it is saved", async () => {
      const before = during.acknowledged.size;
      await save(cluster, node, file).catch((failure: unknown) => {
        throw new NeverWill(`it was not saved: ${failure}`);
      });
      return during.acknowledged.size > before;
    });
    const { isSound, line } = await verifyBackupFile(file);
    expect([isSound, line]).toEqual([true, expect.stringContaining("is sound")]);
    await during.stop();
    const revision = revisionIn(line);
    const wanted = await hashAt(cluster, node, revision);
    const { clusterId } = await cluster.status(node);

    for (const nodes of isLongRun ? [1, 2, 5] : [2]) {
      // The flag stays with what the processes are started with, as in the unit of a supervisor.
      await withCluster({ nodes, nodeArgs: restoring(file) }, async (restored) => {
        expect(await hashAt(restored, nodes, revision)).toBe(wanted);
        const restoredKv = patientKv(restored);
        await expectNothingLost(restoredKv, before);
        // Revisions go on where the backup ended, and the members agree on what follows.
        const { revision: next } = await restoredKv.put("after", "restored");
        expect(BigInt(next)).toBe(revision + 1n);
        await restored.agree();
        expect((await restored.status(1)).clusterId).not.toBe(clusterId);
        await restored.killAll();
        await restored.restartAll();
        expect(await patientKv(restored).getText("after")).toBe("restored");
      });
    }
  },
);

cluster.test("F6: a damaged backup is refused, and nothing is made", async (cluster) => {
  await patientKv(cluster).put("a", "b");
  const file = cluster.scratch("damaged");
  await save(cluster, await cluster.leader(), file);
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1);
  writeFileSync(file, bytes);
  expect(await verifyBackupFile(file)).toMatchObject({
    isSound: false,
    line: expect.stringMatching(/is damaged at byte \d+/),
  });
  const refused = await startTestCluster({ nodes: 1, nodeArgs: restoring(file) }).catch(
    (error: Error) => error,
  );
  expect((refused as Error).message).toMatch(/quorate-node: restore: .* is damaged at byte \d+/);
});

cluster.test("F6: a backup that is broken off leaves the node as it was", async (cluster) => {
  const node = await cluster.leader();
  await Load.closedLoop(patientKv(cluster), "broken-", {
    callers: 8,
    writesMax: 40,
    valueBytes: 100_000,
  }).done();
  for await (const { data } of cluster.bareAdmin(node).backup({ stale: false })) {
    expect(data.length).toBeGreaterThan(0);
    break;
  }
  const file = cluster.scratch("whole");
  await inTime("another backup is whole", async () => {
    await save(cluster, node, file);
    return existsSync(file) && (await verifyBackupFile(file)).isSound;
  });
});

function restoring(file: string): () => readonly string[] {
  return () => ["--restore", file, "--bootstrap"];
}
