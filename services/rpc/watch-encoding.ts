import {
  ErrorReason,
  Event,
  EventCause,
  EventKind,
  Outcome,
  type WatchEnded,
  WatchResponse,
} from "@quorate/proto/kv";
import { CallFailure, failureTable } from "#forward";
import type { ChangeCause, ChangeOrigin, StoredRecord } from "#kv";
import { EMPTY_BYTES, unreachable } from "#std";
import type { WatchEndReason, WatchEvent, WatchFrame } from "#watch";
import { recordOfStored, responseHeader } from "./header";
import type { NodeContext } from "./node-context";

type EndedFrame = Extract<WatchFrame, { kind: "ended" }>;
type EventsFrame = Extract<WatchFrame, { kind: "events" }>;

/** Field numbers of WatchResponse and WatchEvents with the wire types of their contents (watch_service.proto). */
const RESPONSE_EVENTS_TAG = (5 << 3) | 2;
const EVENTS_EVENT_TAG = (1 << 3) | 2;
const EVENTS_MORE = Buffer.from([2 << 3, 1]);

const causes = {
  put: EventCause.PUT,
  delete: EventCause.DELETE,
  delete_range: EventCause.DELETE_RANGE,
  increment: EventCause.INCREMENT,
  append: EventCause.APPEND,
  prepend: EventCause.PREPEND,
  txn: EventCause.TXN,
  truncate: EventCause.TRUNCATE,
  lease_ended: EventCause.LEASE_ENDED,
  namespace_deleted: EventCause.NAMESPACE_DELETED,
} as const satisfies Record<ChangeCause, EventCause>;

/** The bytes of events that were told lately: watches share an event, and so its bytes. */
const encodedEvents = new WeakMap<WatchEvent, Uint8Array>();

interface HeaderField {
  readonly term: number;
  readonly revision: number;
  readonly bytes: Uint8Array;
}

/** The last header of each node: all watches that tell an event have the same one with it. */
const lastHeaders = new WeakMap<NodeContext, HeaderField>();

/** Makes the messages of a node's streams. */
export class WatchEncoder {
  private readonly node: NodeContext;

  constructor(node: NodeContext) {
    this.node = node;
  }

  /** @param watchIdField of watchIdField() */
  frame(watchIdField: Uint8Array, frame: WatchFrame, namespace: string): Uint8Array {
    switch (frame.kind) {
      case "events":
        return this.events(watchIdField, frame);
      case "created":
        return this.response(watchIdField, frame.revision, { $case: "created", value: {} });
      case "progress":
        return this.response(watchIdField, frame.revision, { $case: "progressed", value: {} });
      case "current": {
        const value = { records: frame.records.map(recordOfStored), more: frame.more };
        return this.response(watchIdField, frame.revision, { $case: "current", value });
      }
      case "ended": {
        const { resumeRevision } = frame;
        const value = ended(endFailure(this.node, frame, namespace), resumeRevision);
        return this.response(watchIdField, Math.max(0, resumeRevision - 1), { $case: "ended", value });
      }
      default:
        return unreachable(frame);
    }
  }

  /** The answer to a create that cannot be. */
  refusal(watchIdField: Uint8Array, failure: CallFailure): Uint8Array {
    return this.response(watchIdField, 0, { $case: "ended", value: ended(failure, 0) });
  }

  /** By hand, so that an event is encoded once however many watches tell it. */
  private events(watchIdField: Uint8Array, { revision, events, more }: EventsFrame): Uint8Array {
    const header = this.headerField(revision);
    const encoded = events.map(eventBytes);
    let contentBytes = more ? EVENTS_MORE.length : 0;
    for (const bytes of encoded) contentBytes += 1 + varintLength(bytes.length) + bytes.length;
    const message = Buffer.allocUnsafe(
      header.length + watchIdField.length + 1 + varintLength(contentBytes) + contentBytes,
    );
    message.set(header, 0);
    message.set(watchIdField, header.length);
    let at = header.length + watchIdField.length;
    message[at] = RESPONSE_EVENTS_TAG;
    at = writeVarint(message, at + 1, contentBytes);
    for (const bytes of encoded) {
      message[at] = EVENTS_EVENT_TAG;
      at = writeVarint(message, at + 1, bytes.length);
      message.set(bytes, at);
      at += bytes.length;
    }
    if (more) message.set(EVENTS_MORE, at);
    return message;
  }

  private response(
    watchIdField: Uint8Array,
    revision: number,
    response: NonNullable<WatchResponse["response"]>,
  ): Uint8Array {
    const content = WatchResponse.encode({ header: undefined, watchId: 0n, response }).finish();
    return Buffer.concat([this.headerField(revision), watchIdField, content]);
  }

