import { StateMachine } from "@quorate/services/kv";
import { leaseTermsOf, type Message } from "@quorate/services/raft";
import { Replica, type Scheduler, type StoreFailure, type Transport } from "@quorate/services/replica";
import { type Verifier, verifyReplica } from "@quorate/services/verification";
import { watchReplica } from "@quorate/services/watch";
import type { Life, Surroundings } from "./life";
import { messageText } from "./message-text";
import type { SimulatedSeat } from "./seat";
import { DIGEST, VerificationWire } from "./verification-wire";

/** Heartbeats and elections as in the default profile, in ticks of a heartbeat each. */
export const CONFIGURATION = { electionTicks: 10, heartbeatTicks: 1, tickUs: 100_000 } as const;
/** Two election timeouts. */
const NO_LEADER_MS = (2 * CONFIGURATION.electionTicks * CONFIGURATION.tickUs) / 1000;
/** The least time in which a follower without a leader campaigns; each may have pledged itself for so long before its start. */
const PLEDGE_MS = (CONFIGURATION.electionTicks * CONFIGURATION.tickUs) / 1000;
/** Where leaders read by lease it must be pledges, and not ticks, that put elections off. */
const HASTY_ELECTION_TICKS = 4;
const LEASE_TERMS = leaseTermsOf(PLEDGE_MS, PLEDGE_MS);
/** One of so many that are removed does not heed it for a while. */
const STUBBORN_ONE_OF = 3;
const STUBBORN_US_MAX = 20_000_000;

/** How a process that runs comes to its end of itself. */
export interface RunningOutcomes {
  failed(seat: SimulatedSeat, failure: StoreFailure): void;
  /** It has heeded that the cluster does without it. */
  removed(seat: SimulatedSeat): void;
}

/** A replica and what a process has around it: watches, verification, a way to its peers, and ticks. */
export class RunningProcess {
  private readonly replica: Replica;
  private transport: Transport | null = null;

  constructor(
    private readonly life: Life,
    private readonly surroundings: Surroundings,
    private readonly outcomes: RunningOutcomes,
  ) {
    this.replica = this.newReplica();
  }

  launch(): void {
    const { replica } = this;
    const { seat, log, state } = this.life;
    const { chance, chronicle, limits } = this.surroundings;
    seat.replica = replica;
    seat.hub = watchReplica(replica, { noLeaderMs: NO_LEADER_MS, bounds: limits.watch });
    seat.verifier = this.newVerifier();
    seat.condition = seat.directory === "own" ? "up" : "refused";
    seat.starts += 1;
    chronicle.counts.starts += 1;
    chronicle.note(
      `${seat.id} starts, log from ${log.firstIndex()} to ${log.lastIndex()}, applied ${state.opened.applied.index}`,
    );
    this.listen();
    if (seat.isLowOnSpace) replica.setLowOnSpace(true);
    chronicle.tell((observer) => observer.started?.(seat));
    this.transport = this.attach();
    replica.reportStarted();
    this.tickAfter(chance.of(`ticks ${seat.id}`).below(CONFIGURATION.tickUs));
  }

  private newReplica(): Replica {
    const { seat, log, state } = this.life;
    const { chance, imageStreams, limits, readsByLease, hasPromptTurns } = this.surroundings;
    return new Replica({
      id: seat.id,
      storeId: seat.storeId,
      timing: readsByLease ? { ...CONFIGURATION, electionTicks: HASTY_ELECTION_TICKS } : CONFIGURATION,
      log,
      state,
      machineOf: (resident) => new StateMachine(resident),
      transport: { send: (messages) => this.send(messages) },
      clock: seat.clock,
      scheduler: {
        afterThisTurn: (run) => seat.afterThisTurn(run),
        afterMs: (delayMs, run) => seat.after(1_000 * delayMs, run),
        ...(hasPromptTurns ? promptTurns(seat) : {}),
      },
      random: chance.of(`replica ${seat.id}`).fork(),
      bounds: limits.bounds,
      history: limits.history,
      logKeeping: limits.logKeeping,
      snapshots: imageStreams.sourceFor(seat),
      addresses: seat.addresses,
      ...(readsByLease ? { lease: LEASE_TERMS } : {}),
    });
  }

