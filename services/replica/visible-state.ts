import {
  DEFAULT_NAMESPACE,
  type MembershipState,
  type NamespaceState,
  type ResidentState,
  type StateMeta,
  type StateWrites,
} from "#kv";
import { compareStrings } from "#std";

/**
 * What reads may see: the state as of the last batch that is in the store. The machine is ahead of it while a batch is
 * being written, and a read that took its revision from there would miss records of that revision.
 */
export class VisibleState {
  private counters: StateMeta;
  private namespaces: Map<string, NamespaceState>;
  private members: MembershipState;

  constructor(opened: ResidentState) {
    this.counters = opened.meta;
    this.namespaces = byName(opened.namespaces);
    this.members = opened.membership;
  }

  /** Another state took the place of the one that was in the store. */
  replaced(opened: ResidentState): void {
    this.counters = opened.meta;
    this.namespaces = byName(opened.namespaces);
    this.members = opened.membership;
  }

  get membership(): MembershipState {
    return this.members;
  }

  get revision(): number {
    return this.counters.revision;
  }

  get meta(): StateMeta {
    return this.counters;
  }

  /** @param name empty for the default one */
  namespace(name: string): NamespaceState | null {
    return this.namespaces.get(name === "" ? DEFAULT_NAMESPACE : name) ?? null;
  }

  /** All of them, sorted by name. */
  list(): readonly NamespaceState[] {
    return [...this.namespaces.values()].sort((left, right) => compareStrings(left.name, right.name));
  }

  /** The batch is in the store. */
  written({ meta, namespaces, namespacesDeleted, membership }: StateWrites): void {
    this.counters = meta;
    this.members = membership ?? this.members;
    if (namespacesDeleted.length > 0) this.forget(new Set(namespacesDeleted.map(({ id }) => id)));
    for (const namespace of namespaces) this.namespaces.set(namespace.name, namespace);
  }

  /** Before the batch's namespaces are taken in: one of them may have the name of one that was deleted. */
  private forget(deleted: ReadonlySet<number>): void {
    for (const { id, name } of [...this.namespaces.values()]) {
      if (deleted.has(id)) this.namespaces.delete(name);
    }
  }
}

function byName(namespaces: readonly NamespaceState[]): Map<string, NamespaceState> {
  return new Map(namespaces.map((namespace) => [namespace.name, namespace]));
}
