import type { Random } from "@quorate/services/std";
import type { LinkFault } from "../support/link";
import type { Direction } from "../support/peer-links";
import { type Arena, named } from "./arena";
import type { Fault, Underway } from "./fault";
import { majority, shuffled } from "./process-faults";

const CUT: LinkFault = { kind: "cut" };

/** Faults of the links between nodes. Clients reach every node all the while. */
export const networkFaults = {
  "cut-one-way": {
    group: "partition",
    async begin(arena, random) {
      const leader = await arena.leader();
      const direction = pick(arena.directions, random);
      return imposed(
        arena,
        [direction],
        CUT,
        `${named(direction.from, leader)} to ${named(direction.to, leader)}`,
      );
    },
  },
  "deaf-leader": {
    group: "partition",
    async begin(arena) {
      const leader = await arena.leader();
      const inward = arena.directions.filter(({ to }) => to === leader);
      return imposed(arena, inward, CUT, `all to n${leader}, the leader`);
    },
  },
  "mute-leader": {
    group: "partition",
    async begin(arena) {
      const leader = await arena.leader();
      const outward = arena.directions.filter(({ from }) => from === leader);
      return imposed(arena, outward, CUT, `n${leader}, the leader, to all`);
    },
  },
  "isolate-leader": {
    group: "partition",
    async begin(arena) {
      const leader = await arena.leader();
      return imposed(arena, arena.directionsOf(leader), CUT, `n${leader}, the leader`);
    },
  },
  "isolate-follower": {
    group: "partition",
    async begin(arena, random) {
      const node = pick(arena.without(await arena.leader()), random);
      return imposed(arena, arena.directionsOf(node), CUT, `n${node}`);
    },
  },
  split: {
    group: "partition",
    async begin(arena, random) {
      const leader = await arena.leader();
      const larger = shuffled(arena.nodes, random).slice(0, majority(arena)).sort();
      const smaller = arena.without(...larger);
      const between = arena.directions.filter(
        ({ from, to }) => larger.includes(from) !== larger.includes(to),
      );
      return imposed(arena, between, CUT, `${group(larger, leader)} | ${group(smaller, leader)}`);
    },
  },
  ring: {
    group: "partition",
    async begin(arena, random) {
      const leader = await arena.leader();
      const order = shuffled(arena.nodes, random);
      const next = (node: number) => order[(order.indexOf(node) + 1) % order.length] as number;
      // Of five, each hears its two neighbours: all see a majority, no two the same. Of three, each is heard by the next.
      const isWhole = ({ from, to }: Direction) =>
        next(from) === to || (order.length > 3 && next(to) === from);
      const cut = arena.directions.filter((direction) => !isWhole(direction));
      return imposed(arena, cut, CUT, order.map((node) => named(node, leader)).join(" > "));
    },
  },
  bridge: {
    group: "partition",
    async begin(arena, random) {
      const leader = await arena.leader();
      const [bridge, ...others] = shuffled(arena.nodes, random) as [number, ...number[]];
      const left = others.slice(0, others.length / 2);
      const between = arena.directions.filter(
        ({ from, to }) => from !== bridge && to !== bridge && left.includes(from) !== left.includes(to),
      );
      return imposed(arena, between, CUT, `${named(bridge, leader)} joins the halves`);
    },
  },
  delay: {
    group: "delay",
    async begin(arena, random) {
      const delayMs = 10 + random.below(Math.round(arena.electionTimeoutMs / 4));
      return imposed(
        arena,
        arena.directions,
        { kind: "delay", delayMs, jitterMs: delayMs / 2 },
        `all links, ${delayMs} to ${Math.round(1.5 * delayMs)} ms`,
      );
    },
  },
  "slow-node": {
    group: "delay",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      const delayMs = arena.electionTimeoutMs * 2;
      return imposed(
        arena,
        arena.directionsOf(node),
        { kind: "delay", delayMs, jitterMs: delayMs / 2 },
        `${named(node, leader)}, ${delayMs} to ${1.5 * delayMs} ms`,
      );
    },
  },
  throttle: {
    group: "delay",
    async begin(arena, random) {
      const bytesPerSecond = 2000 * 2 ** random.below(4);
      return imposed(
        arena,
        arena.directions,
        { kind: "throttle", bytesPerSecond },
        `all links, ${bytesPerSecond / 1000} kB/s`,
      );
    },
  },
  lossy: {
    group: "lossy",
    async begin(arena, random) {
      const stallShare = 0.1 + 0.3 * random.float();
      // The first retransmission of TCP on Linux comes after 200 ms at the earliest.
      const fault: LinkFault = { kind: "lossy", stallShare, stallMs: 200, resetShare: 0.005 };
      return imposed(arena, arena.directions, fault, `all links, ${Math.round(100 * stallShare)} % held up`);
    },
  },
  "stream-reset": {
    group: "lossy",
    async begin(arena) {
      arena.links.reset();
      return { on: "all connections between nodes", heal: async () => undefined };
    },
  },
  "half-open": {
    group: "half-open",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      const gone = random.below(2) === 0 ? "source" : "target";
      return imposed(
        arena,
        arena.directionsOf(node),
        { kind: "half_open", gone },
        `${named(node, leader)}, the ${gone} of each connection gone`,
      );
    },
  },
  "never-connects": {
    group: "no-connect",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      const inward = arena.directions.filter(({ to }) => to === node);
      return imposed(arena, inward, { kind: "never_connects" }, `all to ${named(node, leader)}`);
    },
  },
  refuse: {
    group: "no-connect",
    async begin(arena, random) {
      const leader = await arena.leader();
      const node = pick(arena.nodes, random);
      return imposed(arena, arena.directionsOf(node), { kind: "refuse" }, named(node, leader));
    },
  },
} as const satisfies Record<string, Fault>;

async function imposed(
  arena: Arena,
  directions: readonly Direction[],
  fault: LinkFault,
  on: string,
): Promise<Underway> {
  await arena.links.impose(directions, fault);
  return { on, heal: () => arena.links.heal() };
}

function group(nodes: readonly number[], leader: number): string {
  return nodes.map((node) => named(node, leader)).join(" ");
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[random.below(items.length)] as T;
}
