import type { StateView, StoredRecord } from "#kv";
import { assert } from "#std";
import { cacheKeyOf } from "./record-cache";

/** The answers to what a batch of commands declared that it reads. */
export class LoadedView implements StateView {
  constructor(
    private readonly found: ReadonlyMap<string, StoredRecord | null>,
    private readonly ranges: readonly (readonly StoredRecord[])[],
  ) {}

  get(namespaceId: number, generation: number, key: Uint8Array): StoredRecord | null {
    const record = this.found.get(cacheKeyOf(namespaceId, generation, key));
    assert(record !== undefined, "a command reads only the keys that it declared");
    return record;
  }

  range(position: number): readonly StoredRecord[] {
    const records = this.ranges[position];
    assert(records !== undefined, "a command reads only the ranges that it declared");
    return records;
  }
}
