import type { ResidentState, StateMachine } from "#kv";
import type { EntryId, MemberId, Raft } from "#raft";
import { assert } from "#std";
import { type Applier, ApplierStopped } from "./applier";
import type { Persister } from "./persister";
import { type LogStore, type OpenedState, type StateStore, StoreFailure } from "./ports";
import type { ReceivedState, SnapshotReceiver } from "./snapshot-receiver";

export interface SnapshotInstallerParts {
  readonly receiver: SnapshotReceiver;
  readonly log: LogStore;
  readonly state: StateStore;
  readonly raft: Raft;
  readonly applier: Applier;
  readonly persister: Persister;
  readonly machineOf: (resident: ResidentState) => StateMachine;
  /** Whether the replica neither stops nor has failed. */
  readonly isRunning: () => boolean;
  /** From now on nothing is stepped or taken from the core. */
  readonly hold: () => void;
  readonly release: () => void;
  readonly installed: (opened: OpenedState) => void;
  readonly failed: (failure: StoreFailure) => void;
}

/**
 * Puts the state of a peer in the place of this member's. Bringing it disturbs nobody; the exchange itself happens
 * between two batches of the applier, and, where the log must go with it, while the core stands still.
 */
export class SnapshotInstaller {
  private isBusy = false;
  private installedCount = 0;

  constructor(private readonly parts: SnapshotInstallerParts) {}

  /** How many states were installed. */
  get installations(): number {
    return this.installedCount;
  }

  /** The leader has no log any more that this member could go on from. */
  onOffer(from: MemberId): void {
    if (this.isBusy) return;
    void this.attempt(() => this.bringAndInstall(from));
  }

  /**
   * Takes the whole state anew from a peer, since this member's own cannot be trusted. Nothing is applied until it is
   * there. False where it could not be brought.
   */
  async reinstall(from: MemberId): Promise<boolean> {
    if (this.isBusy) return false;
    const { applier, raft, receiver } = this.parts;
    return this.attempt(() =>
      applier.exclusive(async (applied) => {
        // While it leads nobody could write; it is to hand over first.
        if (raft.status().role === "leader") return false;
        // Others may have nothing newer, and what they have at the same entry is right.
        const received = await receiver.bring(from, (image) => image.applied.index >= applied.index);
        return received !== null && this.install(received);
      }),
    );
  }

  private async attempt(run: () => Promise<boolean>): Promise<boolean> {
    this.isBusy = true;
    try {
      return await run();
    } catch (error) {
      if (error instanceof StoreFailure) this.parts.failed(error);
      else if (!(error instanceof ApplierStopped)) throw error;
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  private async bringAndInstall(from: MemberId): Promise<boolean> {
    const { applier, receiver } = this.parts;
    const isNewer = (image: { readonly applied: EntryId }): boolean =>
      image.applied.index > applier.applied.index;
    const received = await receiver.bring(from, isNewer);
    if (received === null) return false;
    try {
      return await applier.exclusive(async () => isNewer(received.opened) && this.install(received));
    } finally {
      await received.receiver.abandon();
    }
  }

  /** Nothing is being applied. Whether it came to that; else nothing is left of what was received. */
  private async install({ receiver, opened }: ReceivedState): Promise<boolean> {
    const { raft } = this.parts;
    const last = opened.applied;
    try {
      if (last.index <= raft.status().commit) await this.installOverLog(receiver);
      else if (!(await this.installWithLog(receiver, last))) return false;
      this.installedCount += 1;
      return true;
    } finally {
      await receiver.abandon();
    }
  }

  /** The log holds what the state has applied: it stays, and what is on its way up to there is not applied again. */
  private async installOverLog(receiver: ReceivedState["receiver"]): Promise<void> {
    const { state, raft, applier, machineOf, installed } = this.parts;
    const opened = await state.install(receiver);
    applier.replaced(machineOf(opened.resident), opened.applied);
    raft.applyConfiguration(opened.resident.membership.configuration);
    installed(opened);
  }

  private async installWithLog(receiver: ReceivedState["receiver"], last: EntryId): Promise<boolean> {
    const { state, log, raft, applier, persister, machineOf, isRunning, hold, release, installed } =
      this.parts;
    hold();
    try {
      await persister.settled();
      // One that stops or has failed reports nothing of what it has handed out any more. And the vote that was missing may
      // have been this member's own, now durable: a leader's log holds all that is committed.
      if (!isRunning() || raft.status().role === "leader") return false;
      assert(raft.status().commit < last.index, "nothing is committed while the core stands still");
      // The state first: a crash in between leaves a log that does not hold what the state has applied, which is reset
      // when the stores are opened.
      const opened = await state.install(receiver);
      if (log.term(last.index) !== last.term) await log.reset(last);
      applier.replaced(machineOf(opened.resident), opened.applied);
      applier.restarted();
      const { configuration } = opened.resident.membership;
      assert(raft.restore({ last, configuration }) === "restored", "a newer state is taken by the core");
      installed(opened);
      return true;
    } finally {
      release();
    }
  }
}
