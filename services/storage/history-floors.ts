import { firstEvent, type NamespaceState, oldestReadable, type StateMeta, type StateWrites } from "#kv";
import { ReadExpired } from "#replica";
import type { KeySpace } from "./key-hash";

/** What of each namespace can still be read and told, as of the last write. */
export class HistoryFloors {
  private readonly namespaces = new Map<number, NamespaceState>();

  constructor(
    namespaces: readonly NamespaceState[],
    private meta: StateMeta,
  ) {
    for (const namespace of namespaces) this.namespaces.set(namespace.id, namespace);
  }

  /** As of the last write, and of none that comes. */
  copy(): HistoryFloors {
    return new HistoryFloors([...this.namespaces.values()], this.meta);
  }

  /** Takes over what a batch wrote, when it is written. */
  note(writes: StateWrites): void {
    this.meta = writes.meta;
    for (const namespace of writes.namespaces) this.namespaces.set(namespace.id, namespace);
    for (const { id } of writes.namespacesDeleted) this.namespaces.delete(id);
  }

  /** Of the last change. */
  get revision(): number {
    return this.meta.revision;
  }

  get namespaceIds(): Iterable<number> {
    return this.namespaces.keys();
  }

  /** Whether the records of a generation are kept: it is the present one of a namespace that is there. */
  isPresent({ namespaceId, generation }: KeySpace): boolean {
    return this.namespaces.get(namespaceId)?.generation === generation;
  }

  /** @throws ReadExpired where a generation, or what it was at that revision, is given up */
  checkReadable(space: KeySpace, revision: number): void {
    const namespace = this.namespaces.get(space.namespaceId);
    if (namespace === undefined || space.generation < namespace.generation) throw new ReadExpired();
    if (revision < oldestReadable(namespace, this.meta)) throw new ReadExpired();
  }

  /** @throws ReadExpired where what changed at that revision is given up */
  checkTold(namespaceId: number, revision: number): void {
    const namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined || revision < firstEvent(namespace, this.meta)) throw new ReadExpired();
  }

  /**
   * The last revision whose changes nobody needs any more, or null where the whole namespace is gone: they are not told, and
   * what they took the place of is not read.
   */
  givenUpTo(namespaceId: number): number | null {
    const namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined) return null;
    return Math.min(firstEvent(namespace, this.meta) - 1, oldestReadable(namespace, this.meta));
  }
}
