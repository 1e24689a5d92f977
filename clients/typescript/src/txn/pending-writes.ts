import { KvRecord } from "#client/record";
import { type Operation, op } from "./operation";

/** What a transaction will do to one key. */
type PendingWrite =
  | { readonly kind: "delete" }
  | {
      readonly kind: "put";
      readonly value: Uint8Array;
      readonly leaseId: bigint;
      /** Deleted before within the transaction, so that the key begins a new life. */
      readonly afterDelete: boolean;
    };

interface PendingKey {
  readonly key: Uint8Array;
  readonly write: PendingWrite;
}

/** The writes that a transaction has buffered: the last state of each key. */
export class PendingWrites {
  readonly #keys = new Map<string, PendingKey>();

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  put(key: Uint8Array, value: Uint8Array, leaseId: bigint): void {
    const before = this.#keys.get(nameOf(key))?.write;
    const afterDelete = before?.kind === "delete" || before?.afterDelete === true;
    this.#set(key, { kind: "put", value, leaseId, afterDelete });
  }

  delete(key: Uint8Array): void {
    this.#set(key, { kind: "delete" });
  }

  /** The key's record as the transaction has left it; null when it was deleted; undefined when it was not written. */
  record(key: Uint8Array): KvRecord | null | undefined {
    const pending = this.#keys.get(nameOf(key));
    return pending === undefined ? undefined : recordOfPending(pending);
  }

  /** The records that were written in a range, unordered. */
  recordsIn(start: Uint8Array, end: Uint8Array): readonly KvRecord[] {
    return this.#in(start, end).flatMap((pending) => recordOfPending(pending) ?? []);
  }

  /** How many keys of a range were deleted. */
  deletesIn(start: Uint8Array, end: Uint8Array): number {
    return this.#in(start, end).filter(({ write }) => write.kind === "delete").length;
  }

  /** What makes them so. */
  operations(): readonly Operation<unknown>[] {
    return [...this.#keys.values()].flatMap(({ key, write }): readonly Operation<unknown>[] => {
      if (write.kind === "delete") return [op.delete(key)];
      const put = op.put(key, write.value, { leaseId: write.leaseId });
      return write.afterDelete ? [op.delete(key), put] : [put];
    });
  }

  #in(start: Uint8Array, end: Uint8Array): readonly PendingKey[] {
    return [...this.#keys.values()].filter(
      ({ key }) => Buffer.compare(key, start) >= 0 && (end.length === 0 || Buffer.compare(key, end) < 0),
    );
  }

  #set(key: Uint8Array, write: PendingWrite): void {
    this.#keys.set(nameOf(key), { key, write });
  }
}

/** A key as the key of a map. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function recordOfPending({ key, write }: PendingKey): KvRecord | null {
  if (write.kind === "delete") return null;
  const { value, leaseId } = write;
  // Which revision will make it is not known before the commit.
  return new KvRecord({ key, value, leaseId, createRevision: 0n, modRevision: 0n, version: 0n });
}
