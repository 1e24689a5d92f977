import { byteKey, type Change, type StoredRecord } from "#kv";
import { StateReplaced, type StateStore } from "#replica";
import { assert } from "#std";
import type { Ledger, SharedChange } from "./shared-change";

/** So many are read at a time. */
const STEP_CHANGES = 32;

/**
 * Reads the records that were there before changes, each once. Right after the changes were written, so that no
 * compaction can have passed them; what comes to too much for that is read when a watch gets there.
 */
export class PreviousRecords {
  private waiting = new Set<() => void>();

  constructor(
    private readonly state: Pick<StateStore, "records">,
    private readonly ledger: Ledger,
  ) {}

  /** Calls once, as soon as any read that is under way has ended. */
  whenRead(run: () => void): void {
    this.waiting.add(run);
  }

  /**
   * Reads for changes in order of revision, until what was read comes to bytesMax. Resolves when each one begun is known or
   * lost; never rejects. The first are asked for before it returns.
   */
  async read(items: readonly SharedChange[], bytesMax: number): Promise<void> {
    const unread = items.filter(({ previous }) => previous.kind === "unread");
    let bytes = 0;
    for (let from = 0; from < unread.length && bytes <= bytesMax; from += STEP_CHANGES) {
      // Another reader may have begun with some meanwhile.
      const step = unread
        .slice(from, from + STEP_CHANGES)
        .filter(({ previous }) => previous.kind === "unread");
      await this.readStep(step);
      for (const item of step) bytes += item.previousBytes;
    }
  }

  private async readStep(step: readonly SharedChange[]): Promise<void> {
    const newest = new Map<string, StoredRecord | null>();
    const groups: SharedChange[][] = [];
    for (const item of step) {
      const name = nameOf(item.change);
      const before = newest.get(name);
      newest.set(name, item.change.kind === "put" ? item.change.record : null);
      if (before != null && isNextOf(before, item.change)) {
        item.learnPrevious(before, this.ledger);
        continue;
      }
      item.previous = { kind: "reading" };
      const group = groups.at(-1);
      if (group !== undefined && isOneRead(group[0]?.change, item.change)) group.push(item);
      else groups.push([item]);
    }
    await Promise.all(groups.map((group) => this.readGroup(group)));
    const { waiting } = this;
    this.waiting = new Set();
    for (const run of waiting) run();
  }

  private async readGroup(group: readonly SharedChange[]): Promise<void> {
    const [first] = group;
    assert(first !== undefined, "a group holds a change");
    const { namespaceId, generation, revision } = first.change;
    try {
      const records = await this.state.records({
        namespaceId,
        generation,
        keys: group.map(({ change }) => keyOf(change)),
        revision: revision - 1,
        keysOnly: false,
      });
      for (const [at, item] of group.entries()) item.learnPrevious(records[at] ?? null, this.ledger);
    } catch (thrown) {
      // Told by each watch that gets there, with what it means for it.
      const previous =
        thrown instanceof StateReplaced
          ? // The new state has them as well.
            ({ kind: "unread" } as const)
          : ({ kind: "lost", thrown } as const);
      for (const item of group) item.previous = previous;
    }
  }
}

/** Whether nothing came between: changes that no watch wants are not among those that are read for. */
function isNextOf(before: StoredRecord, change: Change): boolean {
  if (change.kind !== "put") return false;
  const { createRevision, version } = change.record;
  return createRevision === before.createRevision && version === before.version + 1;
}

function isOneRead(left: Change | undefined, right: Change): boolean {
  return (
    left !== undefined &&
    left.namespaceId === right.namespaceId &&
    left.generation === right.generation &&
    left.revision === right.revision
  );
}

function nameOf(change: Change): string {
  return `${change.namespaceId}/${change.generation}/${byteKey(keyOf(change))}`;
}

function keyOf(change: Change): Uint8Array {
  assert(change.kind !== "truncate", "a truncation has no record before it");
  return change.kind === "put" ? change.record.key : change.key;
}
