import { assert } from "#std";
import type { ChainedBatch, DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { WrittenVersion } from "./gathered-rows";
import { GatheredWrites, type PackedRows } from "./gathered-writes";
import type { KeySpace } from "./key-hash";

/** How much is gathered before LevelDB gets it, and for how long at most. */
export interface GatheringLimits {
  /** 0 gathers nothing: who writes waits until LevelDB has it. */
  readonly gatheredBytes: number;
  readonly gatheredMs: number;
}

/** What LevelDB does not have yet comes to so many times what is gathered; then who writes waits. */
const GATHERINGS_MAX = 4;

/** Puts rows into a batch. @returns what is to be done when LevelDB has it, and not yet the next */
export type PutRows = (batch: ChainedBatch) => () => void;

/** What LevelDB is to get in one batch. */
interface Waiting {
  readonly put: PutRows;
  /** Of what was gathered. */
  readonly bytes: number;
  readonly rows: PackedRows | null;
  /** Run when LevelDB has this one, and not yet the next. */
  readonly onStored: (() => void)[];
  /** Resolves after that. */
  stored: Promise<void>;
}

/** One is gathered while another is written. */
const SPARE_ROWS_MAX = 2;

/**
 * Gathers what is written and gives it to LevelDB together, one batch after another: each costs a trip to the thread
 * pool and back, whatever it holds. What keys are by what LevelDB does not have yet is known here.
 */
export class WriteBehind {
  private gathered: GatheredWrites | null = null;
  /** In the order in which LevelDB gets them: it is getting the first. */
  private readonly waiting: Waiting[] = [];
  private waitingBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  /** Empty, with memory. */
  private readonly spareRows: PackedRows[] = [];

  constructor(
    private readonly handle: DatabaseHandle,
    private readonly limits: GatheringLimits,
    /** Nothing more is added to what was gathered. @returns what makes rows of it, when its turn comes */
    private readonly sealed: (gathered: GatheredWrites) => PutRows,
  ) {}

  /** What is gathered now, to add to. noteAdded() comes after it, in the same turn. */
  gathering(): GatheredWrites {
    this.handle.check();
    if (this.gathered === null) {
      this.gathered = new GatheredWrites(this.spareRows.pop());
      this.timer = setTimeout(() => this.flush().catch(() => undefined), this.limits.gatheredMs);
    }
    return this.gathered;
  }

  /** @returns null where there is room for more; else resolves when there is */
  noteAdded(): Promise<void> | null {
    if (this.gathered !== null && this.gathered.bytes >= this.limits.gatheredBytes) this.seal();
    return this.isFull ? this.untilRoom() : null;
  }

  private get isFull(): boolean {
    return this.waitingBytes > this.limits.gatheredBytes * (GATHERINGS_MAX - 1);
  }

  private async untilRoom(): Promise<void> {
    while (this.isFull) await this.waiting[0]?.stored;
  }

  /** Puts rows of other things when all that was gathered before is stored, and resolves when they are. */
  async put(put: PutRows): Promise<void> {
    this.handle.check();
    this.seal();
    await this.push({ put, bytes: 0, rows: null });
  }

  /** What was written of a key at last; undefined where LevelDB has it. */
  newestOf(hash: number, space: KeySpace, key: Uint8Array): WrittenVersion | undefined {
    const gathered = this.gathered?.rows.newest.get(hash, space, key);
    if (gathered !== undefined) return gathered;
    for (let at = this.waiting.length - 1; at >= 0; at -= 1) {
      const waiting = this.waiting[at]?.rows?.newest.get(hash, space, key);
      if (waiting !== undefined) return waiting;
    }
    return undefined;
  }

  /** Resolves when LevelDB has what was written so far. */
  async flush(): Promise<void> {
    this.handle.check();
    this.seal();
    await this.waiting.at(-1)?.stored;
  }

  /** Of all that was written so far, and of nothing that is written later, though it is taken when LevelDB has it. */
  async snapshot(): Promise<DatabaseSnapshot> {
    this.handle.check();
    this.seal();
    const last = this.waiting.at(-1);
    if (last === undefined) return this.handle.database.snapshot();
    let snapshot: DatabaseSnapshot | null = null;
    last.onStored.push(() => {
      snapshot = this.handle.database.snapshot();
    });
    await last.stored;
    assert(snapshot !== null, "it is taken before anybody hears of it");
    return snapshot;
  }

  /** What was gathered is dropped, and no timer left. */
  drop(): void {
    clearTimeout(this.timer);
    this.gathered = null;
  }

  /** Nothing is added any more to what was gathered. */
  private seal(): void {
    const { gathered } = this;
    if (gathered === null) return;
    clearTimeout(this.timer);
    this.gathered = null;
    void this.push({ put: this.sealed(gathered), bytes: gathered.bytes, rows: gathered.rows });
  }

  /** One after another, so that a crash leaves the first of them, and not the later ones alone. */
  private push(what: Omit<Waiting, "onStored" | "stored">): Promise<void> {
    const before = this.waiting.at(-1)?.stored ?? Promise.resolve();
    const waiting: Waiting = { ...what, onStored: [], stored: before };
    this.waiting.push(waiting);
    this.waitingBytes += waiting.bytes;
    waiting.stored = before.then(() => this.store(waiting));
    // A failure is the handle's: the next write or read meets it.
    waiting.stored.catch(() => undefined);
    return waiting.stored;
  }

  /** The batch is made only now: classic-level keeps the memory of one that lived for long for longer still. */
  private async store(waiting: Waiting): Promise<void> {
    this.handle.check();
    const batch = this.handle.database.batch();
    let stored: () => void;
    try {
      stored = waiting.put(batch);
    } catch (error) {
      throw this.handle.fault("could not be written", error);
    }
    await this.handle.write(batch, { sync: false });
    assert(this.waiting.shift() === waiting, "LevelDB gets them in their order");
    this.waitingBytes -= waiting.bytes;
    this.free(waiting.rows);
    stored();
    for (const run of waiting.onStored) run();
  }

  /** LevelDB has them, and nobody asks for them here any more. */
  private free(rows: PackedRows | null): void {
    if (rows === null || this.spareRows.length >= SPARE_ROWS_MAX) return;
    rows.clear();
    this.spareRows.push(rows);
  }
}
