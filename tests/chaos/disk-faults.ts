import { execFile } from "node:child_process";
import { cp, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../support/eventually";
import { writtenOf } from "../unit/storage/damaged-files";
import { type Arena, named, STORE_FAILURE_EXIT_CODE } from "./arena";
import { type Fault, FaultMissed, type Underway } from "./fault";

/** Faults of one node's disk: the copies of the others are never touched at the same time. */
export const diskFaults = {
  "disk-full": {
    group: "disk-full",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = arena.nodes[random.below(arena.nodes.length)] as number;
      const exit = arena.endOf(node);
      await refuseLongFiles(arena.cluster.pid(node), await fileBytesMax(arena, node));
      const { code } = await fillUntil(arena, node, exit);
      if (code !== STORE_FAILURE_EXIT_CODE)
        throw new FaultMissed(
          `n${node} ended with ${code}, not ${STORE_FAILURE_EXIT_CODE}, when its disk was full`,
        );
      // The limit went with the process: the space is back for the next one.
      return { on: named(node, leader), heal: async () => arena.launch(node) };
    },
  },
  "damaged-log": {
    group: "damage",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = arena.nodes[random.below(arena.nodes.length)] as number;
      const share = random.float();
      return damaged(arena, node, { leader, damage: (log) => flipBit(log, share) });
    },
  },
  "lost-segment": {
    group: "damage",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = arena.nodes[random.below(arena.nodes.length)] as number;
      return damaged(arena, node, { leader, damage: removeSegment });
    },
  },
} as const satisfies Record<string, Fault>;

const run = promisify(execFile);

/** From now on the system refuses the process's writes that would make a file longer (setrlimit(2)): EFBIG. */
async function refuseLongFiles(pid: number, bytesMax: number): Promise<void> {
  await run("prlimit", [`--pid=${pid}`, `--fsize=${bytesMax}`]);
}

/** Soon reached by what the node stores, and well beyond what it has written to its own output. */
const OUTPUT_SLACK_BYTES = 128 * 1024;
const FILE_BYTES_MIN = 512 * 1024;

async function fileBytesMax(arena: Arena, node: number): Promise<number> {
  return Math.max(FILE_BYTES_MIN, arena.cluster.logs(node).length + OUTPUT_SLACK_BYTES);
}

const FILLER_BYTES = 32 * 1024;
const FILLER_KEYS = 4;
const FILLING_MS_MAX = 60_000;

/** Writes until the node has ended. */
async function fillUntil<T>(arena: Arena, node: number, ended: Promise<T>): Promise<T> {
  let result: { readonly value: T } | null = null;
  void ended.then((value) => {
    result = { value };
  });
  const isOver = (): { readonly value: T } | null => result;
  const { kv } = arena.cluster.client();
  const filler = Buffer.alloc(FILLER_BYTES, ".");
  const startedAtMs = performance.now();
  for (let at = 0; isOver() === null; at += 1) {
    if (performance.now() - startedAtMs > FILLING_MS_MAX)
      throw new FaultMissed(`n${node} did not notice in ${FILLING_MS_MAX} ms that its disk was full`);
    // Whether one of them fails is of no interest: nobody counts on them.
    await kv.put(`filler/${at % FILLER_KEYS}`, filler).catch(() => undefined);
  }
  return ended;
}

/** Damages a stopped node's log, lets it start, and sees that it refuses to. @param how.damage says what it did */
async function damaged(
  arena: Arena,
  node: number,
  how: { readonly leader: number; readonly damage: (log: string) => Promise<string> },
): Promise<Underway> {
  await arena.kill(node);
  const directory = arena.cluster.dataDir(node);
  const copy = arena.cluster.scratch(`copy of n${node}`);
  await rm(copy, { recursive: true, force: true });
  await cp(directory, copy, { recursive: true });
  const done = await how.damage(join(directory, "log"));
  const linesBefore = arena.cluster.logs(node).length;
  const isServing = servesOnce(arena, node);
  const exit = await arena.launchInVain(node);
  const hasServed = await isServing();
  const said = arena.cluster.logs(node).slice(linesBefore).trim().split("\n");
  const where = `${named(node, how.leader)}, ${done}`;
  // One line in the log, and the same for people.
  const isClear = said.length === 2 && said[1]?.startsWith("quorate-node: data-dir: ") === true;
  if (exit?.code !== STORE_FAILURE_EXIT_CODE || hasServed || !isClear) {
    const end = exit === null ? "runs on" : `ended with ${exit.signal ?? exit.code}`;
    throw new FaultMissed(
      `${where}: it ${end}${hasServed ? ", has served," : ""} and said\n${said.join("\n")}`,
    );
  }
  return {
    on: where,
    async heal() {
      await rm(directory, { recursive: true });
      await cp(copy, directory, { recursive: true });
      await rm(copy, { recursive: true });
      arena.launch(node);
    },
  };
}

const ASKING_INTERVAL_MS = 20;

/** Asks the node all the while. @returns a function that ends the asking and says whether it ever answered */
function servesOnce(arena: Arena, node: number): () => Promise<boolean> {
  let isOver = false;
  const asking = eventually(
    `n${node} answers, or is known not to`,
    async () => {
      const reply = await arena.cluster.node(node).admin.attempt("status", {}, { deadlineMs: 250 });
      if (reply.ok) return "answered";
      return isOver && "silent";
    },
    { intervalMs: ASKING_INTERVAL_MS },
  );
  return async () => {
    isOver = true;
    return (await asking) === "answered";
  };
}

/** Flips a bit at that share of the longest of the log's segments. */
async function flipBit(log: string, share: number): Promise<string> {
  const { name, bytes } = await longestSegment(log);
  const at = Math.floor(bytes * share);
  const file = await open(join(log, name), "r+");
  try {
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ 0x10;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
  return `${name}, byte ${at} of ${bytes}`;
}

async function removeSegment(log: string): Promise<string> {
  const { name } = await longestSegment(log);
  await rm(join(log, name));
  return `${name} removed`;
}

async function longestSegment(log: string): Promise<{ readonly name: string; readonly bytes: number }> {
  const names = (await readdir(log)).filter((name) => name.endsWith(".log"));
  const sized = await Promise.all(
    names.map(async (name) => ({ name, bytes: (await writtenOf(join(log, name))).length })),
  );
  const [longest] = sized.sort((left, right) => right.bytes - left.bytes);
  if (longest === undefined || longest.bytes === 0) throw new FaultMissed(`${log} has no segment`);
  return longest;
}
