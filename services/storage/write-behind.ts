import { assert } from "#std";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { VersionChange } from "./version-records";

/** How much is gathered before LevelDB gets it, and for how long at most. */
export interface GatheringLimits {
  /** 0 gathers nothing: who writes waits until LevelDB has it. */
  readonly gatheredBytes: number;
  readonly gatheredMs: number;
}

/** What was written of keys at last, by their cache keys. */
export type WrittenKeys = Map<string, VersionChange>;

/** What LevelDB does not have yet comes to so many times what is gathered; then who writes waits. */
const GATHERINGS_MAX = 4;

/** What was put last into a batch. */
export interface BatchEnd {
  readonly bytes: number;
  /** Run when LevelDB has the batch, and not yet the next. @param bytes of all of it */
  readonly stored: (bytes: number) => void;
}

/** Rows that LevelDB gets in one batch. */
interface Gathering {
  readonly batch: ChainedBatch;
  bytes: number;
  written: WrittenKeys;
}

/** One to which nothing is added any more. */
interface SealedGathering extends Readonly<Gathering> {
  /** Run when LevelDB has this one, and not yet the next. */
  readonly onStored: (() => void)[];
  /** Resolves after that. */
  stored: Promise<void>;
}

/**
 * Gathers what is written and gives it to LevelDB together, one batch after another: each costs a trip to the thread
 * pool and back, whatever it holds. What keys are by what LevelDB does not have yet is known here.
 */
export class WriteBehind {
  private gathering: Gathering | null = null;
  /** In the order in which LevelDB gets them: it is getting the first. */
  private readonly sealed: SealedGathering[] = [];
  private waitingBytes = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param seal is run when nothing is added to a batch any more */
  constructor(
    private readonly handle: DatabaseHandle,
    private readonly limits: GatheringLimits,
    private readonly seal: (batch: ChainedBatch) => BatchEnd,
  ) {}

  /** Takes what `put` puts, and returns the bytes of. Resolves at once, or else when there is room again. */
  async add(put: (batch: ChainedBatch) => number, written: WrittenKeys): Promise<void> {
    this.handle.check();
    this.gathering ??= this.begin();
    const { gathering, limits } = this;
    let bytes: number;
    try {
      bytes = put(gathering.batch);
    } catch (error) {
      // Half of what belongs together is in the batch.
      throw this.handle.fault("could not be written", error);
    }
    if (gathering.written.size === 0) gathering.written = written;
    else for (const [cacheKey, change] of written) gathering.written.set(cacheKey, change);
    gathering.bytes += bytes;
    this.waitingBytes += bytes;
    if (gathering.bytes >= limits.gatheredBytes) this.end();
    while (this.waitingBytes > limits.gatheredBytes * GATHERINGS_MAX) {
      const [first] = this.sealed;
      assert(first !== undefined, "what is gathered is less than what may wait");
      await first.stored;
    }
  }

  /** What was written of a key at last; undefined where LevelDB has it. */
  newestOf(cacheKey: string): VersionChange | undefined {
    const gathered = this.gathering?.written.get(cacheKey);
    if (gathered !== undefined) return gathered;
    for (let at = this.sealed.length - 1; at >= 0; at -= 1) {
      const change = this.sealed[at]?.written.get(cacheKey);
      if (change !== undefined) return change;
    }
    return undefined;
  }

  /** Resolves when LevelDB has what was written so far. */
  async flush(): Promise<void> {
    this.handle.check();
    this.end();
    await this.sealed.at(-1)?.stored;
  }

  /** Of all that was written so far, and of nothing that is written later, though it is taken when LevelDB has it. */
  async snapshot(): Promise<DatabaseSnapshot> {
    this.handle.check();
    this.end();
    const last = this.sealed.at(-1);
    if (last === undefined) return this.handle.database.snapshot();
    let snapshot: DatabaseSnapshot | null = null;
    last.onStored.push(() => {
      snapshot = this.handle.database.snapshot();
    });
    await last.stored;
    assert(snapshot !== null, "it is taken before anybody hears of it");
    return snapshot;
  }

  /** What LevelDB does not have is dropped, and no timer left. */
  drop(): void {
    clearTimeout(this.timer);
    this.gathering = null;
  }

  private begin(): Gathering {
    // A failure is the handle's: the next write or read meets it.
    this.timer = setTimeout(() => this.flush().catch(() => undefined), this.limits.gatheredMs);
    return { batch: this.handle.database.batch(), bytes: 0, written: new Map() };
  }

  /** Nothing is added any more to what was gathered. */
  private end(): void {
    const { gathering } = this;
    if (gathering === null) return;
    clearTimeout(this.timer);
    this.gathering = null;
    const { bytes, stored } = this.seal(gathering.batch);
    gathering.bytes += bytes;
    this.waitingBytes += bytes;
    const before = this.sealed.at(-1)?.stored ?? Promise.resolve();
    const sealed = { ...gathering, onStored: [() => stored(gathering.bytes)], stored: before };
    this.sealed.push(sealed);
    // One after another, so that a crash leaves the first of them, and not the later ones alone.
    sealed.stored = before.then(() => this.store(sealed));
    sealed.stored.catch(() => undefined);
  }

  private async store(sealed: SealedGathering): Promise<void> {
    await this.handle.write(sealed.batch, { sync: false });
    assert(this.sealed.shift() === sealed, "LevelDB gets them in their order");
    this.waitingBytes -= sealed.bytes;
    for (const run of sealed.onStored) run();
  }
}
