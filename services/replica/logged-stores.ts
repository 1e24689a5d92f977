import { decodeCommand } from "#kv";
import type { Index, LogReader, MemberId } from "#raft";

/** Longer than any command that records a store, whose two names are short. */
const COMMAND_BYTES_MAX = 512;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The bindings of members to data directories that the log held beyond the state when it was opened. The state is not
 * synced, so a member that crashed finds them in its state again only after the replay; until then it must not have
 * forgotten them, or it could vote with a directory that is not the member's. The first one of a member counts, as it
 * will when the entries are applied.
 */
export class LoggedStores {
  private readonly stores = new Map<MemberId, string>();
  private readonly lastIndex: Index;

  constructor(log: LogReader, applied: Index) {
    this.lastIndex = log.lastIndex();
    let from = applied + 1;
    while (from <= this.lastIndex) {
      const entries = log.entries({ from, toExclusive: this.lastIndex + 1, bytesMax: CHUNK_BYTES_MAX });
      for (const { data } of entries) this.note(data);
      from += entries.length;
    }
  }

  /** null once all entries that were in the log are applied or replaced: from then on the state has the word. */
  storeOf(memberId: MemberId, applied: Index): string | null {
    return applied >= this.lastIndex ? null : (this.stores.get(memberId) ?? null);
  }

  private note(data: Uint8Array): void {
    if (data.length === 0 || data.length > COMMAND_BYTES_MAX) return;
    const operation = decodeCommand(data)?.operation;
    if (operation?.$case !== "recordStore") return;
    const { memberId, storeId } = operation.value;
    if (!this.stores.has(memberId)) this.stores.set(memberId, storeId);
  }
}
