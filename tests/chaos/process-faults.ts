import type { Random } from "@quorate/services/std";
import { type Arena, named } from "./arena";
import type { Fault, Underway } from "./fault";

/** Faults of processes: killed, crashing again and again, stopped, restarted in order, relieved of their office. */
export const processFaults = {
  "kill-leader": {
    group: "kill",
    begin: async (arena) => killed(arena, [await arena.leader()], "the leader"),
  },
  "kill-follower": {
    group: "kill",
    begin: async (arena, random) =>
      killed(arena, [follower(arena, await arena.leader(), random)], "a follower"),
  },
  "kill-one-by-one": {
    group: "kill",
    async begin(arena, random) {
      const leader = await arena.leader();
      // One more than can be missed, so that writes stop until they return; the leader is among them, first or last.
      const others = shuffled(arena.without(leader), random).slice(0, majority(arena) - 1);
      const victims = random.below(2) === 0 ? [leader, ...others] : [...others, leader];
      for (const victim of victims) {
        await arena.kill(victim);
        await span(arena.electionTimeoutMs);
      }
      return {
        on: `${victims.map((node) => named(node, leader)).join(", then ")}`,
        heal: async () => arena.launch(...victims),
      };
    },
  },
  "kill-all": {
    group: "kill",
    begin: async (arena) => killed(arena, arena.nodes, "all at once"),
  },
  "crash-loop": {
    group: "kill",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = arena.nodes[random.below(arena.nodes.length)] as number;
      const crashes = 3 + random.below(4);
      for (let crash = 1; crash < crashes; crash += 1) {
        await arena.kill(node);
        arena.launch(node);
        // Anywhere in its start and its first moments as a member.
        await span(random.below(2 * arena.electionTimeoutMs));
      }
      await arena.kill(node);
      return { on: `${named(node, leader)}, ${crashes} times`, heal: async () => arena.launch(node) };
    },
  },
  "pause-leader": {
    group: "pause",
    begin: async (arena) => paused(arena, await arena.leader(), "the leader"),
  },
  "pause-follower": {
    group: "pause",
    begin: async (arena, random) =>
      paused(arena, follower(arena, await arena.leader(), random), "a follower"),
  },
  "pause-flicker": {
    group: "pause",
    async begin(arena, random) {
      const leader = await arena.leader();
      // Stalls shorter than the election timeout, of the leader, in a row.
      for (let stall = 0; stall < 5; stall += 1) {
        arena.cluster.pause(leader);
        await span(50 + random.below(450));
        arena.cluster.resume(leader);
        await span(50 + random.below(200));
      }
      return { on: `n${leader}, the leader, 5 stalls of 50 to 500 ms`, heal: async () => undefined };
    },
  },
  "rolling-restart": {
    group: "rolling",
    async begin(arena) {
      for (const node of arena.nodes) {
        await arena.terminate(node);
        arena.launch(node);
        await arena.answering(node);
        await arena.leader();
      }
      return { on: "all, one after another", heal: async () => undefined };
    },
  },
  transfer: {
    group: "transfer",
    async begin(arena, random) {
      const told: string[] = [];
      for (let times = 0; times < 3; times += 1) {
        const leader = await arena.leader();
        const target = follower(arena, leader, random);
        // Whether it succeeds is its own affair: nothing may be lost, and somebody must lead.
        const { ok } = await arena.cluster
          .node(leader)
          .admin.attempt("transferLeadership", { memberId: `n${target}` });
        told.push(`n${leader} to n${target}${ok ? "" : " (given up)"}`);
      }
      return { on: told.join(", "), heal: async () => undefined };
    },
  },
} as const satisfies Record<string, Fault>;

async function killed(arena: Arena, nodes: readonly number[], who: string): Promise<Underway> {
  await arena.kill(...nodes);
  return {
    on: `${nodes.map((node) => `n${node}`).join(", ")}, ${who}`,
    heal: async () => arena.launch(...nodes),
  };
}

function paused(arena: Arena, node: number, who: string): Underway {
  arena.cluster.pause(node);
  return { on: `n${node}, ${who}`, heal: async () => arena.cluster.resume(node) };
}

function follower(arena: Arena, leader: number, random: Random): number {
  const followers = arena.without(leader);
  return followers[random.below(followers.length)] as number;
}

/** How many nodes can commit. */
export function majority({ nodes }: Arena): number {
  return Math.floor(nodes.length / 2) + 1;
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const drawn: T[] = [];
  while (left.length > 0) drawn.push(...left.splice(random.below(left.length), 1));
  return drawn;
}

/** A part of the fault itself, not a wait for something to happen. */
function span(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
