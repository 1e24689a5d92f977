import type { ProcessFacts } from "#rpc";
import { diskBytes } from "#storage";

/**
 * A directory is walked at most this often, however often Status is asked, which each gateway does every second: a file takes
 * some 10 us of CPU, and a large state has hundreds.
 */
const DISK_BYTES_AGE_MS_MAX = 10_000;

export class NodeFacts implements ProcessFacts {
  private readonly dataDir: string;
  private readonly freeSpace: { readonly freeBytes: number | null };
  private failed = false;
  private closing = false;
  private walked: Promise<number> | null = null;
  private walkedAtMs = 0;

  constructor(dataDir: string, freeSpace: { readonly freeBytes: number | null }) {
    this.dataDir = dataDir;
    this.freeSpace = freeSpace;
  }

  noteFailure(): void {
    this.failed = true;
  }

  hasFailed(): boolean {
    return this.failed;
  }

  noteClosing(): void {
    this.closing = true;
  }

  /** Whether the node is on its way down. */
  isClosing(): boolean {
    return this.closing;
  }

  uptimeMs(): number {
    return process.uptime() * 1000;
  }

  diskFreeBytes(): number | null {
    return this.freeSpace.freeBytes;
  }

  memoryBytes(): number {
    return process.memoryUsage.rss();
  }

  diskBytes(): Promise<number> {
    const nowMs = performance.now();
    if (this.walked === null || nowMs - this.walkedAtMs > DISK_BYTES_AGE_MS_MAX) {
      this.walked = diskBytes(this.dataDir);
      this.walkedAtMs = nowMs;
    }
    return this.walked;
  }
}