  private newVerifier(): Verifier {
    const { replica } = this;
    const { seat } = this.life;
    const { chance, chronicle, limits, seatOf } = this.surroundings;
    return verifyReplica(replica, {
      peers: new VerificationWire(seat, {
        seatOf,
        isOpen: (from, to) => this.surroundings.network.isOpen({ from, to }),
        random: chance.of("verification wire"),
      }),
      digest: DIGEST,
      clock: seat.clock,
      scheduler: { afterThisTurn: (run) => seat.afterThisTurn(run) },
      limits: limits.verification,
      observer: {
        hashed: (round) => {
          if (this.isRunning) chronicle.tell((observer) => observer.hashed?.(seat, round));
        },
        repaired: (outcome) => {
          if (!this.isRunning) return;
          if (outcome.kind !== "put_off") chronicle.counts.repairs += 1;
          chronicle.note(`${seat.id} heals itself: ${JSON.stringify(outcome)}`);
          chronicle.tell((observer) => observer.healed?.(seat, outcome));
        },
      },
    });
  }

  private get isRunning(): boolean {
    return this.life.seat.replica === this.replica;
  }

  private listen(): void {
    const { seat } = this.life;
    const { chronicle } = this.surroundings;
    this.replica.subscribe({
      leaderChanged: (leaderId, term) => {
        if (leaderId === seat.id) chronicle.counts.elections += 1;
        chronicle.note(`${seat.id} follows ${leaderId ?? "nobody"} t${term}`);
        chronicle.tell((observer) => observer.leaderChanged?.(seat, leaderId, term));
      },
      membershipChanged: ({ epoch, configuration }) =>
        chronicle.note(`${seat.id} knows of change ${epoch}: ${JSON.stringify(configuration)}`),
      removed: () => this.hearsOfRemoval(),
      failed: (failure) => {
        if (this.isRunning) this.outcomes.failed(seat, failure);
      },
    });
  }

  private attach(): Transport {
    const { replica } = this;
    const { seat, enter } = this.life;
    return this.surroundings.network.attach({
      id: seat.id,
      storeId: seat.storeId,
      addresses: seat.addresses,
      get membership() {
        return replica.membership;
      },
      receive: (messages) => enter(() => this.receive(messages)),
      reportUnreachable: (peer) => enter(() => replica.reportUnreachable(peer)),
      reportReset: (peer) => enter(() => replica.reportReset(peer)),
      memberStore: (memberId) => replica.memberStore(memberId),
      noteIntroduction: (introduction) => enter(() => replica.noteIntroduction(introduction)),
      removed: () => enter(() => this.hearsOfRemoval()),
    });
  }

  private send(messages: readonly Message[]): void {
    const { chronicle } = this.surroundings;
    for (const message of messages) {
      // An observer may have killed it at the message before.
      if (!this.isRunning) return;
      chronicle.note(messageText(message));
      chronicle.tell((observer) => observer.sent?.(message));
    }
    this.transport?.send(messages);
  }

  private receive(messages: readonly Message[]): void {
    const { chronicle } = this.surroundings;
    for (const message of messages) {
      chronicle.note(`got ${messageText(message)}`);
      chronicle.tell((observer) => observer.delivered?.(message));
    }
    this.replica.receive(messages);
  }

  /** Ticks come at the pace of the seat's clock, and one that is due while the process is paused comes once. */
  private tickAfter(delayUs: number): void {
    const { seat } = this.life;
    seat.after(delayUs, () => {
      const { rate } = seat.clock;
      if (rate > 0) {
        this.replica.tick();
        if (this.replica.status().raft.leaderId === null) this.surroundings.network.greet(seat.id);
        seat.hub?.tick(seat.clock.monotonicMs());
        seat.verifier?.tick(seat.clock.monotonicMs());
      }
      this.tickAfter(CONFIGURATION.tickUs / (rate > 0 ? rate : 1));
    });
  }

  /** It stops, unless it is one that does not heed it for a while. */
  private hearsOfRemoval(): void {
    const { seat } = this.life;
    const { chance, chronicle, timeline } = this.surroundings;
    if (!this.isRunning || seat.isStrange || seat.isLeaving) return;
    seat.isLeaving = true;
    const random = chance.of(`removed ${seat.id}`);
    const stubbornUs = random.below(STUBBORN_ONE_OF) === 0 ? random.below(STUBBORN_US_MAX) : 0;
    chronicle.note(`${seat.id} hears that it was removed`);
    timeline.after(stubbornUs, () => {
      if (this.isRunning) this.outcomes.removed(seat);
    });
  }
}

function promptTurns(seat: SimulatedSeat): Required<Pick<Scheduler, "afterThisInput" | "takeIn">> {
  return {
    afterThisInput: (run) => seat.afterThisInput(run),
    takeIn: (tell, input) => seat.takeIn(() => tell(input)),
  };
}
