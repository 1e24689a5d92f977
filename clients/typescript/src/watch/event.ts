import { type Event, EventCause, EventKind } from "@quorate/proto/kv";
import { toText } from "#client/bytes";
import { toNumber } from "#client/numbers";
import { type KvRecord, recordOf } from "#client/record";

/** Which operation made a change; "unspecified" for one of a newer server. */
export type ChangeCause =
  | "unspecified"
  | "put"
  | "delete"
  | "delete_range"
  | "increment"
  | "append"
  | "prepend"
  | "txn"
  | "truncate"
  | "lease_ended"
  | "namespace_deleted";

const CAUSE_OF = {
  [EventCause.UNSPECIFIED]: "unspecified",
  [EventCause.PUT]: "put",
  [EventCause.DELETE]: "delete",
  [EventCause.DELETE_RANGE]: "delete_range",
  [EventCause.INCREMENT]: "increment",
  [EventCause.APPEND]: "append",
  [EventCause.PREPEND]: "prepend",
  [EventCause.TXN]: "txn",
  [EventCause.TRUNCATE]: "truncate",
  [EventCause.LEASE_ENDED]: "lease_ended",
  [EventCause.NAMESPACE_DELETED]: "namespace_deleted",
} as const satisfies Record<EventCause, ChangeCause>;

/** What every change says. */
export interface ChangeOrigin {
  /** The revision that the change belongs to; all changes of one write have the same. */
  readonly revision: number;
  /** Which operation made it. */
  readonly cause: ChangeCause;
  /** The request id of the write, `CLIENT_ID/SEQUENCE`; undefined where it had none, as the end of a lease. */
  readonly requestId: string | undefined;
  /** The wall clock of the leader that took the write: for display only. */
  readonly time: Date;
}

/** A change of one key. */
abstract class KeyChange implements ChangeOrigin {
  readonly revision: number;
  readonly cause: ChangeCause;
  readonly requestId: string | undefined;
  readonly time: Date;
  /** The record before it, where that was asked for (`previous: true`) and there was one. */
  readonly previous: KvRecord | undefined;
  /** The key's bytes. */
  abstract readonly keyBytes: Uint8Array;

  constructor(message: Event) {
    ({
      revision: this.revision,
      cause: this.cause,
      requestId: this.requestId,
      time: this.time,
    } = originOf(message));
    this.previous = recordOf(message.previous);
  }

  /** The key as text. @throws QuorateError INVALID_ARGUMENT when it is not UTF-8: use `keyBytes` then */
  get key(): string {
    return toText(this.keyBytes);
  }
}

/** A key was written. */
export class KvPut extends KeyChange {
  readonly kind = "put";
  /** The record as the write left it. */
  readonly record: KvRecord;

  constructor(message: Event, record: KvRecord) {
    super(message);
    this.record = record;
  }

  override get keyBytes(): Uint8Array {
    return this.record.keyBytes;
  }
}

/** A key was deleted. */
export class KvDelete extends KeyChange {
  readonly kind = "delete";
  override readonly keyBytes: Uint8Array;

  constructor(message: Event, keyBytes: Uint8Array) {
    super(message);
    this.keyBytes = keyBytes;
  }
}

/** All keys of the namespace were deleted at once; told to every watch of it, whatever its range and filters. */
export interface KvTruncated extends ChangeOrigin {
  readonly kind: "truncated";
}

/** A record that was there when a watch with `currentState` began. */
export interface KvCurrent {
  readonly kind: "current";
  readonly record: KvRecord;
}

/** All records that were there have been told: the state was that of this revision, and changes after it follow. */
export interface KvSynced {
  readonly kind: "synced";
  readonly revision: number;
}

/** What a watch tells. `current` and `synced` come only where `currentState` was asked for. */
export type KvEvent = KvPut | KvDelete | KvTruncated | KvCurrent | KvSynced;

/** A change, as it is told; null for one of a kind that this client does not know. */
export function changeOf(message: Event): KvPut | KvDelete | KvTruncated | null {
  const record = recordOf(message.record);
  switch (message.kind) {
    case EventKind.PUT:
      return record === undefined ? null : new KvPut(message, record);
    case EventKind.DELETE:
      return record === undefined ? null : new KvDelete(message, record.keyBytes);
    case EventKind.TRUNCATED:
      return { kind: "truncated", ...originOf(message) };
    default:
      return null;
  }
}

function originOf(message: Event): ChangeOrigin {
  return {
    revision: toNumber(message.revision),
    cause: (CAUSE_OF[message.cause] as ChangeCause | undefined) ?? "unspecified",
    requestId: message.requestId === "" ? undefined : message.requestId,
    time: new Date(Number(message.wallTimeMs)),
  };
}
