import { Status } from "nice-grpc-common";
import type { MethodRoute } from "#forward";
import { sortedEntries } from "#std";

export interface MethodCount {
  /** Such as "quorate.kv.v1.KvService/Put". */
  readonly method: string;
  readonly ok: number;
  readonly failed: number;
}

/** How many calls a node served, by method and status. */
export class CallCounters {
  private readonly counts = new Map<string, { ok: number; failed: number }>();
  private forwardedCount = 0;

  get forwarded(): number {
    return this.forwardedCount;
  }

  ended(method: MethodRoute, code: number): void {
    let count = this.counts.get(method.path);
    if (count === undefined) {
      count = { ok: 0, failed: 0 };
      this.counts.set(method.path, count);
    }
    if (code === Status.OK) count.ok += 1;
    else count.failed += 1;
  }

  noteForwarded(): void {
    this.forwardedCount += 1;
  }

  /** All start from zero again. */
  reset(): void {
    this.counts.clear();
    this.forwardedCount = 0;
  }

  /** Methods that were called, sorted by name. */
  methods(): MethodCount[] {
    return sortedEntries(this.counts).map(([path, { ok, failed }]) => ({
      method: path.slice(1),
      ok,
      failed,
    }));
  }
}
