import type { Change, KeyRange, NamespaceState, StateMeta, StoredRecord } from "@quorate/services/kv";
import type { StateBatch } from "@quorate/services/replica";
import { meta, text } from "./state-samples";

/** What a state store must answer, kept as the plain list of all that ever changed. */
export class StateModel {
  meta: StateMeta = meta(0, { timeMs: 0 });
  readonly namespaces = new Map<number, NamespaceState>();
  private readonly changes: Change[] = [];

  write({ writes }: StateBatch): void {
    this.meta = writes.meta;
    this.changes.push(...writes.changes);
    for (const namespace of writes.namespaces) this.namespaces.set(namespace.id, namespace);
    for (const { id } of writes.namespacesDeleted) this.namespaces.delete(id);
  }

  oldestReadable({ oldestRevision }: NamespaceState): number {
    return Math.max(oldestRevision, this.meta.compactedRevision);
  }

  firstEvent({ firstEventRevision }: NamespaceState): number {
    return Math.max(firstEventRevision, this.meta.compactedRevision + 1);
  }

  /** In the order of the keys. */
  recordsAt({ id, generation }: NamespaceState, revision: number): readonly StoredRecord[] {
    const found = new Map<string, StoredRecord>();
    for (const change of this.changes) {
      if (change.namespaceId !== id || change.generation !== generation || change.revision > revision)
        continue;
      if (change.kind === "put") found.set(text(change.record.key), change.record);
      if (change.kind === "delete") found.delete(text(change.key));
    }
    return [...found.entries()]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, record]) => record);
  }

  history(namespaceId: number, from: number, to: number, range: KeyRange): readonly Change[] {
    const start = text(range.start);
    const end = range.end === null ? null : text(range.end);
    const isInRange = (key: string): boolean => key >= start && (end === null || key < end);
    return this.changes.filter((change) => {
      if (change.namespaceId !== namespaceId || change.revision < from || change.revision > to) return false;
      if (change.kind === "truncate") return true;
      return isInRange(text(change.kind === "put" ? change.record.key : change.key));
    });
  }
}
