import {
  createNamespaceCommand,
  DEFAULT_LIMITS,
  deleteCommand,
  deleteRangeCommand,
  incrementCommand,
  putCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { type Random, utf8Encode } from "@quorate/services/std";
import type { Caller } from "./caller";

export const SWEPT_NAMESPACE = "swept";
const KEYS_COUNT = 8;

/**
 * What histories cannot express: ranges, and a namespace that is emptied at once, in one of its own. Whether it comes
 * out right shows in the state of the members and in their answers.
 */
export class Sweeper {
  private isCreated = false;

  constructor(
    readonly caller: Caller,
    private readonly random: Random,
  ) {}

  async carryOut(): Promise<void> {
    const { caller } = this;
    if (!this.isCreated) {
      const { kind } = await caller.writeWithoutSession((source) =>
        createNamespaceCommand({ ...source, namespace: "" }, SWEPT_NAMESPACE),
      );
      // Refused because an earlier try came through is as good.
      this.isCreated = kind === "done" || kind === "refused";
      return;
    }
    const key = this.key();
    const draw = this.random.below(20);
    if (draw < 9) {
      const value = utf8Encode(String(this.random.below(1000)));
      const put = { key, value, leaseId: 0n, returnPrevious: draw < 3, expectedModRevision: null };
      await caller.write((source) => putCommand(source, put));
    } else if (draw < 12) {
      await caller.write((source) => incrementCommand(source, key, 1n));
    } else if (draw < 14) {
      await caller.write((source) =>
        deleteCommand(source, { key, returnPrevious: true, expectedModRevision: null }),
      );
    } else if (draw < 17) {
      const range = { start: this.key(), end: draw === 14 ? null : this.key() };
      const keysMax = draw === 15 ? 2 : DEFAULT_LIMITS.batchRecordsMax;
      await caller.write((source) => deleteRangeCommand(source, range, keysMax));
    } else if (draw < 18) {
      await caller.write(truncateCommand);
    } else if (draw < 19) {
      await caller.closeSession();
    } else {
      const request = { consistency: "stale", minRevision: 0, maxStalenessMs: 0, revision: 0 } as const;
      await caller.read(`s${this.random.below(KEYS_COUNT)}`, request, true);
    }
  }

  private key(): Uint8Array {
    const at = this.random.below(KEYS_COUNT + 1);
    // One that begins with all the bytes of another, and one behind all.
    if (at === 0) return utf8Encode("s1\u0000");
    return utf8Encode(at === KEYS_COUNT ? "t" : `s${at}`);
  }
}
