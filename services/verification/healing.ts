import { type Digest, StateReplaced } from "#replica";
import type { CountedPeers } from "./counted-peers";
import type { Wrong } from "./follower-comparison";
import type { Hashing } from "./hashing";
import { Inspection } from "./inspection";
import type { DivergedKey, RepairOutcome, VerificationLimits, VerifiedReplica } from "./ports";
import type { KeptRound } from "./rounds";
import { SelfRepair } from "./self-repair";
import type { Timer } from "./timer";

/** How often records are put right in vain, in rounds, before the whole state is taken. */
const RECORD_REPAIRS_MAX = 3;
/** How often an image of the whole state is asked for in a round, and how long before each. */
const REINSTALL_ATTEMPTS = 5;
const REINSTALL_PAUSE_MS = 500;
/**
 * So many whole states are taken one after another where the member differs still. What no state helps against is its
 * software or its memory, as while a cluster is upgraded node by node: then each further attempt waits twice as long.
 */
const STATES_IN_VAIN_MAX = 2;
const RETAKE_PAUSE_MS_MIN = 10 * 60_000;
const RETAKE_PAUSE_MS_MAX = 24 * 60 * 60_000;

/** Puts this member's own state right where the majority has another one. One repair at a time. */
export class Healing {
  recordsRepaired = 0;
  statesReplaced = 0;
  /** In which it was found to differ last; none since it was found to be right. */
  lastDiverged: readonly DivergedKey[] = [];
  private isBusy = false;
  private repairs = 0;
  /** Whole states taken since it was last found to be right. */
  private statesInVain = 0;
  private retakenAtMs = 0;

  constructor(
    private readonly replica: VerifiedReplica,
    private readonly hashing: Hashing,
    private readonly timer: Timer,
    private readonly parts: { readonly digest: Digest; readonly limits: VerificationLimits },
  ) {}

  /** It was found to be right. */
  agreed(): void {
    this.lastDiverged = [];
    this.repairs = 0;
    this.statesInVain = 0;
  }

  /** null where a repair is under way already. */
  async heal(wrong: Wrong, round: KeptRound, peers: CountedPeers): Promise<RepairOutcome | null> {
    if (this.isBusy) return null;
    this.isBusy = true;
    try {
      return await this.repair(wrong, round, peers);
    } finally {
      this.isBusy = false;
    }
  }

  private async repair(
    { from, differsBeside }: Wrong,
    { round, revision }: KeptRound,
    peers: CountedPeers,
  ): Promise<RepairOutcome> {
    const { id } = this.replica;
    const inspection = new Inspection(id, this.hashing.rounds, peers);
    const located = await inspection.locate(
      round,
      { wrong: id, right: from },
      this.parts.limits.repairKeysMax,
    );
    if (located !== null) {
      this.lastDiverged = located.keys.map(({ right: _, ...key }) => ({ member: id, ...key }));
    }
    // Counters, sessions or leases that are wrong cannot be put right one by one: they say what commands came to here.
    if (differsBeside || located?.isCut === true || this.repairs >= RECORD_REPAIRS_MAX)
      return this.reinstall(from);
    if (located === null) return { kind: "put_off", why: `round ${round} cannot be asked for any more` };
    this.repairs += 1;
    if (located.keys.length === 0) {
      this.hashing.map.forget();
      return { kind: "put_off", why: "no key differs: everything is hashed anew" };
    }
    const repair = new SelfRepair(this.replica, peers, this.hashing.map, this.parts.digest);
    const repaired = await repair.repair(located.keys, from, revision);
    this.recordsRepaired += repaired.records;
    return repaired.kind === "put_off" ? repaired : { kind: "records", from, records: repaired.records };
  }

  private async reinstall(from: string): Promise<RepairOutcome> {
    if (this.timer.nowMs < this.retakenAtMs + this.retakePauseMs) {
      const why = `${this.statesInVain} whole states did not make it equal: the software of the members differs, or its memory is bad`;
      return { kind: "put_off", why };
    }
    for (let attempt = 1; attempt <= REINSTALL_ATTEMPTS && !this.timer.isClosed; attempt += 1) {
      // First of all the leader may want to look at what is wrong: with the state go its rounds.
      await this.timer.sleep(REINSTALL_PAUSE_MS);
      if (await this.replica.reinstall(from)) {
        this.statesReplaced += 1;
        this.statesInVain += 1;
        this.retakenAtMs = this.timer.nowMs;
        this.repairs = 0;
        return { kind: "state", from };
      }
    }
    return { kind: "put_off", why: `no state could be had from ${from} that is as new as this one` };
  }

  private get retakePauseMs(): number {
    if (this.statesInVain < STATES_IN_VAIN_MAX) return 0;
    return Math.min(RETAKE_PAUSE_MS_MAX, RETAKE_PAUSE_MS_MIN * 2 ** (this.statesInVain - STATES_IN_VAIN_MAX));
  }
}

/** Rejections of a repair that change nothing for anyone else: the next round tells what is left to do. */
export function whyPutOff(error: unknown): string | null {
  if (error instanceof StateReplaced) return error.message;
  // The replica has stopped or its store failed, which its owner hears of.
  if (error instanceof Error && (error.name === "ApplierStopped" || error.name === "StoreFailure"))
    return error.message;
  return null;
}
