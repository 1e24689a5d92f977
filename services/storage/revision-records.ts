import type { Change, ChangeCause, ChangeOrigin } from "#kv";
import { assert, EMPTY_BYTES } from "#std";
import { RecordReader } from "./record-reader";
import type { RecordWriter } from "./record-writer";
import { REVISION_PREFIX_BYTES, revisionKey } from "./state-layout";

/** What a change took the place of, so that it need not be looked for when it is given up. */
export interface PreviousVersion {
  /** 0 where there was none. */
  readonly modRevision: number;
  readonly valueBytes: number;
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

export function writeRevision(
  writer: RecordWriter,
  change: Change,
  previous: PreviousVersion | null,
): RecordWriter {
  revisionKey(writer, change.namespaceId, change.revision, change.ordinal)
    .endKey()
    .u8(codeOfKind[change.kind])
    .varint(change.generation);
  writeOrigin(writer, change.origin);
  if (change.kind === "truncate") return writer;
  if (change.kind === "put") writer.varint(change.record.value.length);
  if (previous === null) writer.u8(0);
  else writer.u8(1).varint(previous.modRevision).varint(previous.valueBytes);
  return writer.bytes(keyOfChange(change));
}

/** @param storedKey of kind `revision` */
export function readRevision(storedKey: Uint8Array, value: Uint8Array): StoredChange {
  const place = new RecordReader(storedKey, REVISION_PREFIX_BYTES);
  const revision = place.u64();
  const ordinal = place.u32();
  const reader = new RecordReader(value);
  const kind = kindOfCode.get(reader.u8());
  assert(kind !== undefined, "a change is of a kind that we wrote");
  const generation = reader.varint();
  const origin = readOrigin(reader);
  const change = { kind, revision, ordinal, generation, origin };
  if (kind === "truncate") return { ...change, valueBytes: 0, previous: null, key: EMPTY_BYTES };
  const valueBytes = kind === "put" ? reader.varint() : 0;
  const previous = reader.u8() === 0 ? null : { modRevision: reader.varint(), valueBytes: reader.varint() };
  return { ...change, valueBytes, previous, key: reader.rest() };
}

export function keyOfChange(
  change:
    | { readonly kind: "put"; readonly record: { readonly key: Uint8Array } }
    | { readonly kind: "delete"; readonly key: Uint8Array },
): Uint8Array {
  return change.kind === "put" ? change.record.key : change.key;
}

function writeOrigin(writer: RecordWriter, origin: ChangeOrigin): void {
  writer.u8(codeOfCause[origin.cause]).varint(origin.wallTimeMs);
  if (origin.requestId === null) writer.u8(0);
  else writer.u8(1).varint(origin.requestId.clientId).varint(origin.requestId.sequence);
}

function readOrigin(reader: RecordReader): ChangeOrigin {
  const cause = causeOfCode.get(reader.u8());
  assert(cause !== undefined, "a change has a cause that we wrote");
  const wallTimeMs = reader.varint();
  const requestId = reader.u8() === 0 ? null : { clientId: reader.varint(), sequence: reader.varint() };
  return { cause, wallTimeMs, requestId };
}

function byCode<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.keys(codes) as Name[]).map((name) => [codes[name], name]));
}
