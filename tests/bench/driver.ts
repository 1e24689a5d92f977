/** What identifies one version of a key for a compare-and-set. */
export type Revision = number | string;

/**
 * One way to reach a store. All calls reject when they fail, and reads of a key or of its neighbours reject where less is
 * there than was written: a store that loses data is not fast.
 */
export interface Driver {
  put(key: string, value: Buffer): Promise<unknown>;
  /** Linearizable. */
  get(key: string): Promise<unknown>;
  /** From the state of the node that is asked. */
  getStale(key: string): Promise<unknown>;
  /** Writes if the key is still at the revision; resolves with the new one, rejects where it is not. */
  compareAndSet(key: string, revision: Revision, value: Buffer): Promise<Revision>;
  /** Reads all records from `from` (inclusive) to `to` (exclusive), linearizable; resolves with their number. */
  scan(from: string, to: string): Promise<number>;
  /** If `guard` exists, writes `value` to two keys and reads a third, at once; rejects where it does not exist. */
  transact(keys: TransactionKeys, value: Buffer): Promise<unknown>;
  /** The revisions of the keys from `from` to `to`, in order. */
  revisions(from: string, to: string): Promise<readonly Revision[]>;
  close(): Promise<void>;
}

/** What one transaction touches. */
export interface TransactionKeys {
  readonly guard: string;
  readonly first: string;
  readonly second: string;
  readonly read: string;
}

/** A key that was written is not there, or a condition that held does not. */
export class WrongAnswer extends Error {}
