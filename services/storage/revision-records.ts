import type { Change, ChangeCause, ChangeOrigin } from "#kv";
import { assert, EMPTY_BYTES } from "#std";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import { revisionsKey } from "./state-layout";

/** What a change took the place of, so that it need not be looked for when it is given up. */
export interface PreviousVersion {
  /** 0 where there was none. */
  readonly modRevision: number;
  readonly valueBytes: number;
}

/** A change as it is written. */
export interface WrittenChange {
  readonly change: Change;
  readonly previous: PreviousVersion | null;
}

/** One change as its `revision` record tells it: all but what the version holds. */
export interface StoredChange {
  readonly kind: Change["kind"];
  readonly revision: number;
  readonly ordinal: number;
  readonly generation: number;
  readonly origin: ChangeOrigin;
  /** Of the value that was put; 0 for other changes. */
  readonly valueBytes: number;
  /** null where it was not known when the change was written, and for a truncation. */
  readonly previous: PreviousVersion | null;
  /** Empty for a truncation. */
  readonly key: Uint8Array;
}

const codeOfKind = { put: 1, delete: 2, truncate: 3 } as const satisfies Record<Change["kind"], number>;

const codeOfCause = {
  put: 1,
  delete: 2,
  delete_range: 3,
  increment: 4,
  append: 5,
  prepend: 6,
  txn: 7,
  truncate: 8,
  lease_ended: 9,
  namespace_deleted: 10,
} as const satisfies Record<ChangeCause, number>;

const kindOfCode = byCode(codeOfKind);
const causeOfCode = byCode(codeOfCause);

/** In the first byte of a change, above its kind: which fields it has, or has in common with the change before it. */
const SAME_GENERATION = 0x04;
const SAME_WALL_TIME = 0x08;
const HAS_REQUEST = 0x10;
const SAME_CLIENT = 0x20;
const HAS_PREVIOUS = 0x40;
const KIND_MASK = 0x03;

/** What a change leaves out where the change before it in its row has the same. */
interface Shared {
  readonly revision: number;
  readonly generation: number;
  readonly wallTimeMs: number;
  readonly clientId: number;
}

const NOTHING_SHARED: Shared = { revision: 0, generation: 0, wallTimeMs: 0, clientId: 0 };

/** One row of changes of one namespace, in their order; one at least. */
export function writeRevisions(writer: RecordWriter, changes: readonly WrittenChange[]): RecordWriter {
  const last = changes.at(-1)?.change;
  assert(last !== undefined, "a row has a change that names it");
  revisionsKey(writer, last.namespaceId, last.revision, last.ordinal).endKey().varint(changes.length);
  let before = NOTHING_SHARED;
  for (const written of changes) {
    writeChange(writer, written, before);
    before = sharedOf(written.change, before);
  }
  return writer;
}

/** @param value of a row of kind `revision`; keys are views of it */
export function readRevisions(value: Uint8Array): readonly StoredChange[] {
  const reader = new RecordReader(value);
  const changes: StoredChange[] = [];
  let before = NOTHING_SHARED;
  for (let left = reader.varint(); left > 0; left -= 1) {
    const change = readChange(reader, before);
    changes.push(change);
    before = sharedOf(change, before);
  }
  return changes;
}

export function keyOfChange(
  change:
    | { readonly kind: "put"; readonly record: { readonly key: Uint8Array } }
    | { readonly kind: "delete"; readonly key: Uint8Array },
): Uint8Array {
  return change.kind === "put" ? change.record.key : change.key;
}

function sharedOf(
  { revision, generation, origin }: Pick<Change, "revision" | "generation" | "origin">,
  before: Shared,
): Shared {
  const clientId = origin.requestId?.clientId ?? before.clientId;
  return { revision, generation, wallTimeMs: origin.wallTimeMs, clientId };
}

function writeChange(writer: RecordWriter, { change, previous }: WrittenChange, before: Shared): void {
  const { revision, ordinal, generation, origin } = change;
  const { wallTimeMs, requestId } = origin;
  let first: number = codeOfKind[change.kind];
  if (generation === before.generation) first |= SAME_GENERATION;
  if (wallTimeMs === before.wallTimeMs) first |= SAME_WALL_TIME;
  if (requestId !== null) first |= HAS_REQUEST;
  if (requestId?.clientId === before.clientId) first |= SAME_CLIENT;
  if (previous !== null && change.kind !== "truncate") first |= HAS_PREVIOUS;
  writer.u8(first).u8(codeOfCause[origin.cause]);
  writer.varint(revision - before.revision).varint(ordinal);
  if (generation !== before.generation) writer.varint(generation);
  if (wallTimeMs !== before.wallTimeMs) writer.varint(wallTimeMs);
  if (requestId !== null) {
    if (requestId.clientId !== before.clientId) writer.varint(requestId.clientId);
    writer.varint(requestId.sequence);
  }
  if (change.kind === "truncate") return;
  if (change.kind === "put") writer.varint(change.record.value.length);
  if (previous !== null) writer.varint(previous.modRevision).varint(previous.valueBytes);
  const key = keyOfChange(change);
  writer.varint(key.length).bytes(key);
}

function readChange(reader: RecordReader, before: Shared): StoredChange {
  const first = reader.u8();
  const kind = kindOfCode.get(first & KIND_MASK);
  assert(kind !== undefined, "a change is of a kind that we wrote");
  const cause = causeOfCode.get(reader.u8());
  assert(cause !== undefined, "a change has a cause that we wrote");
  const revision = before.revision + reader.varint();
  const ordinal = reader.varint();
  const generation = (first & SAME_GENERATION) !== 0 ? before.generation : reader.varint();
  const wallTimeMs = (first & SAME_WALL_TIME) !== 0 ? before.wallTimeMs : reader.varint();
  const requestId = (first & HAS_REQUEST) !== 0 ? readRequest(reader, first, before) : null;
  const change = { kind, revision, ordinal, generation, origin: { cause, wallTimeMs, requestId } };
  if (kind === "truncate") return { ...change, valueBytes: 0, previous: null, key: EMPTY_BYTES };
  const valueBytes = kind === "put" ? reader.varint() : 0;
  const hasPrevious = (first & HAS_PREVIOUS) !== 0;
  const previous = hasPrevious ? { modRevision: reader.varint(), valueBytes: reader.varint() } : null;
  return { ...change, valueBytes, previous, key: reader.bytes(reader.varint()) };
}

function readRequest(reader: RecordReader, first: number, before: Shared): ChangeOrigin["requestId"] {
  const clientId = (first & SAME_CLIENT) !== 0 ? before.clientId : reader.varint();
  return { clientId, sequence: reader.varint() };
}

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.keys(codes) as Name[]).map((name) => [codes[name], name]));
}
