import type { Random } from "@quorate/services/std";
import { eventually } from "../support/eventually";
import { type Arena, SETTLE_MS_MAX } from "./arena";
import { type Fault, FaultMissed } from "./fault";

/** Faults around images of the state: logs are so short that whoever was away needs one. */
export const snapshotFaults = {
  compact: {
    group: "snapshot",
    async begin(arena) {
      await arena.leader();
      const points = await cutLogs(arena, arena.nodes);
      const { revision } = await arena.cluster.status(arena.nodes[0] as number);
      const oldest = Math.max(1, revision - HISTORY_REVISIONS_KEPT);
      await arena.operator.kv.compact(oldest);
      return { on: `logs from ${points.join(", ")}, history from ${oldest}`, heal: async () => undefined };
    },
  },
  "away-long": {
    group: "snapshot",
    async begin(arena, random) {
      const node = await leftBehind(arena, random);
      return {
        on: `n${node}`,
        async heal() {
          const installed = installing(arena, node);
          arena.launch(node);
          await installed();
        },
      };
    },
  },
  "kill-receiver": {
    group: "snapshot",
    async begin(arena, random) {
      const node = await leftBehind(arena, random);
      await slowImages(arena, node);
      const kills = 1 + random.below(2);
      for (let kill = 0; kill < kills; kill += 1) {
        arena.launch(node);
        await receiving(arena, node);
        await arena.kill(node);
      }
      return { on: `n${node}, ${times(kills)} amid an image`, heal: () => goOn(arena, node) };
    },
  },
  "kill-sender": {
    group: "snapshot",
    async begin(arena, random) {
      const node = await leftBehind(arena, random);
      await slowImages(arena, node);
      arena.launch(node);
      const sender = await receiving(arena, node);
      await arena.kill(sender);
      return {
        on: `n${sender}, amid an image for n${node}`,
        async heal() {
          const installed = installing(arena, node);
          await arena.links.heal();
          arena.launch(sender);
          await installed();
        },
      };
    },
  },
  "cut-image": {
    group: "snapshot",
    async begin(arena, random) {
      const node = await leftBehind(arena, random);
      await slowImages(arena, node);
      arena.launch(node);
      await receiving(arena, node);
      await arena.links.impose(arena.directionsOf(node), { kind: "cut" });
      return {
        on: `n${node}, isolated amid an image`,
        async heal() {
          const installed = installing(arena, node);
          await arena.links.heal();
          await installed();
        },
      };
    },
  },
} as const satisfies Record<string, Fault>;

/** What a compaction leaves: more than any fault needs that asks for a past revision. */
const HISTORY_REVISIONS_KEPT = 1000;

const BULK_KEYS = 64;
const BULK_BYTES = 32 * 1024;

/** More than a cut leaves in a log. */
const BEHIND_ENTRIES = 200;

/** So that an image of the bulk takes some seconds. */
const IMAGE_BYTES_PER_SECOND = 400_000;

/** Kills a follower, and lets the others go so far ahead, and cut their logs, that no log can help it. @returns it */
async function leftBehind(arena: Arena, random: Random): Promise<number> {
  const others = arena.without(await arena.leader());
  const node = others[random.below(others.length)] as number;
  await makeBulk(arena);
  const { lastIndex } = await arena.cluster.status(node);
  await arena.kill(node);
  const staying = arena.without(node);
  await arena.leader();
  const { kv } = arena.operator;
  await Promise.all(Array.from({ length: BEHIND_ENTRIES }, (_, at) => kv.put("filler/behind", String(at))));
  // A leader keeps what a member needs that it heard of a moment ago.
  await eventually(
    `all logs begin behind entry ${lastIndex}, the last of n${node}`,
    async () => (await firstIndexes(arena, staying)).every((first) => first > lastIndex + 1),
    // Each look makes all of them cut their logs.
    { deadlineMs: SETTLE_MS_MAX, intervalMs: 500 },
  );
  return node;
}

/** Once a run: what makes the state large enough for an image to be broken off. */
async function makeBulk({ operator }: Arena): Promise<void> {
  if ((await operator.kv.get(bulkKey(BULK_KEYS - 1))) !== undefined) return;
  const bytes = Buffer.alloc(BULK_BYTES, ".");
  await Promise.all(Array.from({ length: BULK_KEYS }, (_, at) => operator.kv.put(bulkKey(at), bytes)));
}

function bulkKey(at: number): string {
  return `filler/bulk-${String(at).padStart(3, "0")}`;
}

async function cutLogs(arena: Arena, nodes: readonly number[]): Promise<readonly string[]> {
  const points = await firstIndexes(arena, nodes);
  return points.map((first, at) => `${first} on n${nodes[at]}`);
}

/** Cuts the logs of the nodes, as far as they may be. @returns where each begins now */
async function firstIndexes(arena: Arena, nodes: readonly number[]): Promise<readonly number[]> {
  const points: number[] = [];
  for (const node of nodes) {
    const { logFirstIndex } = await arena.cluster.node(node).admin.call("takeSnapshot", {});
    points.push(Number(logFirstIndex));
  }
  return points;
}

function slowImages(arena: Arena, node: number): Promise<void> {
  const fault = { kind: "throttle", bytesPerSecond: IMAGE_BYTES_PER_SECOND } as const;
  return arena.links.impose(arena.directionsOf(node), fault);
}

/** Waits until the node receives an image. @returns the number of the member that sends it */
async function receiving(arena: Arena, node: number): Promise<number> {
  const from = await eventually(
    `n${node} receives an image`,
    async () => (await arena.cluster.status(node, 1000)).receiving?.fromMemberId,
    { deadlineMs: SETTLE_MS_MAX, intervalMs: 10 },
  );
  return Number(from.slice(1));
}

/** To be called before the heal. @returns waits until the node has taken over an image since */
function installing(arena: Arena, node: number): () => Promise<void> {
  const before = arena.cluster.logs(node).length;
  return async () => {
    try {
      await eventually(
        `n${node} installs a snapshot`,
        () => arena.cluster.logs(node).slice(before).includes("installed a snapshot"),
        { deadlineMs: SETTLE_MS_MAX },
      );
    } catch (late) {
      throw new FaultMissed(`n${node} was left behind, and took no snapshot`, { cause: late });
    }
  };
}

async function goOn(arena: Arena, node: number): Promise<void> {
  const installed = installing(arena, node);
  await arena.links.heal();
  arena.launch(node);
  await installed();
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
