import type { MemberId, Ready } from "#raft";
import type { ReplicaOptions } from "./options";
import type { ReplicaParts } from "./parts";

/**
 * Takes in once a turn of the event loop what has come, so that what came in together is proposed, stored and sent
 * together, and carries out what the core asks for. Where the disk has nothing to do, what comes is taken in at once.
 */
export class TurnLoop {
  /** Whose connection was reset since the last turn. */
  private readonly resetPeers = new Set<MemberId>();
  private isPlanned = false;
  private areAnswersPlanned = false;
  private isStanding = false;
  private isPumping = false;

  constructor(
    private readonly parts: ReplicaParts,
    private readonly ports: Pick<ReplicaOptions, "scheduler" | "transport" | "snapshots">,
    private readonly owner: {
      readonly isRunning: () => boolean;
      /** Comes before anything else that a Ready asks for. */
      readonly noteLeadership: (ready: Ready) => void;
    },
  ) {}

  /** Whether nothing is stepped or taken from the core. */
  get isHeld(): boolean {
    return this.isStanding;
  }

  hold(): void {
    this.isStanding = true;
  }

  release(): void {
    this.isStanding = false;
    this.plan();
  }

  /** The connection to that peer was reset: told to the core after the messages that have come. */
  reset(peer: MemberId): void {
    this.resetPeers.add(peer);
    this.plan();
  }

  /** There is something to take in, with all else that this turn brings. */
  plan(): void {
    if (this.isPlanned) return;
    this.isPlanned = true;
    this.ports.scheduler.afterThisTurn(() => this.takePlanned());
  }

  /**
   * Something has come from outside. While something is being stored nothing is won by haste: it would wait for the disk,
   * and what comes with it shares the next write. Else it is taken in with what came in the same chunk, for then what it
   * makes this replica send leaves in this turn of the event loop, and not in the next.
   */
  planForInput(): void {
    const { scheduler } = this.ports;
    if (this.isPlanned) return;
    if (this.parts.persister.isBusy || scheduler.afterThisInput === undefined) {
      this.plan();
      return;
    }
    this.isPlanned = true;
    scheduler.afterThisInput(() => this.takePlanned());
  }

  /**
   * Answers of peers have come. What they commit waits for no write of this member's own, so they are taken in behind their
   * chunk also while something is being stored, and they alone: commands still gather for the next write.
   */
  planForAnswers(): void {
    const { scheduler } = this.ports;
    if (!this.parts.persister.isBusy || scheduler.afterThisInput === undefined) {
      this.planForInput();
      return;
    }
    if (this.areAnswersPlanned) return;
    this.areAnswersPlanned = true;
    scheduler.afterThisInput(() => {
      this.areAnswersPlanned = false;
      if (!this.owner.isRunning() || this.isStanding) return;
      this.takeMessages();
      this.pump();
    });
  }

  /** Takes in everything that has come since the last turn. */
  take(): void {
    if (!this.owner.isRunning() || this.isStanding) return;
    const isCommitDue = this.parts.commitTeller.takeDue();
    this.takeMessages();
    this.takeResets();
    const queued = this.parts.proposals.takeQueued();
    if (queued.length > 0) this.parts.commitTeller.proposed();
    this.parts.proposer.propose(queued);
    this.parts.reads.startRound();
    // Nothing has come that would have told it.
    if (isCommitDue && this.parts.raft.hasCommitToTell) this.parts.raft.tellCommit();
    this.pump();
  }

  /** Carries out what the core asks for, until it asks for nothing more. */
  pump(): void {
    // What a batch makes it ask for that is applied within this call is carried out by it as well.
    if (this.isPumping) return;
    this.isPumping = true;
    while (this.owner.isRunning() && !this.isStanding && this.parts.raft.hasReady()) {
      const ready = this.parts.raft.takeReady();
      // First, so that who leads is known before anything else of this Ready is acted upon.
      this.owner.noteLeadership(ready);
      if (ready.messages.length > 0) this.ports.transport.send(ready.messages);
      for (const readState of ready.readStates)
        this.parts.reads.answered(readState, this.parts.applier.applied.index);
      this.parts.persister.push(ready);
      // All of it is durable here (appliesOnlyDurable), so it need not wait for what is being stored now.
      this.parts.applier.push(ready.committedEntries);
      if (ready.snapshotOffer !== null && this.ports.snapshots !== undefined) {
        this.parts.installer.onOffer(ready.snapshotOffer.from);
      }
    }
    this.isPumping = false;
    this.parts.commitTeller.settled();
  }

  /** A Ready and all before it are durable. */
  durable(ready: Ready): void {
    if (ready.messagesAfterPersist.length > 0) this.ports.transport.send(ready.messagesAfterPersist);
    const last = ready.entries.at(-1);
    this.parts.raft.persisted({
      readyNumber: ready.number,
      last: last === undefined ? null : { term: last.term, index: last.index },
    });
  }

  private takeMessages(): void {
    const { inbox, raft } = this.parts;
    for (let message = inbox.shift(); message !== undefined; message = inbox.shift()) raft.step(message);
  }

  /** To be called after the last that came from them: a leader would be taken up again by what it sent before it died. */
  private takeResets(): void {
    // To clear a set makes a new one within.
    if (this.resetPeers.size === 0) return;
    for (const peer of this.resetPeers) this.parts.raft.reportReset(peer);
    this.resetPeers.clear();
  }

  private takePlanned(): void {
    this.isPlanned = false;
    this.take();
  }
}
