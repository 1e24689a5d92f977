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
