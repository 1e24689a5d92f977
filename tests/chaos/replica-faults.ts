import { readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { KvRecord } from "@quorate/client";
import type { Random } from "@quorate/services/std";
import { corruptStoredRecords } from "../support/corrupt-record";
import { eventually } from "../support/eventually";
import { type Arena, named, SETTLE_MS_MAX } from "./arena";
import { type Fault, FaultMissed } from "./fault";
import { isPast, keyOf, PREFIX } from "./keys";
import { majority } from "./process-faults";

/** Faults of what a member holds beside its log: the state, single records of it, and the space for it. */
export const replicaFaults = {
  "lost-state": {
    group: "damage",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      await arena.operator.kv.put("filler/lost-state", String(leader));
      await arena.cluster.node(node).admin.call("takeSnapshot", {});
      await arena.kill(node);
      const how = await loseState(arena.cluster.dataDir(node), random);
      return {
        on: `${named(node, leader)}, ${how}`,
        async heal() {
          const before = arena.cluster.logs(node).length;
          arena.launch(node);
          await arena.answering(node);
          const said = arena.cluster.logs(node).slice(before);
          if (!/the state is damaged: it is (rebuilt|brought)/.test(said))
            throw new FaultMissed(
              `n${node} has lost its state, and said nothing of bringing it back:\n${said}`,
            );
        },
      };
    },
  },
  "corrupt-record": {
    group: "divergence",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.without(leader), random);
      const record = await pastRecord(arena, random);
      const right = record?.text();
      // With none to choose from, one is added that nobody wrote.
      const key = record?.key ?? keyOf(0, "once", "ghost");
      const value = record !== undefined && random.below(2) === 0 ? null : Buffer.from("corrupted");
      await arena.kill(node);
      // The default namespace is the first; nobody has truncated it.
      const place = { namespaceId: 1, generation: 1 };
      await corruptStoredRecords(arena.cluster.dataDir(node), [{ ...place, key: Buffer.from(key), value }]);
      arena.launch(node);
      await arena.answering(node);
      const stale = arena.directKv(arena.cluster.address(node), OWN_READ_MS_MAX);
      const held = (await stale.get(key, { consistency: "stale" }))?.text();
      await foundAndRepaired(arena, node, async () => {
        return (await stale.get(key, { consistency: "stale" }))?.text() === right;
      });
      const what = record === undefined ? "a key too many" : value === null ? "a key gone" : "a wrong value";
      const seen = held === right ? "" : ", and seen to be";
      return { on: `n${node}, ${what}${seen}`, heal: async () => undefined };
    },
  },
  "low-space": {
    group: "space",
    async begin(arena, random) {
      const leader = await arena.leader();
      const low = [leader, ...arena.without(leader)].slice(0, majority(arena));
      await restartedWithSpace(arena, low, false);
      // What is in flight when the last of them says so may still be done; soon nothing is.
      await eventually(
        "writes are refused for want of space",
        async () => {
          const reply = await arena.cluster
            .node(await arena.leader())
            .kv.attempt("put", { key: Buffer.from("filler/low-space") });
          return !reply.ok && reply.code === "RESOURCE_EXHAUSTED";
        },
        { deadlineMs: SETTLE_MS_MAX },
      );
      const reader = arena.directKv(arena.cluster.address(pick(arena.nodes, random)), OWN_READ_MS_MAX);
      await reader.get("filler/low-space");
      return {
        on: low.map((node) => named(node, leader)).join(", "),
        heal: () => restartedWithSpace(arena, low, true),
      };
    },
  },
} as const satisfies Record<string, Fault>;

const OWN_READ_MS_MAX = 5000;

/** A record of the workload that nobody uses any more; undefined where there is none yet. */
async function pastRecord({ operator }: Arena, random: Random): Promise<KvRecord | undefined> {
  const past: KvRecord[] = [];
  for await (const record of operator.kv.scan({ prefix: PREFIX })) past.push(record);
  const newest = past.at(-1)?.key ?? "";
  const settled = past.filter(({ key }) => isPast(key, newest));
  return settled[random.below(Math.max(1, settled.length))];
}

/** The cluster has to notice by itself, and to say so or to have put it right. */
async function foundAndRepaired(arena: Arena, node: number, isRight: () => Promise<boolean>): Promise<void> {
  try {
    await eventually(`n${node} holds what the others do`, isRight, { deadlineMs: SETTLE_MS_MAX });
    await eventually(
      "all replicas are found equal",
      async () => (await arena.operator.cluster.verifyConsistency()).consistent,
      { deadlineMs: SETTLE_MS_MAX },
    );
  } catch (late) {
    throw new FaultMissed(`n${node} holds a wrong record, which is not repaired`, { cause: late });
  }
}

/** Takes away what a state cannot be read without. @returns how */
async function loseState(dataDir: string, random: Random): Promise<string> {
  const current = join(dataDir, "state.current");
  const [name = ""] = (await readFile(current, "utf8")).trim().split(" ");
  const database = join(dataDir, name);
  switch (random.below(3)) {
    case 0:
      await rm(database, { recursive: true });
      return "its state gone";
    case 1:
      await rm(join(database, "CURRENT"));
      return "its state without the file CURRENT";
    default: {
      const manifest = (await readFile(join(database, "CURRENT"), "utf8")).trim();
      await truncate(join(database, manifest), 0);
      return "its state with an empty manifest";
    }
  }
}

/** One after another, so that the others go on. */
async function restartedWithSpace(arena: Arena, nodes: readonly number[], hasSpace: boolean): Promise<void> {
  for (const node of nodes) {
    if (hasSpace) arena.starts.withoutSpace.delete(node);
    else arena.starts.withoutSpace.add(node);
    await arena.terminate(node);
    arena.launch(node);
    await arena.answering(node);
    await arena.leader();
  }
}

function pick(nodes: readonly number[], random: Random): number {
  return nodes[random.below(nodes.length)] as number;
}
