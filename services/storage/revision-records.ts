import type { Change, ChangeCause, ChangeOrigin } from "#kv";
import { assert, EMPTY_BYTES } from "#std";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import type { ChangePlace } from "./version-chain";

/** One change as its `revision` row tells it: all but the version that it made, which whoever came after it keeps. */
export interface StoredChange extends ChangePlace {
  readonly kind: Change["kind"];
  readonly generation: number;
  readonly origin: ChangeOrigin;
  /** Of the value that was put; 0 for other changes. */
  readonly valueBytes: number;
  /** The `newest` row that it took the place of; empty where there was none, and for a truncation. */
  readonly replaced: Uint8Array;
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
const HAS_REPLACED = 0x40;
const KIND_MASK = 0x03;

/** What a change leaves out where the change before it in its row has the same. */
export interface SharedFields {
  readonly revision: number;
  readonly generation: number;
  readonly wallTimeMs: number;
  readonly clientId: number;
}

/** Before the first change of a row. */
export const NOTHING_SHARED: SharedFields = { revision: 0, generation: 0, wallTimeMs: 0, clientId: 0 };

/** Adds a change to a row of its namespace. @param replaced see StoredChange @returns what the next one may leave out */
export function writeChange(
  writer: RecordWriter,
  change: Change,
  replaced: Uint8Array,
  before: SharedFields,
): SharedFields {
  const { revision, ordinal, generation, origin } = change;
  const { wallTimeMs, requestId } = origin;
  let first: number = codeOfKind[change.kind];
  if (generation === before.generation) first |= SAME_GENERATION;
  if (wallTimeMs === before.wallTimeMs) first |= SAME_WALL_TIME;
  if (requestId !== null) first |= HAS_REQUEST;
  if (requestId?.clientId === before.clientId) first |= SAME_CLIENT;
  if (replaced.length > 0) first |= HAS_REPLACED;
  writer.u8(first).u8(codeOfCause[origin.cause]);
  writer.varint(revision - before.revision).varint(ordinal);
  if (generation !== before.generation) writer.varint(generation);
  if (wallTimeMs !== before.wallTimeMs) writer.varint(wallTimeMs);
  if (requestId !== null) {
    if (requestId.clientId !== before.clientId) writer.varint(requestId.clientId);
    writer.varint(requestId.sequence);
  }
  if (change.kind !== "truncate") {
    if (change.kind === "put") writer.varint(change.record.value.length);
    const key = keyOfChange(change);
    writer.varint(key.length).bytes(key);
    if (replaced.length > 0) writer.varint(replaced.length).bytes(replaced);
  }
  return sharedOf(change, before);
}

/** @param row the value of a row of kind `revision`; keys and what was replaced are views of it */
export function readRevisions(row: Uint8Array): readonly StoredChange[] {
  const reader = new RecordReader(row);
  const changes: StoredChange[] = [];
  let before = NOTHING_SHARED;
  while (!reader.isAtEnd) {
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
  before: SharedFields,
): SharedFields {
  const clientId = origin.requestId?.clientId ?? before.clientId;
  return { revision, generation, wallTimeMs: origin.wallTimeMs, clientId };
}

function readChange(reader: RecordReader, before: SharedFields): StoredChange {
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
  if (kind === "truncate") return { ...change, valueBytes: 0, replaced: EMPTY_BYTES, key: EMPTY_BYTES };
  const valueBytes = kind === "put" ? reader.varint() : 0;
  const key = reader.bytes(reader.varint());
  const replaced = (first & HAS_REPLACED) !== 0 ? reader.bytes(reader.varint()) : EMPTY_BYTES;
  return { ...change, valueBytes, key, replaced };
}

function readRequest(reader: RecordReader, first: number, before: SharedFields): ChangeOrigin["requestId"] {
  const clientId = (first & SAME_CLIENT) !== 0 ? before.clientId : reader.varint();
  return { clientId, sequence: reader.varint() };
}

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.keys(codes) as Name[]).map((name) => [codes[name], name]));
}
