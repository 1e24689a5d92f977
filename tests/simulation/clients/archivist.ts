import { createNamespaceCommand, putCommand } from "@quorate/services/kv";
import { type Random, utf8Encode } from "@quorate/services/std";
import { ARCHIVE_NAMESPACE } from "../world-contract";
import type { Caller } from "./caller";
import { LINEARIZABLE } from "./recorded-caller";

/** Of the keys it writes: short and long ones, and such as are no ASCII. */
const STEMS = ["", "k", "a longer key, of many letters ".repeat(6), "ключ", "鍵 ", "\u{1f511}"] as const;

/** Writes records once and never again, and reads them: what becomes of them on a disk shows there alone. */
export class Archivist {
  private isCreated = false;
  private readonly keys: string[] = [];

  constructor(
    readonly caller: Caller,
    private readonly random: Random,
  ) {}

  async carryOut(): Promise<void> {
    const { caller, random, keys } = this;
    if (!this.isCreated) {
      const { kind } = await caller.writeWithoutSession((source) =>
        createNamespaceCommand({ ...source, namespace: "" }, ARCHIVE_NAMESPACE),
      );
      // Refused because an earlier try came through is as good.
      this.isCreated = kind === "done" || kind === "refused";
      return;
    }
    if (keys.length > 0 && random.below(3) === 0) {
      const key = keys[random.below(keys.length)] as string;
      const consistency = random.below(2) === 0 ? "stale" : "linearizable";
      await caller.read(key, { ...LINEARIZABLE, consistency }, true);
      return;
    }
    const key = `${STEMS[random.below(STEMS.length)]}${keys.length}`;
    keys.push(key);
    const value = utf8Encode(key.repeat(1 + random.below(4)));
    const put = { key: utf8Encode(key), value, leaseId: 0n, returnPrevious: false, expectedModRevision: 0n };
    await caller.write((source) => putCommand(source, put));
  }
}
