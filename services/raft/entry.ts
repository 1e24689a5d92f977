/** A member's name, such as "n1". Compared by UTF-16 code units wherever an order is needed. */
export type MemberId = string;

/** A whole number of at least 0; 0 only before the first election. */
export type Term = number;

/** The place of an entry in the log, from 1; 0 stands for the place before the first entry. */
export type Index = number;

/** What identifies an entry: two logs that hold the same id at an index are equal up to it (Raft paper, 5.3). */
export interface EntryId {
  readonly term: Term;
  readonly index: Index;
}

export type EntryKind = "normal" | "conf_change" | "conf_change_v2";

/** One entry of the log. Never changed after it was made; `data` is not copied anywhere in the core. */
export interface Entry {
  readonly term: Term;
  readonly index: Index;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must survive a restart besides the log (Raft paper, figure 2), and the commit index, which saves a replay. */
export interface HardState {
  readonly term: Term;
  readonly vote: MemberId | null;
  readonly commit: Index;
}

/** The state before anything happened. */
export const EMPTY_HARD_STATE: HardState = { term: 0, vote: null, commit: 0 };

export function hardStatesEqual(left: HardState, right: HardState): boolean {
  return left.term === right.term && left.vote === right.vote && left.commit === right.commit;
}

/** The bytes of the command alone: what the bounds on uncommitted and in-flight bytes count. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/**
 * The bytes of an entry as etcd-io/raft counts them against its message limits: the Protobuf encoding of {type, term,
 * index, data}, defaults left out. Counted alike so that schedules with size limits can be compared.
 */
export function entryBytes(entry: Entry): number {
  const length = entry.data.length;
  return (
    (entry.kind === "normal" ? 0 : 2) +
    (1 + varintBytes(entry.term)) +
    (1 + varintBytes(entry.index)) +
    (length === 0 ? 0 : 1 + varintBytes(length) + length)
  );
}

/** How many entries from `start` on, before `end`, stay within bytesMax in all; at least one when there is any. */
export function countWithinBytes(
  entries: readonly Entry[],
  start: number,
  end: number,
  bytesMax: number,
): number {
  if (bytesMax === Number.POSITIVE_INFINITY) return end - start;
  let bytes = 0;
  for (let at = start; at < end; at += 1) {
    bytes += entryBytes(entries[at] as Entry);
    if (at > start && bytes > bytesMax) return at - start;
  }
  return end - start;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  if (value < 0x800000000) return 5;
  if (value < 0x40000000000) return 6;
  if (value < 0x2000000000000) return 7;
  return 8;
}