  private headerField(revision: number): Uint8Array {
    const { node } = this;
    const { term } = node.replica.leader;
    const last = lastHeaders.get(node);
    if (last !== undefined && last.term === term && last.revision === revision) return last.bytes;
    const header = responseHeader(node, term, revision);
    const bytes = WatchResponse.encode({ header, watchId: 0n, response: undefined }).finish();
    lastHeaders.set(node, { term, revision, bytes });
    return bytes;
  }
}

/** The field of a message that names its watch. */
export function watchIdField(watchId: bigint): Uint8Array {
  return WatchResponse.encode({ header: undefined, watchId, response: undefined }).finish();
}

export function eventBytes(event: WatchEvent): Uint8Array {
  let bytes = encodedEvents.get(event);
  if (bytes === undefined) {
    bytes = Event.encode(eventMessage(event)).finish();
    encodedEvents.set(event, bytes);
  }
  return bytes;
}

export function eventMessage(event: WatchEvent): Event {
  const { revision, origin } = event;
  const shared = {
    cause: causes[origin.cause],
    revision: BigInt(revision),
    requestId: requestIdText(origin),
    wallTimeMs: BigInt(origin.wallTimeMs),
  };
  switch (event.kind) {
    case "put":
      return {
        ...shared,
        kind: EventKind.PUT,
        record: recordOfStored(event.record),
        previous: recordOrNone(event.previous),
      };
    case "delete":
      return {
        ...shared,
        kind: EventKind.DELETE,
        record: {
          key: event.key,
          value: EMPTY_BYTES,
          createRevision: 0n,
          modRevision: 0n,
          version: 0n,
          leaseId: 0n,
        },
        previous: recordOrNone(event.previous),
      };
    case "truncated":
      return { ...shared, kind: EventKind.TRUNCATED, record: undefined, previous: undefined };
    default:
      return unreachable(event);
  }
}

const endRows = {
  compacted: [ErrorReason.COMPACTED, "history that the watch needs is given up"],
  future_revision: [ErrorReason.FUTURE_REVISION, "start_revision lies further ahead than the next revision"],
  unknown_namespace: [ErrorReason.UNKNOWN_NAMESPACE, "there is no such namespace"],
  slow: [ErrorReason.SLOW_WATCHER, "the events were taken too slowly; go on from resume_revision"],
  too_many: [ErrorReason.TOO_MANY_WATCHES, "the node serves as many watches as it may"],
  no_leader: [ErrorReason.NO_LEADER, "no leader is known at the moment"],
  backlog_full: [ErrorReason.BACKLOG_FULL, "too many reads are waiting; try again later"],
  cancelled: [ErrorReason.CANCELLED, "the watch was cancelled"],
  store_lost: [ErrorReason.STORE_LOST, "the node's store failed"],
  stopping: [ErrorReason.SHUTTING_DOWN, "the node is shutting down"],
} as const satisfies Record<WatchEndReason, readonly [ErrorReason, string]>;

function endFailure(
  node: NodeContext,
  { reason, oldestRevision }: EndedFrame,
  namespace: string,
): CallFailure {
  const [errorReason, message] = endRows[reason];
  if (reason === "compacted") {
    return new CallFailure(errorReason, `${message}; it begins at revision ${oldestRevision}`, {
      oldestRevision,
    });
  }
  if (reason === "unknown_namespace") {
    return new CallFailure(errorReason, `there is no namespace "${namespace}"`);
  }
  if (reason === "too_many") {
    return new CallFailure(errorReason, `${message}; the limit is ${node.watches.watchesMax}`);
  }
  return new CallFailure(errorReason, message);
}

/** A watch changes nothing, so there is no outcome to state. */
function ended({ reason, message, oldestRevision }: CallFailure, resumeRevision: number): WatchEnded {
  return {
    error: {
      reason,
      retryable: failureTable[reason].retryable,
      outcome: Outcome.UNSPECIFIED,
      leader: undefined,
      oldestRevision: BigInt(oldestRevision),
    },
    message,
    resumeRevision: BigInt(resumeRevision),
  };
}

function requestIdText({ requestId }: ChangeOrigin): string {
  return requestId === null ? "" : `${requestId.clientId}/${requestId.sequence}`;
}

function recordOrNone(record: StoredRecord | null): Event["record"] {
  return record === null ? undefined : recordOfStored(record);
}

function varintLength(value: number): number {
  return value < 2 ** 7 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 21 ? 3 : value < 2 ** 28 ? 4 : 5;
}

/** Returns where it ends. */
function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    target[at] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
    at += 1;
  }
  target[at] = rest;
  return at + 1;
}
