import type { StoredRecord } from "#kv";
import { asInteger, compareBytes } from "#std";

/** keyEnd, valueEnd, createRevision, modRevision, version, leaseId. */
const FIELDS = 6;
const NUMBER_BYTES = 8;

/** Records with their values, in key order, in memory of their own: objects for them are made when they are asked for. */
export class PackedRecords {
  readonly count: number;
  private readonly bytes: Uint8Array;
  private readonly fields: Float64Array;

  constructor(records: readonly StoredRecord[]) {
    this.count = records.length;
    this.fields = new Float64Array(records.length * FIELDS);
    let length = 0;
    for (const { key, value } of records) length += key.length + value.length;
    this.bytes = new Uint8Array(length);
    const { bytes, fields } = this;
    let end = 0;
    let at = 0;
    for (const { key, value, createRevision, modRevision, version, leaseId } of records) {
      bytes.set(key, end);
      end += key.length;
      fields[at] = end;
      bytes.set(value, end);
      end += value.length;
      fields[at + 1] = end;
      fields[at + 2] = createRevision;
      fields[at + 3] = modRevision;
      fields[at + 4] = version;
      fields[at + 5] = leaseId;
      at += FIELDS;
    }
  }

  /** What they take. */
  get byteLength(): number {
    return this.bytes.length + this.fields.length * NUMBER_BYTES;
  }

  /** The place of the first record whose key is not before this one. */
  firstFrom(key: Uint8Array): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.key(middle), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Adds the records of places in [from, to) to a list. Their bytes are views, and their numbers what they were before they were
   * packed: integers.
   */
  addTo(records: StoredRecord[], from: number, to: number): void {
    const { fields } = this;
    const { buffer } = this.bytes;
    let start = from === 0 ? 0 : (fields[from * FIELDS - FIELDS + 1] as number);
    for (let at = from * FIELDS; at < to * FIELDS; at += FIELDS) {
      const keyEnd = asInteger(fields[at] as number);
      const valueEnd = asInteger(fields[at + 1] as number);
      const valueBytes = valueEnd - keyEnd;
      records.push({
        key: new Uint8Array(buffer, start, keyEnd - start),
        value: new Uint8Array(buffer, keyEnd, valueBytes),
        valueBytes,
        createRevision: asInteger(fields[at + 2] as number),
        modRevision: asInteger(fields[at + 3] as number),
        version: asInteger(fields[at + 4] as number),
        leaseId: asInteger(fields[at + 5] as number),
      });
      start = valueEnd;
    }
  }

  private key(place: number): Uint8Array {
    const { fields } = this;
    const start = place === 0 ? 0 : (fields[(place - 1) * FIELDS + 1] as number);
    return this.bytes.subarray(start, fields[place * FIELDS] as number);
  }
}
