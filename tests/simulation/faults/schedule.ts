import type { MemberId } from "@quorate/services/raft";
import { assert, type Random } from "@quorate/services/std";
import { CALM_CLIENTS, type ClientFaults, drawClientFaults } from "./client-faults";
import { Draw, type Storm } from "./draw";
import { endOf, type Fault, type FaultKind } from "./fault";
import { menu } from "./menu";
import { plots } from "./plots";
import { type Profile, type ProfileName, profiles } from "./profiles";

/** All that a run is attacked with. Plain data: what JSON.parse gives back is the same schedule. */
export interface Schedule {
  readonly profile: ProfileName;
  /** n1, n2, … */
  readonly nodes: number;
  /** The safety phase ends here at the latest, and all is healed. */
  readonly durationUs: number;
  /** How many operations the clients start, at most. */
  readonly operations: number;
  /** What every message takes beside the world's own latency, until all is healed: an exponential time of this mean. */
  readonly latencyMeanMs: number;
  /** By atUs. */
  readonly faults: readonly Fault[];
  readonly clients: ClientFaults;
}

export interface ScheduleOptions {
  readonly nodes: number;
  readonly profile: ProfileName;
  readonly durationUs: number;
  readonly operations?: number;
  readonly electionTimeoutUs?: number;
}

/** Seats beside those that the cluster begins with. */
export const MORE_SEATS = 2;
/** So many faults choose among all seats, the others among those that the cluster begins with. */
const ALL_SEATS_ONE_OF = 3;
const OPERATIONS = 1000;
const LATENCY_MEANS_MS = [0, 0, 1, 5, 20] as const;
/** How long a storm may be, in election timeouts. */
const STORM_TIMEOUTS_MAX = [4, 8, 16] as const;
const ELECTION_TIMEOUT_US = 1_000_000;

/** Those that the cluster begins with. */
export function memberIds(nodes: number): readonly MemberId[] {
  return Array.from({ length: nodes }, (_, position) => `n${position + 1}`);
}

/** Those and the ones that may join. */
export function seatIds(nodes: number): readonly MemberId[] {
  return memberIds(nodes + MORE_SEATS);
}

/**
 * Faults come in storms, and between storms it is quiet for long enough to elect and to commit: a run in which nothing
 * ever happens shows nothing. All faults of a storm end with it.
 */
export function drawSchedule(random: Random, options: ScheduleOptions): Schedule {
  const { nodes, durationUs, operations = OPERATIONS, electionTimeoutUs = ELECTION_TIMEOUT_US } = options;
  assert(nodes >= 3, "faults are for clusters that bear some");
  const profile: Profile = profiles[options.profile];
  const members = memberIds(nodes);
  const seats = seatIds(nodes);
  const choices = random.fork();
  const times = random.fork();
  const victims = drawVictims(choices, members);
  const kinds = drawKinds(choices, profile);
  const clients = profile.hasRoughClients ? drawClientFaults(choices, profile) : CALM_CLIENTS;
  const latencyMeanMs =
    profile.kinds.length === 0 ? 0 : LATENCY_MEANS_MS[choices.below(LATENCY_MEANS_MS.length)]!;

  const faults: Fault[] = [];
  for (const storm of storms(times, durationUs, electionTimeoutUs)) {
    // What a plot is after may come to nothing by whatever else happens.
    const least = profile.plots === undefined ? 1 : 0;
    const count = kinds.length === 0 ? 0 : least + times.below(profile.stormFaultsMax);
    for (let drawn = 0; drawn < count; drawn += 1) {
      const [kind, intensity] = kinds[times.below(kinds.length)]!;
      const among = times.below(ALL_SEATS_ONE_OF) === 0 ? seats : members;
      faults.push(menu[kind](new Draw(times, among, seats, victims, storm, electionTimeoutUs, intensity)));
    }
    if (profile.plots !== undefined) {
      const draw = new Draw(times, members, seats, victims, storm, electionTimeoutUs, 1);
      faults.push(...plots[draw.pick(profile.plots)](draw));
    }
  }
  return {
    profile: options.profile,
    nodes,
    durationUs,
    operations,
    latencyMeanMs,
    faults: faults.sort((left, right) => left.atUs - right.atUs || endOf(left) - endOf(right)),
    clients,
  };
}

/** So few that a majority of the copies stays whole, whatever is done to them. */
function drawVictims(random: Random, members: readonly MemberId[]): readonly MemberId[] {
  const left = [...members];
  const most = Math.floor((members.length - 1) / 2);
  return Array.from({ length: most }, () => left.splice(random.below(left.length), 1)[0]!);
}

/**
 * Which kinds come in this run, and how hard each is. A swarm leaves many out, and differently for each seed: a fault
 * that always comes hides what would happen without it (Groce and others, Swarm testing, ISSTA 2012).
 */
function drawKinds(random: Random, profile: Profile): readonly (readonly [FaultKind, number])[] {
  const share = profile.isSwarm ? 0.1 + 0.5 * random.float() : 1;
  const drawn: (readonly [FaultKind, number])[] = [];
  for (const kind of profile.kinds) {
    const isIn = random.float() < share;
    const intensity = profile.isSwarm ? random.float() : 0.3 + 0.7 * random.float();
    if (isIn) drawn.push([kind, intensity]);
  }
  return drawn;
}

/**
 * The first comes after there was time to elect a leader; a quiet stretch follows each. Some runs have long storms, in
 * which callers lose patience, and others short ones, after which what was interrupted goes on.
 */
function storms(random: Random, durationUs: number, electionTimeoutUs: number): readonly Storm[] {
  const stretch = (min: number, max: number): number =>
    Math.floor((min + (max - min) * random.float()) * electionTimeoutUs);
  const longest = STORM_TIMEOUTS_MAX[random.below(STORM_TIMEOUTS_MAX.length)]!;
  const found: Storm[] = [];
  let fromUs = stretch(0.5, 3);
  while (fromUs + electionTimeoutUs <= durationUs) {
    const untilUs = Math.min(durationUs, fromUs + stretch(2, longest));
    found.push({ atUs: fromUs, untilUs });
    fromUs = untilUs + stretch(2, 5);
  }
  return found;
}
