import { expect } from "@jest/globals";
import { AlarmKind } from "@quorate/client/generated";
import {
  bytes,
  clusterOfFile,
  corruptStoredRecords,
  hex,
  NeverWill,
  type TestCluster,
  text,
} from "../support";
import { doing, operation } from "./bare-txn";
import { Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const INTERVAL_MS = 500;
const cluster = clusterOfFile({
  profile: "default",
  nodeArgs: () => ["--verify-interval-ms", String(INTERVAL_MS)],
});

/** One byte, not ASCII, long. */
const KEYS = ["a", "schlüssel-ключ-鍵", "k".repeat(2048)];

/** Changes what a node holds behind its back, with the right checksums. */
async function corrupt(
  cluster: TestCluster,
  node: number,
  changes: readonly (readonly [key: string, value: string])[],
): Promise<void> {
  expect(await cluster.terminate(node)).toBe(0);
  await corruptStoredRecords(
    cluster.dataDir(node),
    changes.map(([key, value]) => ({ namespaceId: 1, generation: 1, key: bytes(key), value: bytes(value) })),
  );
  await cluster.restart(node);
}

/** What a node found in its newest round. */
async function newestRound(
  cluster: TestCluster,
  node: number,
): Promise<{ round: number; root: string; appliedIndex: number; agreedRound: number }> {
  const { verification } = await cluster.status(node);
  return {
    round: Number(verification?.round ?? 0n),
    root: hex(verification?.root ?? bytes("")),
    appliedIndex: Number(verification?.appliedIndex ?? 0n),
    agreedRound: Number(verification?.agreedRound ?? 0n),
  };
}

cluster.test(
  "H4: under load, what each node finds in a round is the same at the same entry",
  async (cluster) => {
    const load = Load.closedLoop(patientKv(cluster), "h4-", { callers: 2, restMs: 40 });
    const found = new Map<number, Map<number, string>>();
    await inTime("five rounds with changes in between were seen on each node", async () => {
      await Promise.all(
        cluster.numbers.map(async (node) => {
          const { round, root, appliedIndex } = await newestRound(cluster, node);
          if (round === 0) return;
          const of = found.get(round) ?? new Map<number, string>();
          found.set(round, of.set(node, `${root} at entry ${appliedIndex}`));
        }),
      );
      const whole = [...found.values()].filter((of) => of.size === 3);
      return new Set(whole.map((of) => of.get(1))).size >= 5;
    });
    await load.stop();
    for (const of of found.values()) expect(new Set(of.values()).size).toBe(1);
    const { round } = await newestRound(cluster, await cluster.leader());
    await inTime("they were found equal", async () => {
      const { verification } = await cluster.status(await cluster.leader());
      const { diverged = [], agreedRound = 0n } = verification ?? {};
      if (diverged.length > 0) throw new NeverWill(`${diverged.join(", ")} was found to differ`);
      return Number(agreedRound) >= round;
    });
  },
);

cluster.test("H5: a follower that differs finds it out and repairs itself, and says so", async (cluster) => {
  const kv = patientKv(cluster);
  for (const key of KEYS) await kv.put(key, "right");
  await cluster.agree();
  const [node] = (await cluster.followers()) as [number];
  await corrupt(
    cluster,
    node,
    KEYS.map((key) => [key, "wrong"]),
  );
  await inTime(
    "it is repaired",
    async () => (await cluster.status(node)).verification?.recordsRepaired === 3n,
  );
  for (const key of KEYS) {
    const { record } = await cluster.node(node).kv.call("get", { key: bytes(key) });
    expect(text(record?.value ?? bytes(""))).toBe("right");
  }
  expect(cluster.logs(node)).toContain("this replica differs from those of the majority and repairs itself");
  expect(cluster.logs(node)).toContain("the replica was repaired");
  await inTime("nobody tells of a difference any more", async () => {
    const alarms = await Promise.all(cluster.numbers.map(async (at) => (await cluster.status(at)).alarms));
    return alarms.flat().every(({ kind }) => kind !== AlarmKind.DIVERGED);
  });
  await cluster.agree();
});

/** What members took from the others to compare and repair, in bytes, since they started. */
async function takenBytes(cluster: TestCluster, nodes: readonly number[]): Promise<number> {
  let sum = 0;
  for (const node of nodes) {
    const response = await fetch(`http://${cluster.topology.httpAddress(node)}/metrics`);
    const taken = /^quorate_verification_taken_bytes_total\{.*\} (\d+)$/m.exec(await response.text());
    sum += Number(taken?.[1]);
  }
  return sum;
}

cluster.test("H6: one bad key in 10,000: less than 1 % of the data moves", async (cluster) => {
  const value = "v".repeat(512);
  for (let block = 0; block < 100; block += 1) {
    const puts = Array.from({ length: 100 }, (_, at) =>
      operation("put", { key: bytes(`h6-${block * 100 + at}`), value: bytes(value) }),
    );
    await cluster.node(1).kv.call("txn", doing(...puts));
  }
  await cluster.agree();
  const leader = await cluster.leader();
  const stored = Number((await cluster.node(leader).admin.call("stats", {})).bytes);
  expect(stored).toBeGreaterThan(5_000_000);
  const [node] = (await cluster.followers()) as [number];
  // The node that differs begins anew at 0.
  const before = await takenBytes(
    cluster,
    cluster.numbers.filter((other) => other !== node),
  );
  await corrupt(cluster, node, [["h6-7777", "w".repeat(512)]]);
  await inTime(
    "it is repaired",
    async () => (await cluster.status(node)).verification?.recordsRepaired === 1n,
  );
  await inTime("all are found equal", async () => {
    const { admin } = cluster.node(await cluster.leader());
    const { members, consistent } = await admin.call("verifyConsistency", {}, { deadlineMs: 60_000 });
    if (members.some(({ answered }) => !answered)) return false;
    if (!consistent) throw new NeverWill("some differ though the one that did was repaired");
    return true;
  });
  const taken = (await takenBytes(cluster, cluster.numbers)) - before;
  expect(taken).toBeGreaterThan(512);
  expect(taken).toBeLessThan(stored / 100);
  const { record } = await cluster.node(node).kv.call("get", { key: bytes("h6-7777") });
  expect(text(record?.value ?? bytes(""))).toBe(value);
});
