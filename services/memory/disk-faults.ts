import { StoreFailure } from "#replica";

/** What a test or a simulator may do to the writes of a disk. */
export interface DiskHooks {
  /** Awaited before each write takes effect. */
  beforeWrite: (() => Promise<void>) | null;
  /** Awaited after each write took effect, before its caller hears of it. */
  afterWrite: (() => Promise<void>) | null;
}

/** What becomes of a write that fails: nothing of it is there afterwards, or all of it is though it was refused. */
export type FailedWrite = "lost" | "kept";

/**
 * One opening of a disk. It ends with a failed write, a crash of the disk or close(); what is asked of it later is
 * refused with the failure that it ended with.
 */
export class DiskHandle {
  private ending: StoreFailure | null = null;
  private queue: Promise<void> = Promise.resolve();

  constructor(private readonly faults: DiskFaults) {}

  /** @throws StoreFailure once the handle has ended */
  check(): void {
    if (this.ending !== null) throw this.ending;
  }

  end(message: string): StoreFailure {
    this.ending ??= new StoreFailure(message, { dataLoss: false });
    return this.ending;
  }

  /** Runs `apply` after all that was asked for before. */
  write(apply: () => void): Promise<void> {
    const written = this.queue.then(async () => {
      this.check();
      if (this.faults.beforeWrite !== null) await this.faults.beforeWrite();
      this.check();
      const failed = this.faults.takeFailure();
      if (failed !== "lost") apply();
      if (failed !== null) throw this.end("the write failed, as the test asked");
      if (this.faults.afterWrite !== null) await this.faults.afterWrite();
      this.check();
    });
    this.queue = written.catch(() => undefined);
    return written;
  }

  async settle(): Promise<void> {
    await this.queue;
  }
}

/** The part of a disk that fails: hooks, the next failure, and the one handle that is open. */
export class DiskFaults implements DiskHooks {
  beforeWrite: (() => Promise<void>) | null = null;
  afterWrite: (() => Promise<void>) | null = null;
  private nextFailure: FailedWrite | null = null;
  private openHandle: DiskHandle | null = null;

  /** The next write fails and so ends its handle. */
  failNextWrite(outcome: FailedWrite = "lost"): void {
    this.nextFailure = outcome;
  }

  takeFailure(): FailedWrite | null {
    const failure = this.nextFailure;
    this.nextFailure = null;
    return failure;
  }

  /** Opens the disk, or null while it is open. */
  open(): DiskHandle | null {
    if (this.openHandle !== null) return null;
    this.openHandle = new DiskHandle(this);
    return this.openHandle;
  }

  /** Ends the open handle, if any. */
  release(message: string): void {
    this.openHandle?.end(message);
    this.openHandle = null;
  }

  /** Gives the disk free, unless it has been opened anew after a crash. */
  releaseHandle(handle: DiskHandle): void {
    if (this.openHandle === handle) this.openHandle = null;
  }
}
