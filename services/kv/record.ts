/** A key as the store holds it. Revisions and versions are safe integers. Immutable: byte arrays are never written to again. */
export interface StoredRecord {
  readonly key: Uint8Array;
  /** Empty where the read asked for keys only; `valueBytes` is then still the length of the stored value. */
  readonly value: Uint8Array;
  readonly valueBytes: number;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** 0 for none. */
  readonly leaseId: number;
}

/**
 * The same record with other bytes, which may be views. Made field by field, for a clone (`...record`) is of another kind to V8, and
 * all that uses records of two kinds is slower.
 */
export function withBytes(record: StoredRecord, key: Uint8Array, value: Uint8Array): StoredRecord {
  const { valueBytes, createRevision, modRevision, version, leaseId } = record;
  return { key, value, valueBytes, createRevision, modRevision, version, leaseId };
}
