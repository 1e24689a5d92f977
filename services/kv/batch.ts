import { assert, compareBytes } from "#std";
import { type KeyRange, rangeContains } from "./key-range";
import type { Namespace } from "./namespace";
import type { StoredRecord } from "./record";
import type { Change, ChangeOrigin } from "./state";
import type { StateView } from "./view";

/** A batch's own writes to one namespace, over the view. */
interface Overlay {
  /** The newest record of each key that was written, by byteKey; null where it was deleted. */
  readonly records: Map<string, StoredRecord | null>;
  /** Created or truncated within the batch: nothing of the namespace's present generation is in the view. */
  isAll: boolean;
}

/**
 * The records as a batch of commands sees and changes them: the view as of the last write, under the batch's own
 * changes. Commands come one after another, between begin and end; all changes of one command share one revision.
 */
export class Batch {
  /** In order of (revision, ordinal). */
  readonly changes: Change[] = [];
  private readonly view: StateView;
  private readonly overlays = new Map<number, Overlay>();
  private readonly touched = new Set<Namespace>();
  /** The ids of namespaces that were not there before the batch. */
  private readonly created = new Set<number>();
  private commandRevision: number;
  private commandOrigin: ChangeOrigin | null = null;
  private changesBefore = 0;

  /** @param revision of the last change before the batch */
  constructor(view: StateView, revision: number) {
    this.view = view;
    this.commandRevision = revision + 1;
  }

  /** The revision of the last change so far. */
  get revision(): number {
    return this.commandRevision - 1;
  }

  /** Namespaces that were changed. */
  get namespaces(): Iterable<Namespace> {
    return this.touched;
  }

  begin(origin: ChangeOrigin): void {
    assert(this.commandOrigin === null, "one command is applied at a time");
    this.commandOrigin = origin;
    this.changesBefore = this.changes.length;
  }

  /** Ends a command; the revision advances only if it changed something. */
  end(): void {
    assert(this.commandOrigin !== null, "a command that ends was begun");
    this.commandOrigin = null;
    if (this.changes.length === this.changesBefore) return;
    this.commandRevision += 1;
    assert(Number.isSafeInteger(this.commandRevision), "a revision is a safe integer");
  }

  /** @param id the byteKey of the key, so that it is made once a command */
  newest(namespace: Namespace, key: Uint8Array, id: string): StoredRecord | null {
    const overlay = this.overlays.get(namespace.id);
    const own = overlay?.records.get(id);
    if (own !== undefined) return own;
    if (overlay?.isAll === true) return null;
    return this.view.get(namespace.id, namespace.generation, key);
  }

  /**
   * The first `limit` records of a range. Only the first command of a batch can ask (see StateMachine.reads), but for a
   * namespace that the batch itself created: its commands could declare nothing, and all of it is here.
   */
  range(namespace: Namespace, range: KeyRange, limit: number): readonly StoredRecord[] {
    if (this.created.has(namespace.id)) return this.rangeOfCreated(namespace, range, limit);
    assert(this.changes.length === 0, "a command that reads a range is the first of its batch");
    return this.view.range(0);
  }

  /** Takes in a namespace that was not there before the batch. */
  create(namespace: Namespace): void {
    this.created.add(namespace.id);
    this.overlay(namespace).isAll = true;
  }

  /** Writes a value over the newest record of the key, and returns the new one. */
  put(
    namespace: Namespace,
    id: string,
    newest: StoredRecord | null,
    next: Pick<StoredRecord, "key" | "value" | "leaseId">,
  ): StoredRecord {
    const { key, value, leaseId } = next;
    const revision = this.commandRevision;
    const record: StoredRecord = {
      key,
      value,
      valueBytes: value.length,
      createRevision: newest === null ? revision : newest.createRevision,
      modRevision: revision,
      version: newest === null ? 1 : newest.version + 1,
      leaseId,
    };
    if (newest === null) namespace.count(1, key.length + value.length);
    else namespace.count(0, value.length - newest.valueBytes);
    this.overlay(namespace).records.set(id, record);
    this.changes.push({ kind: "put", ...this.place(namespace), record, origin: this.origin });
    return record;
  }

  delete(namespace: Namespace, id: string, newest: StoredRecord): void {
    namespace.count(-1, -(newest.key.length + newest.valueBytes));
    this.overlay(namespace).records.set(id, null);
    this.changes.push({ kind: "delete", ...this.place(namespace), key: newest.key, origin: this.origin });
  }

  /** Empties the namespace, however many keys it holds. */
  truncate(namespace: Namespace): void {
    const overlay = this.overlay(namespace);
    overlay.records.clear();
    overlay.isAll = true;
    this.changes.push({ kind: "truncate", ...this.place(namespace), origin: this.origin });
    namespace.truncate(this.commandRevision);
  }

  private get origin(): ChangeOrigin {
    assert(this.commandOrigin !== null, "changes are made within a command");
    return this.commandOrigin;
  }

  private place(namespace: Namespace): Pick<Change, "namespaceId" | "generation" | "revision" | "ordinal"> {
    return {
      namespaceId: namespace.id,
      generation: namespace.generation,
      revision: this.commandRevision,
      ordinal: this.changes.length - this.changesBefore,
    };
  }

  private rangeOfCreated(namespace: Namespace, range: KeyRange, limit: number): readonly StoredRecord[] {
    return [...this.overlay(namespace).records.values()]
      .filter((record) => record !== null)
      .filter(({ key }) => rangeContains(range, key))
      .sort((left, right) => compareBytes(left.key, right.key))
      .slice(0, limit);
  }

  /** Asked for by each write, so it also notes that the namespace changed. */
  private overlay(namespace: Namespace): Overlay {
    const known = this.overlays.get(namespace.id);
    if (known !== undefined) return known;
    const overlay: Overlay = { records: new Map(), isAll: false };
    this.overlays.set(namespace.id, overlay);
    this.touched.add(namespace);
    return overlay;
  }
}
