import { assert } from "#std";
import type { NamespaceState } from "./state";

/** What a namespace may hold; null for no bound. */
export interface Quota {
  readonly keysMax: number | null;
  /** Bytes of keys and newest values. */
  readonly bytesMax: number | null;
}

type MutableState = { -readonly [Field in keyof NamespaceState]: NamespaceState[Field] };

/** A namespace as the machine counts it. */
export class Namespace {
  readonly id: number;
  readonly name: string;
  /** Its own copy: each write counts here, so it is changed in place. */
  private readonly state: MutableState;

  constructor(state: NamespaceState) {
    this.id = state.id;
    this.name = state.name;
    this.state = { ...state };
  }

  get generation(): number {
    return this.state.generation;
  }

  get keyCount(): number {
    return this.state.keyCount;
  }

  get byteCount(): number {
    return this.state.byteCount;
  }

  /** Counts keys and bytes that came (positive) or went. */
  count(keys: number, bytes: number): void {
    this.state.keyCount += keys;
    this.state.byteCount += bytes;
    assert(this.state.keyCount >= 0, "a namespace holds no fewer than 0 keys");
    assert(this.state.byteCount >= this.state.keyCount, "each key takes at least one byte");
  }

  /**
   * Why keys and bytes cannot come, in a sentence for people, or null. Only what grows is held to the quota: a namespace
   * that is over a quota set later can still be written to, as long as it holds no more afterwards.
   */
  quotaFault(keysDelta: number, bytesDelta: number): string | null {
    const { name, keyCount, byteCount, keysMax, bytesMax } = this.state;
    if (keysMax !== null && keysDelta > 0 && keyCount + keysDelta > keysMax) {
      return `namespace "${name}" would hold ${keyCount + keysDelta} keys, its quota is ${keysMax}`;
    }
    if (bytesMax !== null && bytesDelta > 0 && byteCount + bytesDelta > bytesMax) {
      return `namespace "${name}" would hold ${byteCount + bytesDelta} bytes, its quota is ${bytesMax}`;
    }
    return null;
  }

  setQuota(quota: Quota): void {
    this.state.keysMax = quota.keysMax;
    this.state.bytesMax = quota.bytesMax;
  }

  /** Moves to the next generation; what was before `revision` can no longer be read, nor be told. */
  truncate(revision: number): void {
    this.state.generation += 1;
    this.state.keyCount = 0;
    this.state.byteCount = 0;
    this.state.oldestRevision = revision;
    this.state.firstEventRevision = revision;
  }

  /** What was before `revision` can no longer be read, and events up to it can no longer be told. */
  compact(revision: number): void {
    assert(revision > this.state.oldestRevision, "history that is given up does not come back");
    this.state.oldestRevision = revision;
    this.state.firstEventRevision = revision + 1;
  }

  snapshot(): NamespaceState {
    return { ...this.state };
  }
}
