import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { expect, test } from "@jest/globals";
import { op } from "@quorate/client";
import { verifyBackupFile } from "@quorate/services/launcher";
import { type LoadWindow, SteadyLoad } from "../bench/steady-load";
import { noise, type TestCluster, withCluster } from "../support";
import { inTime } from "./patient";
import { type MemoryCourse, peakRssBytes, watchingMemory } from "./process-memory";
import { sizeFrom } from "./sizes";

const KEYS = sizeFrom("QUORATE_LARGE_KEYS", 1_000_000);
const VALUE_BYTES = sizeFrom("QUORATE_LARGE_VALUE_BYTES", 256);
const WRITES_PER_SECOND = sizeFrom("QUORATE_LARGE_WRITES_PER_SECOND", 200);
const BASE_LINE_SECONDS = sizeFrom("QUORATE_LARGE_BASE_LINE_SECONDS", 10);

const PER_TXN = 128;
const LOADING_IN_FLIGHT = 16;
const CALL_MS_MAX = 300_000;
const NODE_START_MS_MAX = 900_000;
const MIB = 1024 * 1024;

/** What a node may take of its own to send an image or a backup, however many keys there are. */
const SENDING_BYTES_MAX = 200 * MIB;

function keyOf(at: number): string {
  return `large/${String(at).padStart(9, "0")}`;
}

async function load(cluster: TestCluster): Promise<void> {
  const { kv } = cluster.client(cluster.numbers, { deadlineMs: CALL_MS_MAX });
  let next = 0;
  const loader = async (): Promise<void> => {
    while (next < KEYS) {
      const from = next;
      next += PER_TXN;
      const count = Math.min(PER_TXN, KEYS - from);
      const puts = Array.from({ length: count }, (_, at) =>
        op.put(keyOf(from + at), noise(VALUE_BYTES, from + at)),
      );
      await kv
        .txn()
        .do(...puts)
        .commit();
    }
  };
  await Promise.all(Array.from({ length: LOADING_IN_FLIGHT }, loader));
}

/** Writes to keys that are there, until it is stopped. */
function writing(cluster: TestCluster): SteadyLoad {
  const { kv } = cluster.client(cluster.numbers, { deadlineMs: CALL_MS_MAX });
  let written = 0;
  const write = () => {
    written += 1;
    return kv.put(keyOf((written * 7919) % KEYS), noise(VALUE_BYTES, written));
  };
  return new SteadyLoad(write, WRITES_PER_SECOND);
}

async function baseLine(steady: SteadyLoad): Promise<LoadWindow> {
  steady.window();
  await new Promise((resolve) => setTimeout(resolve, BASE_LINE_SECONDS * 1000));
  return steady.window();
}

async function timed<T>(body: () => Promise<T>): Promise<{ readonly result: T; readonly seconds: number }> {
  const startedAtMs = performance.now();
  const result = await body();
  return { result, seconds: (performance.now() - startedAtMs) / 1000 };
}

