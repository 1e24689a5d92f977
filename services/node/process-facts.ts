import type { ProcessFacts } from "#rpc";
import { diskBytes } from "#storage";

/** A directory is walked at most this often, however often Status is asked. */
const DISK_BYTES_AGE_MS_MAX = 1000;

export class NodeFacts implements ProcessFacts {
  private readonly dataDir: string;
  private failed = false;
  private walked: Promise<number> | null = null;
  private walkedAtMs = 0;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  noteFailure(): void {
    this.failed = true;
  }

  hasFailed(): boolean {
    return this.failed;
  }

  uptimeMs(): number {
    return process.uptime() * 1000;
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
