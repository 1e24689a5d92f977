import { assert } from "#std";
import type { NamespaceState } from "./state";

/** A namespace as the machine counts it. */
export class Namespace {
  readonly id: number;
  readonly name: string;
  private state: { generation: number; keyCount: number; byteCount: number; oldestRevision: number };

  constructor(state: NamespaceState) {
    this.id = state.id;
    this.name = state.name;
    this.state = {
      generation: state.generation,
      keyCount: state.keyCount,
      byteCount: state.byteCount,
      oldestRevision: state.oldestRevision,
    };
  }

  get generation(): number {
    return this.state.generation;
  }

  get keyCount(): number {
    return this.state.keyCount;
  }

  /** Counts keys and bytes that came (positive) or went. */
  count(keys: number, bytes: number): void {
    this.state.keyCount += keys;
    this.state.byteCount += bytes;
    assert(this.state.keyCount >= 0, "a namespace holds no fewer than 0 keys");
    assert(this.state.byteCount >= this.state.keyCount, "each key takes at least one byte");
  }

  /** Moves to the next generation; what was before `revision` can no longer be read. */
  truncate(revision: number): void {
    this.state = {
      generation: this.state.generation + 1,
      keyCount: 0,
      byteCount: 0,
      oldestRevision: revision,
    };
  }

  snapshot(): NamespaceState {
    return { id: this.id, name: this.name, ...this.state };
  }
}
