import { statfs } from "node:fs/promises";
import type { Log } from "#forward";

/** How often the file system is asked. */
const POLL_MS = 1000;

/** Space counts as back when there is this much more than the bound, so that a bound is not crossed to and fro. */
const RETURN_FACTOR = 1.25;

export interface FreeSpaceOptions {
  /** On the file system that is watched. */
  readonly path: string;
  /** 0: low never. */
  readonly freeBytesMin: number;
  readonly log: Log;
  /** Told when it changes. */
  onChange(isLow: boolean): void;
  /** Bytes that this process may still take there; the file system's own answer by default. */
  readonly freeBytes?: (path: string) => Promise<number>;
}

/** Watches how much the data directory's file system has left, so that writes are refused before it is full. */
export class FreeSpaceWatch {
  private readonly options: FreeSpaceOptions;
  private readonly timer: NodeJS.Timeout;
  private lastBytes: number | null = null;
  private isLow = false;
  private isAsking = false;
  private couldNotAsk = false;

  constructor(options: FreeSpaceOptions) {
    this.options = options;
    this.timer = setInterval(() => void this.look(), POLL_MS);
    this.timer.unref();
  }

  /** As of the last look; null before the first. */
  get freeBytes(): number | null {
    return this.lastBytes;
  }

  /** Asks now; resolves when what it says was passed on. While an earlier look is under way it does nothing. */
  async look(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    const { path, log, freeBytes } = this.options;
    try {
      this.lastBytes = await (freeBytes ?? freeBytesOf)(path);
      this.couldNotAsk = false;
      this.judge(this.lastBytes);
    } catch (error) {
      // Said once: a file system that cannot be asked is asked again each second.
      if (!this.couldNotAsk) log.warn({ err: error, path }, "cannot tell how much space is free");
      this.couldNotAsk = true;
    } finally {
      this.isAsking = false;
    }
  }

  /** Safe to call twice. */
  close(): void {
    clearInterval(this.timer);
  }

  private judge(freeBytes: number): void {
    const { freeBytesMin, path, log, onChange } = this.options;
    const isLow = freeBytes < (this.isLow ? RETURN_FACTOR * freeBytesMin : freeBytesMin);
    if (isLow === this.isLow) return;
    this.isLow = isLow;
    if (isLow) {
      log.warn(
        { freeBytes, freeBytesMin },
        `little space is left for ${path}: free some; writes are refused while most members have so little`,
      );
    } else {
      log.info({ freeBytes }, `there is space for ${path} again`);
    }
    onChange(isLow);
  }
}

/** What a process without privileges may still take. */
export async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
