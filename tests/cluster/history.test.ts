import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { ErrorReason } from "@quorate/client/generated";
import { bytes, clusterOfFile, noise, type TestCluster, text } from "../support";
import { doing, operation } from "./bare-txn";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const REVISIONS_KEPT = 64;
const cluster = clusterOfFile({
  // With this timing not even a busy machine causes elections, in which a write may have an unknown outcome.
  profile: "wan",
  // A comparison holds what it compared for a minute, and its space with it (tests/unit/storage/state-reclaim.test.ts).
  nodeArgs: () => [...["--verify-interval-ms", "0"], ...["--history-revisions", String(REVISIONS_KEPT)]],
});

const MIB = 1024 * 1024;
const KEYS = 64;
const VALUE_BYTES = 8 * 1024;
const ROUND_BYTES = KEYS * VALUE_BYTES;

/** Writes all keys anew in one revision, with what does not compress. */
async function overwrite(cluster: TestCluster, round: number): Promise<bigint> {
  const puts = Array.from({ length: KEYS }, (_, at) =>
    operation("put", { key: bytes(`f5-${at}`), value: noise(VALUE_BYTES, round * KEYS + at) }),
  );
  const { header } = await cluster.node(await cluster.leader()).kv.call("txn", doing(...puts));
  return header?.revision ?? 0n;
}

/** Bytes of the files of the state of a node, which may be changing. */
async function stateBytes(cluster: TestCluster, node: number): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(cluster.dataDir(node), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.parentPath.includes("state-")) continue;
    sum += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return sum;
}

cluster.test(
  "F5: history that is given up is refused with the oldest revision, and its space returns without a stop",
  async (cluster) => {
    const kv = patientKv(cluster);
    const { revision: first } = await kv.put("f5", "first");
    const rounds = 40;
    for (let round = 0; round < rounds; round += 1) await overwrite(cluster, round);
    const { revision: last } = await cluster.agree();
    const before = await Promise.all(cluster.numbers.map((node) => stateBytes(cluster, node)));
    for (const size of before) expect(size).toBeGreaterThan((rounds / 2) * ROUND_BYTES);
    // All of it can still be read: less was written than is kept.
    expect(await kv.getText("f5", { revision: first })).toBe("first");

    await kv.compact(last);
    for (const node of cluster.numbers) {
      const at = { key: bytes("f5"), minRevision: BigInt(last) };
      for (const revision of [BigInt(first), BigInt(last) - 1n]) {
        const refused = await cluster.node(node).kv.attempt("get", { ...at, minRevision: 0n, revision });
        expect(refused).toMatchObject({
          ok: false,
          code: "OUT_OF_RANGE",
          detail: { reason: ErrorReason.COMPACTED, oldestRevision: BigInt(last) },
        });
      }
      const { record } = await cluster.node(node).kv.call("get", { ...at, revision: 0n });
      expect(text(record?.value ?? bytes(""))).toBe("first");
    }
    const { uptimeMs } = await cluster.status(1);
    for (const [at, node] of cluster.numbers.entries()) {
      await inTime(`n${node} has its space back`, async () => {
        return (await stateBytes(cluster, node)) < Math.min((before[at] as number) / 3, 10 * MIB);
      });
      await cluster.status(node);
    }
    expect((await cluster.status(1)).uptimeMs).toBeGreaterThan(uptimeMs);
    await cluster.agree();
  },
);

cluster.test(
  "F5: history beyond the setting is given up by itself, and what it kept is there",
  async (cluster) => {
    const kv = patientKv(cluster);
    const revisions: number[] = [];
    for (let at = 0; at < 3 * REVISIONS_KEPT; at += 1)
      revisions.push((await kv.put("f5-kept", `${at}`)).revision);
    const newest = revisions.at(-1) as number;
    await inTime("the oldest is gone", async () => {
      const refused = await kv
        .get("f5-kept", { revision: revisions[0] as number })
        .catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "OUT_OF_RANGE", reason: "COMPACTED" });
      return true;
    });
    for (const node of cluster.numbers) {
      const own = patientKv(cluster, node);
      const kept = revisions.indexOf(newest - REVISIONS_KEPT + 2);
      expect(await own.getText("f5-kept", { revision: revisions[kept] as number })).toBe(`${kept}`);
    }
  },
);
