import type { Change, NamespaceState, StateMeta, StateWrites, StoredRecord } from "@quorate/services/kv";
import type { StateBatch } from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import { batch, bytes, changeOrigin, meta, namespace } from "./state-samples";

const NAMESPACES_MAX = 4;

/** How often of a thousand a command is what it is; the rest changes keys, so many at once about. */
export interface CommandShares {
  readonly keysPerChange: number;
  readonly compact: number;
  readonly compactAll: number;
  readonly truncate: number;
  readonly create: number;
  readonly delete: number;
}

const USUAL: CommandShares = {
  keysPerChange: 2,
  compact: 80,
  compactAll: 40,
  truncate: 30,
  create: 50,
  delete: 40,
};

/** Revisions stay readable for so long that many are read that keys were changed after. */
export const HISTORY_IS_LONG: CommandShares = {
  keysPerChange: 8,
  compact: 10,
  compactAll: 5,
  truncate: 2,
  create: 3,
  delete: 2,
};

/** Batches such as the state machine makes: changes, compactions, truncations, namespaces that come and go. */
export class RandomBatches {
  private meta: StateMeta = meta(0, { timeMs: 0 });
  private readonly namespaces = new Map<number, NamespaceState>([[1, namespace()]]);
  private index = 0;
  private changes: Change[] = [];
  private deleted: { readonly id: number; readonly generation: number }[] = [];
  private touched = new Set<number>();
  /** The keys that are there, of each namespace. */
  private readonly keys = new Map<number, Set<string>>();

  constructor(
    private readonly random: Random,
    private readonly keyNames: readonly string[],
    private readonly shares: CommandShares = USUAL,
  ) {}

  next(): StateBatch {
    this.index += 1;
    this.changes = [];
    this.deleted = [];
    this.touched = new Set();
    for (let left = 1 + this.random.below(5); left > 0; left -= 1) this.command();
    const writes: Partial<StateWrites> = {
      meta: this.meta,
      namespaces: [...this.touched].flatMap((id) => this.namespaces.get(id) ?? []),
      namespacesDeleted: this.deleted,
    };
    return batch(this.index, this.changes, writes);
  }

  private command(): void {
    let chance = this.random.below(1000);
    const target = this.pick([...this.namespaces.values()]);
    const { shares } = this;
    const isIt = (share: number): boolean => {
      chance -= share;
      return chance < 0;
    };
    if (isIt(shares.compact)) this.compact(target);
    else if (isIt(shares.compactAll)) this.compactAll();
    else if (isIt(shares.truncate)) this.truncate(target);
    else if (isIt(shares.create)) this.create();
    else if (isIt(shares.delete)) this.delete(target);
    else this.changeKeys(target);
  }

  private changeKeys(target: NamespaceState): void {
    const revision = this.advance();
    const keys = this.keyNames.filter(
      () => this.random.below(this.keyNames.length) < this.shares.keysPerChange,
    );
    const place = { namespaceId: target.id, generation: target.generation, revision };
    for (const [ordinal, name] of (keys.length === 0 ? [this.pick(this.keyNames)] : keys).entries()) {
      const key = bytes(name);
      const isDelete = this.random.below(3) === 0;
      if (isDelete) this.keysOf(target.id).delete(name);
      else this.keysOf(target.id).add(name);
      const origin = changeOrigin(
        isDelete ? "delete_range" : "txn",
        this.random.below(2) === 0 ? null : this.index,
      );
      this.changes.push(
        isDelete
          ? { kind: "delete", ...place, ordinal, key, origin }
          : { kind: "put", ...place, ordinal, record: this.record(key, revision), origin },
      );
    }
    this.put({ ...target, keyCount: this.keysOf(target.id).size });
  }

  private keysOf(namespaceId: number): Set<string> {
    const keys = this.keys.get(namespaceId) ?? new Set();
    this.keys.set(namespaceId, keys);
    return keys;
  }

  private record(key: Uint8Array, revision: number): StoredRecord {
    // Now and then so long that a store may keep it in a place of its own.
    const bytesMin = this.random.below(25) === 0 ? 4200 : 0;
    const value = bytes(`${revision}-`.repeat(this.random.below(20)).padEnd(bytesMin, "."));
    return {
      key,
      value,
      valueBytes: value.length,
      createRevision: 1 + this.random.below(revision),
      modRevision: revision,
      version: 1 + this.random.below(300),
      leaseId: this.random.below(3),
    };
  }

  private compact(target: NamespaceState): void {
    const revision = Math.max(target.oldestRevision, this.random.below(this.meta.revision + 1));
    const firstEventRevision = Math.max(target.firstEventRevision, revision + 1);
    this.put({ ...target, oldestRevision: revision, firstEventRevision });
  }

  private compactAll(): void {
    const revision = this.random.below(this.meta.revision + 1);
    this.meta = { ...this.meta, compactedRevision: Math.max(this.meta.compactedRevision, revision) };
  }

  private truncate(target: NamespaceState): void {
    const revision = this.advance();
    this.end(target, revision, "truncate");
    const floors = { oldestRevision: revision, firstEventRevision: revision };
    this.keysOf(target.id).clear();
    this.put({ ...target, ...floors, generation: target.generation + 1, keyCount: 0 });
  }

  private create(): void {
    if (this.namespaces.size >= NAMESPACES_MAX) return;
    const id = this.meta.nextNamespaceId;
    this.meta = { ...this.meta, nextNamespaceId: id + 1 };
    this.put(namespace({ id, name: `n${id}`, keysMax: this.random.below(5) }));
  }

  private delete({ id, generation }: NamespaceState): void {
    if (id === 1) return;
    this.namespaces.delete(id);
    this.touched.delete(id);
    this.deleted.push({ id, generation });
    // An empty one goes without a change.
    if (this.random.below(2) === 0) this.end({ id, generation }, this.advance(), "namespace_deleted");
  }

  private end(
    { id, generation }: Pick<NamespaceState, "id" | "generation">,
    revision: number,
    cause: "truncate" | "namespace_deleted",
  ): void {
    const origin = changeOrigin(cause, this.index);
    this.changes.push({ kind: "truncate", namespaceId: id, generation, revision, ordinal: 0, origin });
  }

  private advance(): number {
    const revision = this.meta.revision + 1;
    this.meta = { ...this.meta, revision };
    return revision;
  }

  private put(target: NamespaceState): void {
    this.namespaces.set(target.id, target);
    this.touched.add(target.id);
  }

  private pick<Item>(items: readonly Item[]): Item {
    return items[this.random.below(items.length)] as Item;
  }
}
