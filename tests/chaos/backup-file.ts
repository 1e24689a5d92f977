import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { verifyBackupFile } from "@quorate/services/launcher";
import { startTestCluster } from "../support/cluster";
import type { Arena } from "./arena";
import { FaultMissed } from "./fault";

/** A backup that was taken while clients wrote, and what the cluster held at its revision. */
export interface SavedBackup {
  readonly file: string;
  readonly revision: number;
  /** The Merkle root over all keys at that revision, in hexadecimal. */
  readonly root: string;
  readonly count: number;
}

/** Streams a backup of that member to a file. */
export async function saveBackup(arena: Arena, node: number): Promise<SavedBackup> {
  const file = arena.cluster.scratch(`backup ${arena.backups.length + 1}`);
  const out = createWriteStream(file);
  for await (const piece of arena.operator.cluster.backup({ member: `n${node}` })) out.write(piece);
  out.end();
  await finished(out);
  const { isSound, line } = await verifyBackupFile(file);
  if (!isSound) throw new FaultMissed(`the backup of n${node} is not sound: ${line}`);
  const revision = Number(/at revision (\d+)/.exec(line)?.[1]);
  const { root, count } = await arena.operator.cluster.hash({ revision, member: `n${node}` });
  return { file, revision, root, count };
}

/** Begins another cluster with it. @throws FaultMissed where that does not hold the same */
export async function checkRestored({ file, revision, root, count }: SavedBackup): Promise<void> {
  const nodeArgs = () => ["--restore", file, "--bootstrap", "--free-bytes-min", "0"];
  const restored = await startTestCluster({ nodes: RESTORED_NODES, nodeArgs });
  try {
    for (const node of restored.numbers) {
      const found = await restored.node(node).admin.call("hash", { revision: BigInt(revision) });
      const foundRoot = Buffer.from(found.root).toString("hex");
      if (foundRoot !== root || Number(found.count) !== count)
        throw new FaultMissed(
          `restored, the backup of revision ${revision} has ${found.count} keys with hash ${foundRoot}, not ${count} with ${root}`,
        );
    }
  } finally {
    await restored.stop();
  }
}

const RESTORED_NODES = 3;
