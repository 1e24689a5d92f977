import type { Index, RaftStatus } from "#raft";
import { cutDue, cutWithin, isLong, type LogExtent, type LogKeeping } from "./log-keeper";
import { type LogStore, type StateStore, StoreFailure } from "./ports";

/** What a snapshot that was asked for has left. */
export interface SnapshotTaken {
  /** What no crash takes from the state. */
  readonly index: Index;
  readonly logFirstIndex: Index;
}

/** Cuts the log where it has grown too long, one cut at a time, or when asked. */
export class LogCutter {
  private isCutting = false;

  constructor(
    private readonly parts: {
      readonly keeping: LogKeeping;
      readonly log: LogStore;
      readonly state: StateStore;
      readonly raft: () => Pick<RaftStatus, "applied" | "progress">;
      /** The oldest state that is being sent; null for none. */
      readonly pinnedIndex: () => Index | null;
      readonly failed: (failure: StoreFailure) => void;
    },
  ) {}

  /** To be called often. */
  tick(): void {
    const { keeping, log } = this.parts;
    const length = { firstIndex: log.firstIndex(), lastIndex: log.lastIndex(), bytes: log.bytes };
    // First of all, for the rest of the extent costs more and is seldom needed.
    if (this.isCutting || !isLong(keeping, length)) return;
    const index = cutDue(keeping, this.extent);
    if (index === null) return;
    this.isCutting = true;
    log.cut(index).then(
      () => {
        this.isCutting = false;
      },
      (error: unknown) => {
        if (!(error instanceof StoreFailure)) throw error;
        this.parts.failed(error);
      },
    );
  }

  /** Makes the state durable and cuts the log as far as nobody is known to need it. Rejects with StoreFailure. */
  async takeSnapshot(): Promise<SnapshotTaken> {
    const { log, state } = this.parts;
    await state.checkpoint();
    const index = cutWithin(this.extent, log.lastIndex());
    if (index !== null) await log.cut(index);
    return { index: state.checkpointIndex, logFirstIndex: log.firstIndex() };
  }

  private get extent(): LogExtent {
    const { log, state, raft, pinnedIndex } = this.parts;
    const { applied, progress } = raft();
    const firstIndex = log.firstIndex();
    // Whoever lacks what is before the log needs a snapshot anyway.
    const followed = (progress ?? []).filter((peer) => peer.isRecentlyActive && peer.match + 1 >= firstIndex);
    return {
      firstIndex,
      lastIndex: log.lastIndex(),
      bytes: log.bytes,
      checkpointIndex: state.checkpointIndex,
      appliedIndex: applied,
      pinnedIndex: pinnedIndex(),
      followedIndex: followed.length === 0 ? null : Math.min(...followed.map(({ match }) => match)),
    };
  }
}
