import { Refusal } from "@quorate/proto/log";
import { assert } from "#std";
import { type Result, refused } from "./answer";
import { NAMESPACES_MAX } from "./limits";
import { Namespace, type Quota } from "./namespace";
import { DEFAULT_NAMESPACE, type NamespaceState, type StateWrites } from "./state";

type NamespaceWrites = Pick<StateWrites, "namespaces" | "namespacesDeleted">;

/** The namespaces by name. It notes what changed of them apart from their records, until takeWrites. */
export class NamespaceTable {
  private readonly byName = new Map<string, Namespace>();
  private readonly byId = new Map<number, Namespace>();
  private nextId: number;
  private readonly touched = new Set<Namespace>();
  private deleted: { readonly id: number; readonly generation: number }[] = [];

  constructor(namespaces: readonly NamespaceState[], nextNamespaceId: number) {
    for (const state of namespaces) this.insert(new Namespace(state));
    this.nextId = nextNamespaceId;
  }

  /** The id that the next one gets. */
  get nextNamespaceId(): number {
    return this.nextId;
  }

  /** Keys, and bytes of keys and newest values, over all namespaces. */
  get totals(): { readonly keys: number; readonly bytes: number } {
    let keys = 0;
    let bytes = 0;
    for (const namespace of this.byName.values()) {
      keys += namespace.keyCount;
      bytes += namespace.byteCount;
    }
    return { keys, bytes };
  }

  /** @param name empty for the default one */
  get(name: string): Namespace | null {
    return this.byName.get(name === "" ? DEFAULT_NAMESPACE : name) ?? null;
  }

  /** One that is there. */
  withId(id: number): Namespace {
    const namespace = this.byId.get(id);
    assert(namespace !== undefined, "what is of a namespace goes with it");
    return namespace;
  }

  /** Why there can be no new namespace of this name, or null. */
  refusalOf(name: string): Result | null {
    if (this.byName.has(name)) {
      return refused(Refusal.NAMESPACE_EXISTS, `there is a namespace "${name}" already`);
    }
    if (this.byName.size < NAMESPACES_MAX) return null;
    return refused(
      Refusal.TOO_MANY_NAMESPACES,
      `there are ${this.byName.size} namespaces, the limit of a cluster is ${NAMESPACES_MAX}`,
    );
  }

  /**
   * @param revision the last one so far: what was before is not the new namespace's to tell, for another may have had its
   * name
   */
  create(name: string, quota: Quota, revision: number): Namespace {
    assert(this.refusalOf(name) === null, "a namespace that is made may be made");
    const id = this.nextId;
    this.nextId += 1;
    const nothing = { generation: 1, keyCount: 0, byteCount: 0 };
    const floors = { oldestRevision: revision, firstEventRevision: revision + 1 };
    const namespace = new Namespace({ id, name, ...nothing, ...floors, ...quota });
    this.insert(namespace);
    this.touched.add(namespace);
    return namespace;
  }

  /** Notes a change that did not come through the batch. */
  touch(namespace: Namespace): void {
    this.touched.add(namespace);
  }

  /** @param generation the one that its keys were in */
  delete(namespace: Namespace, generation: number): void {
    const { id, name } = namespace;
    assert(this.byId.get(id) === namespace, "a namespace that is deleted is there");
    this.byName.delete(name);
    this.byId.delete(id);
    this.deleted.push({ id, generation });
  }

  /**
   * What changed since the last call, in the order of ids.
   *
   * @param counted those whose records changed
   */
  takeWrites(counted: Iterable<Namespace>): NamespaceWrites {
    const changed = [...new Set([...this.touched, ...counted])]
      .filter((namespace) => this.byId.has(namespace.id))
      .sort(inOrder);
    const namespacesDeleted = this.deleted;
    this.touched.clear();
    this.deleted = [];
    return { namespaces: changed.map((namespace) => namespace.snapshot()), namespacesDeleted };
  }

  /** All of them, sorted by id. */
  resident(): readonly NamespaceState[] {
    return [...this.byId.values()].sort(inOrder).map((namespace) => namespace.snapshot());
  }

  private insert(namespace: Namespace): void {
    assert(!this.byName.has(namespace.name), "a name names one namespace");
    this.byName.set(namespace.name, namespace);
    this.byId.set(namespace.id, namespace);
  }
}

function inOrder(left: Namespace, right: Namespace): number {
  return left.id - right.id;
}
