import type { Random } from "@quorate/services/std";
import type { HistoryRecord } from "../../judge/history";

/** What a client is to do next, before it is known what a cas finds. */
export type Task =
  | { readonly kind: "get" | "stale_get" | "delete"; readonly key: string }
  | { readonly kind: "put" | "append"; readonly key: string; readonly value: string }
  | { readonly kind: "cas"; readonly key: string; readonly value: string }
  | { readonly kind: "incr"; readonly key: string; readonly by: number };

export type Operation = HistoryRecord["op"];

/** Few, so that clients meet. Each kind of value has keys of its own; deletions and reads go to all. */
const REGISTERS = ["r1", "r2", "r3"] as const;
const COUNTERS = ["c1", "c2"] as const;
const LISTS = ["l1", "l2"] as const;
export const KEYS: readonly string[] = [...REGISTERS, ...COUNTERS, ...LISTS];

/** In hundredths; the rest are reads. */
const SHARES = [
  ["put", 18],
  ["cas", 14],
  ["incr", 14],
  ["append", 14],
  ["delete", 5],
] as const;

/** Draws what clients do. Every value that is written is new, so that a cas by value and one by revision are the same. */
export class Workload {
  private values = 0;

  constructor(
    private readonly random: Random,
    private readonly staleReadProbability: number,
  ) {}

  next(): Task {
    let draw = this.random.below(100);
    for (const [kind, share] of SHARES) {
      if (draw < share) return this.write(kind);
      draw -= share;
    }
    const kind = this.random.float() < this.staleReadProbability ? "stale_get" : "get";
    return { kind, key: this.pick(KEYS) };
  }

  private write(kind: (typeof SHARES)[number][0]): Task {
    switch (kind) {
      case "put":
      case "cas":
        return { kind, key: this.pick(REGISTERS), value: this.newValue("v") };
      case "append":
        return { kind, key: this.pick(LISTS), value: `${this.newValue("")},` };
      case "incr":
        // Not zero: an increment that changes nothing would not show.
        return {
          kind,
          key: this.pick(COUNTERS),
          by: this.random.below(5) === 0 ? -7 : 1 + this.random.below(9),
        };
      case "delete":
        return { kind, key: this.pick(KEYS) };
    }
  }

  private newValue(prefix: string): string {
    this.values += 1;
    return `${prefix}${this.values}`;
  }

  private pick(keys: readonly string[]): string {
    return keys[this.random.below(keys.length)] as string;
  }
}
