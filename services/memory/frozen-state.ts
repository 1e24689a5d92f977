import type { StoredRecord } from "#kv";
import {
  type FrozenState,
  type ImageChunk,
  type ImageHeader,
  type RangeQuery,
  StateReplaced,
} from "#replica";
import type { StateContents } from "./state-contents";
import { headerOf, imageChunks } from "./state-image";
import { scanContents } from "./state-scan";

/** A copy of a state as of one moment. */
export class MemoryFrozenState implements FrozenState {
  readonly header: ImageHeader;
  private isClosed = false;

  /** @param checkOwner throws when the store that was frozen failed or its state was replaced */
  constructor(
    private readonly contents: StateContents,
    private readonly checkOwner: () => void,
  ) {
    this.header = headerOf(contents);
  }

  async *chunks(after: Uint8Array | null): AsyncGenerator<ImageChunk> {
    this.check();
    for (const chunk of imageChunks(this.contents, after)) {
      yield chunk;
      this.check();
    }
  }

  async *scan(query: Omit<RangeQuery, "revision">): AsyncGenerator<readonly StoredRecord[]> {
    this.check();
    const { revision } = this.contents;
    for (const chunk of scanContents(this.contents, { ...query, revision })) {
      yield chunk;
      this.check();
    }
  }

  close(): void {
    this.isClosed = true;
  }

  private check(): void {
    if (this.isClosed) throw new StateReplaced();
    this.checkOwner();
  }
}
