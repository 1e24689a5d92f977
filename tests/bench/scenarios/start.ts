import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { usageOf } from "../process-usage";
import { spreadOf } from "../statistics";
import { keyOf, load } from "./data";
import type { Figures } from "./goal";
import type { Scenario, Stage } from "./scenario";
import type { Subject } from "./subject";

type Option = "keys" | "idle";

const MIB = 1024 * 1024;
const SETTLED_MS = 2000;
const SETTLE_MS_MAX = 60_000;

/** From the spawn of processes to the moment at which they are of use, and what they hold then. */
export const start: Scenario<Option> = {
  about:
    "start of one empty node and of three; restart with keys after kill -9 of all; memory, disk, idle CPU",
  rounds: 3,
  options: {
    keys: { default: 100_000, about: "keys of 256 B that the cluster is restarted with" },
    idle: { default: 20, about: "seconds over which the CPU of nodes that nobody calls is measured" },
  },
  round,
  goals: (_profile, { keys }) => [
    { figure: "emptyMs", is: "below", limit: 300 },
    { figure: "idleCpuPercent", is: "below", limit: 2 },
    ...(keys <= 100_000
      ? ([
          { figure: "restartMs", is: "below", limit: 1500 },
          { figure: "rssMib", is: "below", limit: 170 },
          { figure: "diskMib", is: "below", limit: 100 },
        ] as const)
      : ([{ figure: "restartMs", is: "below", limit: 10_000 }] as const)),
  ],
};

async function round(stage: Stage, { keys, idle }: Readonly<Record<Option, number>>): Promise<Figures> {
  const lone = await stage.fresh(1);
  const [node] = lone.nodes as [string];
  const emptyMs = await timed(async () => {
    await lone.spawn(node);
    await lone.answers(node, "up");
  });
  const emptyCpuMs = usageOf(lone.pid(node)).cpuMicros / 1000;
  await lone.stop();
  const cluster = await stage.fresh(3);
  const firstLeaderMs = await timed(() => firstLed(cluster));
  await loadAll(cluster, keys);
  const diskMib = await settledDiskMib(cluster);
  const rssMib = largest(cluster, (id) => usageOf(cluster.pid(id)).rssBytes / MIB);
  const idleCpuPercent = await idleCpuPercentOf(cluster, idle);
  await Promise.all(cluster.nodes.map((id) => cluster.kill(id)));
  const restartMs = await timed(async () => {
    await firstLed(cluster);
    await readLast(cluster, keys);
  });
  await cluster.level();
  const restartCpuMs = largest(cluster, (id) => usageOf(cluster.pid(id)).cpuMicros / 1000);
  const rssRestartedMib = largest(cluster, (id) => usageOf(cluster.pid(id)).rssBytes / MIB);
  return {
    emptyMs,
    emptyCpuMs,
    firstLeaderMs,
    restartMs,
    restartCpuMs,
    rssMib,
    rssRestartedMib,
    diskMib,
    idleCpuPercent,
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

/** Starts all nodes; resolves when the first of them knows a leader. */
async function firstLed(subject: Subject): Promise<void> {
  await Promise.all(subject.nodes.map((node) => subject.spawn(node)));
  const leaving = new AbortController();
  const answers = subject.nodes.map((node) => subject.answers(node, "led", leaving.signal));
  await Promise.any(answers);
  leaving.abort();
  await Promise.allSettled(answers);
}

async function loadAll(subject: Subject, keys: number): Promise<void> {
  const client = await subject.connect();
  try {
    await load(client, "start-", keys);
  } finally {
    await client.close();
  }
  await subject.level();
}

/** The first linearizable read. */
async function readLast(subject: Subject, keys: number): Promise<void> {
  const client = await subject.connect(subject.nodes[0]);
  try {
    const found = await client.get(keyOf("start-", keys - 1));
    if (found === undefined || found === null) throw new Error("a key is gone after the restart");
  } finally {
    await client.close();
  }
}

/** The largest node's disk when compaction has nothing left to do. */
async function settledDiskMib(subject: Subject): Promise<number> {
  const sizes = () => subject.nodes.map((node) => diskBytesOf(subject.dataDir(node)));
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  let before = sizes();
  for (;;) {
    await delay(SETTLED_MS);
    const now = sizes();
    const isSettled = now.every((bytes, at) => bytes === before[at]);
    if (isSettled || performance.now() > deadlineMs) return Math.max(...now) / MIB;
    before = now;
  }
}

/** Whatever is done now and then, such as to compare the replicas after a load, falls into one or two of them. */
const IDLE_WINDOWS = 5;

/** What the busiest node takes of a core while nobody calls it: the median of several windows. */
async function idleCpuPercentOf(subject: Subject, seconds: number): Promise<number> {
  const percents: number[] = [];
  for (let window = 0; window < IDLE_WINDOWS; window += 1) {
    const before = new Map(subject.nodes.map((node) => [node, usageOf(subject.pid(node)).cpuMicros]));
    const beganAtMs = performance.now();
    await delay((seconds / IDLE_WINDOWS) * 1000);
    const usedMicros = (node: string) => usageOf(subject.pid(node)).cpuMicros - (before.get(node) ?? 0);
    percents.push(largest(subject, usedMicros) / 10 / (performance.now() - beganAtMs));
  }
  return spreadOf(percents).median;
}

function largest(subject: Subject, of: (node: string) => number): number {
  return Math.max(...subject.nodes.map(of));
}

/** What the files of a directory take up on disk; a file that goes meanwhile takes nothing. */
export function diskBytesOf(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sum + diskBytesOf(path);
    return sum + (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }, 0);
}
