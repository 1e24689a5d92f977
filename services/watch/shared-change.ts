import { type Change, type StoredRecord, withBytes } from "#kv";
import { assert } from "#std";
import type { WatchEvent } from "./watch";

/** More than the fields of an encoded event take beside keys and values. */
export const EVENT_OVERHEAD_BYTES = 192;

/** What a view may keep in memory beside itself. */
const PINNED_BYTES_MAX = 4096;

/** What is known of the record before a change. */
type Previous =
  | { readonly kind: "unread" }
  | { readonly kind: "reading" }
  | { readonly kind: "known"; readonly record: StoredRecord | null }
  /** Reading it failed, with this. */
  | { readonly kind: "lost"; readonly thrown: unknown };

/** Counts the bytes that all watches together keep waiting, each change once. */
export class Ledger {
  private held = 0;

  get bytes(): number {
    return this.held;
  }

  add(bytes: number): void {
    this.held += bytes;
    assert(this.held >= 0, "no more is let go than was held");
  }
}

/** One change with what watches make of it: made once, and shared by all watches that tell it. */
export class SharedChange {
  /** Without what the record before it takes, for that is known only later. */
  readonly bytes: number;
  previous: Previous;
  private holders = 0;
  private plainEvent: WatchEvent | null = null;
  private fullEvent: WatchEvent | null = null;

  readonly change: Change;

  constructor(change: Change) {
    this.change = ownChange(change);
    this.bytes = EVENT_OVERHEAD_BYTES + bytesOf(change);
    this.previous = change.kind === "truncate" ? { kind: "known", record: null } : { kind: "unread" };
  }

  get revision(): number {
    return this.change.revision;
  }

  /** As those tell it who did not ask for the record before. */
  plain(): WatchEvent {
    this.plainEvent ??= eventOf(this.change, null);
    return this.plainEvent;
  }

  /** With the record before it; only once that is known. */
  full(): WatchEvent {
    assert(this.previous.kind === "known", "the record before the change was read");
    const { record } = this.previous;
    this.fullEvent ??= record === null ? this.plain() : eventOf(this.change, record);
    return this.fullEvent;
  }

  /** Of the record before it, as far as that is known. */
  get previousBytes(): number {
    const { previous } = this;
    if (previous.kind !== "known" || previous.record === null) return 0;
    return previous.record.key.length + previous.record.value.length;
  }

  learnPrevious(record: StoredRecord | null, ledger: Ledger): void {
    this.previous = { kind: "known", record };
    if (this.holders > 0) ledger.add(this.previousBytes);
  }

  hold(ledger: Ledger): void {
    if (this.holders === 0) ledger.add(this.bytes + this.previousBytes);
    this.holders += 1;
  }

  release(ledger: Ledger): void {
    assert(this.holders > 0, "what is let go was held");
    this.holders -= 1;
    if (this.holders === 0) ledger.add(-(this.bytes + this.previousBytes));
  }
}

function bytesOf(change: Change): number {
  switch (change.kind) {
    case "put":
      return change.record.key.length + change.record.value.length;
    case "delete":
      return change.key.length;
    case "truncate":
      return 0;
  }
}

function eventOf(change: Change, previous: StoredRecord | null): WatchEvent {
  const { revision, origin } = change;
  switch (change.kind) {
    case "put":
      return { kind: "put", revision, record: change.record, previous, origin };
    case "delete":
      return { kind: "delete", revision, key: change.key, previous, origin };
    case "truncate":
      return { kind: "truncated", revision, origin };
  }
}

/** What is kept for watches must not keep a whole log entry in memory, which a key and a value are views of. */
function ownChange(change: Change): Change {
  if (change.kind === "truncate") return change;
  if (change.kind === "delete") {
    const key = ownBytes(change.key);
    return key === change.key ? change : { ...change, key };
  }
  const { record } = change;
  const key = ownBytes(record.key);
  const value = ownBytes(record.value);
  return key === record.key && value === record.value
    ? change
    : { ...change, record: withBytes(record, key, value) };
}

/** The bytes, copied where they are a small part of what they are a view of. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 4 * bytes.length + PINNED_BYTES_MAX ? new Uint8Array(bytes) : bytes;
}