function latency({ operations, p50Ms, p99Ms, maxMs }: LoadWindow): string {
  return `P50 ${p50Ms.toFixed(1)}, P99 ${p99Ms.toFixed(1)}, longest ${maxMs.toFixed(0)} ms over ${operations} writes`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

function memoryText(memory: ReadonlyMap<string, MemoryCourse>): string {
  return [...memory]
    .map(
      ([name, { before, most }]) =>
        `${name} ${mib(before.rssBytes)} to ${mib(most.rssBytes)} (its own ${mib(before.ownBytes)} to ${mib(most.ownBytes)})`,
    )
    .join("; ");
}

function expectBounded(memory: ReadonlyMap<string, MemoryCourse>): void {
  for (const [name, { before, most }] of memory) {
    const grownBytes = most.ownBytes - before.ownBytes;
    expect({ name, isBounded: grownBytes < SENDING_BYTES_MAX, grownBytes }).toMatchObject({
      isBounded: true,
    });
  }
}

async function rootAt(cluster: TestCluster, node: number, revision: bigint): Promise<string> {
  const { root, count } = await cluster
    .node(node)
    .admin.call("hash", { revision }, { deadlineMs: CALL_MS_MAX });
  return `${count} keys ${Buffer.from(root).toString("hex")}`;
}

test(`F2, F6: with ${KEYS.toLocaleString("en")} keys of ${VALUE_BYTES} B a node joins under load, and a backup is taken and restored`, async () => {
  const lines: string[] = [];
  const options = {
    spares: 1,
    profile: "default",
    startMsMax: NODE_START_MS_MAX,
    nodeArgs: () => ["--free-bytes-min", "0"],
  } as const;
  await withCluster(options, async (cluster) => {
    const loaded = await timed(() => load(cluster));
    lines.push(`loaded in ${loaded.seconds.toFixed(0)} s (${(KEYS / loaded.seconds).toFixed(0)} keys/s)`);
    for (const node of cluster.numbers)
      await cluster.node(node).admin.call("takeSnapshot", {}, { deadlineMs: CALL_MS_MAX });
    const pids = new Map(cluster.numbers.map((node) => [`n${node}`, cluster.pid(node)] as const));
    const steady = writing(cluster);
    const before = await baseLine(steady);

    const joining = await watchingMemory(pids, async () => {
      const answers = await timed(async () => cluster.join(4, await cluster.leader()));
      const votes = await timed(() =>
        inTime("n4 votes", async () => (await cluster.status(await cluster.leader())).voters.includes("n4"), {
          deadlineMs: NODE_START_MS_MAX,
        }),
      );
      return { answers, votes };
    });
    const duringJoin = steady.window();
    const { answers, votes } = joining.result;
    const { diskBytes } = await cluster.status(4);
    lines.push(
      `n4 has the state and answers after ${answers.seconds.toFixed(1)} s, votes after another ${votes.seconds.toFixed(1)} s; ` +
        `${mib(diskBytes)} on its disk, at most ${mib(peakRssBytes(cluster.pid(4)))} resident`,
      `members meanwhile: ${memoryText(joining.memory)}`,
      `writes at ${WRITES_PER_SECOND}/s before: ${latency(before)}`,
      `              while it joins: ${latency(duringJoin)}`,
    );

    const file = cluster.scratch("large.backup");
    const [source] = (await cluster.followers()) as [number];
    const saving = await watchingMemory(new Map([[`n${source}`, cluster.pid(source)]]), () =>
      timed(async () => {
        const out = createWriteStream(file);
        const client = cluster.client(source, { deadlineMs: CALL_MS_MAX });
        for await (const piece of client.cluster.backup({
          member: `n${source}`,
          deadlineMs: NODE_START_MS_MAX,
        })) {
          if (!out.write(piece)) await once(out, "drain");
        }
        out.end();
        await finished(out);
      }),
    );
    const duringBackup = steady.window();
    await steady.stop();
    const { size } = await stat(file);
    const verifying = await timed(() => verifyBackupFile(file));
    const { isSound, line } = verifying.result;
    expect({ isSound, line }).toMatchObject({ isSound: true });
    const revision = BigInt(/at revision (\d+)/.exec(line)?.[1] ?? "-1");
    const root = await rootAt(cluster, source, revision);
    lines.push(
      `backup in ${saving.result.seconds.toFixed(1)} s: ${mib(size)}, verified in ${verifying.seconds.toFixed(1)} s; ${memoryText(saving.memory)}`,
      `              while it is taken: ${latency(duringBackup)}`,
    );

    const restoring = {
      ...options,
      nodes: 1,
      spares: 0,
      nodeArgs: () => ["--restore", file, "--bootstrap", "--free-bytes-min", "0"],
    };
    const startedAtMs = performance.now();
    await withCluster(restoring, async (restored) => {
      const seconds = (performance.now() - startedAtMs) / 1000;
      lines.push(
        `restored in ${seconds.toFixed(1)} s, at most ${mib(peakRssBytes(restored.pid(1)))} resident`,
      );
      expect(await rootAt(restored, 1, revision)).toBe(root);
    });
    console.log(lines.join("\n"));

    expect([before, duringJoin, duringBackup, steady.window()].map(({ failed }) => failed)).toEqual([
      0, 0, 0, 0,
    ]);
    expectBounded(joining.memory);
    expectBounded(saving.memory);
    await cluster.agree({ deadlineMs: CALL_MS_MAX });
  });
}, 3_600_000);
