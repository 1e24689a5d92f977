import type { Random } from "@quorate/services/std";
import { eventually } from "../support/eventually";
import { type Arena, named, REFUSED_EXIT_CODE, REMOVED_EXIT_CODE, SETTLE_MS_MAX } from "./arena";
import { type Fault, FaultMissed } from "./fault";
import { shuffled } from "./process-faults";

/** Changes of the members. When each is over there are as many voters as before, though not the same ones. */
export const membersFaults = {
  "grow-shrink": {
    group: "members",
    async begin(arena, random) {
      const before = arena.nodes;
      const joining = shuffled(arena.spares, random).slice(0, 1 + random.below(2));
      await Promise.all(joining.map((node) => arena.join(node)));
      await arena.voting([...before, ...joining]);
      return {
        on: `${list(joining)} came, as many leave`,
        async heal() {
          for (const _ of joining) {
            const leader = await arena.leader();
            await arena.remove(random.below(2) === 0 ? leader : pick(arena.without(leader), random));
          }
          await arena.voting(arena.nodes);
        },
      };
    },
  },
  "replace-leader": {
    group: "members",
    begin: async (arena, random) => replaced(arena, await arena.leader(), random, "the leader"),
  },
  "replace-follower": {
    group: "members",
    async begin(arena, random) {
      return replaced(arena, pick(arena.without(await arena.leader()), random), random, "a follower");
    },
  },
  "swap-two": {
    group: "members",
    async begin(arena, random) {
      const leader = await arena.leader();
      const joining = shuffled(arena.spares, random).slice(0, 2);
      // The leader among them, every other time.
      const leaving = shuffled(random.below(2) === 0 ? arena.nodes : arena.without(leader), random).slice(
        0,
        2,
      );
      const staying = arena.without(...leaving);
      await Promise.all(joining.map((node) => arena.join(node, "learner")));
      const gone = leaving.map((node) => arena.leaving(node));
      await eventually(
        `${list(joining)} take the places of ${list(leaving)}`,
        async () => {
          await arena.operator.cluster.changeMembers([
            ...joining.map((node) => ({ kind: "voter", memberId: `n${node}` }) as const),
            ...leaving.map((node) => ({ kind: "remove", memberId: `n${node}` }) as const),
          ]);
          return true;
        },
        { deadlineMs: SETTLE_MS_MAX },
      );
      await Promise.all(gone.map((ended) => ended()));
      await arena.voting([...staying, ...joining]);
      return {
        on: `${list(joining)} for ${leaving.map((node) => named(node, leader)).join(", ")}, in one change`,
        heal: async () => undefined,
      };
    },
  },
  "remove-rejoin": {
    group: "members",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = random.below(2) === 0 ? leader : pick(arena.without(leader), random);
      await arena.remove(node);
      return {
        on: `${named(node, leader)}, and back with a clean store`,
        async heal() {
          const exit = await arena.launchInVain(node);
          if (exit?.code !== REMOVED_EXIT_CODE)
            throw new FaultMissed(`n${node} was removed, and what it had was not refused`);
          await arena.join(node);
          await arena.voting(arena.nodes);
        },
      };
    },
  },
  "crash-in-change": {
    group: "members",
    async begin(arena, random) {
      const leader = await arena.leader();
      const other = pick(arena.without(leader), random);
      // It may come to pass or not: there must be one configuration, and not half of one.
      const change = arena.operator.cluster
        .changeMembers([{ kind: "learner", memberId: `n${other}` }], { deadlineMs: 5000 })
        .then(
          () => "made",
          () => "given up",
        );
      await arena.kill(leader);
      const outcome = await Promise.race([change, passing(2 * arena.electionTimeoutMs)]);
      return {
        on: `n${leader}, the leader, killed while n${other} steps back (${outcome})`,
        async heal() {
          arena.launch(leader);
          await arena.answering(leader);
          await change;
          await eventually(
            "all vote again",
            async () => {
              const { learners } = await arena.cluster.status(await arena.leader());
              const back = learners.map((memberId) => ({ kind: "voter", memberId }) as const);
              if (back.length > 0) await arena.operator.cluster.changeMembers(back, { deadlineMs: 5000 });
              return back.length === 0;
            },
            { deadlineMs: SETTLE_MS_MAX },
          );
          await arena.voting(arena.nodes);
        },
      };
    },
  },
  "wiped-disk": {
    group: "members",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      await arena.kill(node);
      arena.cluster.wipe(node);
      const exit = await arena.launchInVain(node);
      if (exit?.code !== REFUSED_EXIT_CODE)
        throw new FaultMissed(`n${node} has lost its disk, and has started as if nothing were lost`);
      const by = pick(arena.spares, random);
      const staying = arena.without(node);
      arena.cluster.leave(node);
      await added(arena, by, node);
      await arena.join(by);
      await arena.voting([...staying, by]);
      return { on: `${named(node, leader)}, replaced by n${by}`, heal: async () => undefined };
    },
  },
  priorities: {
    group: "transfer",
    async begin(arena, random) {
      const before = await arena.leader();
      const node = pick(arena.without(before), random);
      const least = pick(arena.without(node), random);
      await arena.operator.cluster.updateMember(`n${least}`, { priority: 0 });
      await arena.operator.cluster.updateMember(`n${node}`, { priority: 200 });
      await eventually(
        `n${node} leads, as its priority is the highest`,
        async () => (await arena.leader()) === node,
        { deadlineMs: SETTLE_MS_MAX },
      );
      return {
        on: `n${before} to n${node}; n${least} last`,
        async heal() {
          for (const changed of [node, least])
            await arena.operator.cluster.updateMember(`n${changed}`, { priority: 100 });
        },
      };
    },
  },
} as const satisfies Record<string, Fault>;

/** One member takes the place of another, which ends, in one step. */
async function replaced(arena: Arena, node: number, random: Random, who: string) {
  const by = pick(arena.spares, random);
  const staying = arena.without(node);
  const gone = arena.leaving(node);
  await added(arena, by, node);
  await arena.join(by);
  await gone();
  await arena.voting([...staying, by]);
  return { on: `n${node}, ${who}, by n${by}`, heal: async () => undefined };
}

async function added(arena: Arena, node: number, replaces: number): Promise<void> {
  const { topology } = arena.cluster;
  await arena.operator.cluster.addMember({
    memberId: `n${node}`,
    clientAddress: topology.clientAddress(node),
    peerAddress: topology.peerAddress(node),
    replaces: `n${replaces}`,
  });
}

function pick(nodes: readonly number[], random: Random): number {
  return nodes[random.below(nodes.length)] as number;
}

function list(nodes: readonly number[]): string {
  return nodes.map((node) => `n${node}`).join(", ");
}

function passing(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve("not known yet"), ms));
}
