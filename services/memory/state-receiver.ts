import {
  type ImageChunk,
  ImageDamaged,
  type ImageHeader,
  type OpenedState,
  type StateReceiver,
} from "#replica";
import { assert } from "#std";
import type { DiskHandle } from "./disk-faults";
import { StateContents, type StateRow } from "./state-contents";
import { rowsOf } from "./state-image";

/** Holds what came of an image apart from the disk: a crash loses it. */
export class MemoryStateReceiver implements StateReceiver {
  private rows: StateRow[] = [];
  private last: ImageChunk | null = null;
  private whole: StateContents | null = null;
  private isAbandoned = false;

  constructor(
    readonly header: ImageHeader,
    private readonly handle: DiskHandle,
  ) {}

  get position(): Uint8Array | null {
    return this.last?.position ?? null;
  }

  put(chunk: ImageChunk): Promise<void> {
    return this.handle.write(() => {
      assert(!this.isAbandoned, "nothing is put into what was abandoned");
      if (this.last?.isLast === true) throw new ImageDamaged("it goes on after its last chunk");
      for (const row of rowsOf(chunk, this.rows.length)) this.rows.push(row);
      this.last = chunk;
    });
  }

  async complete(): Promise<OpenedState> {
    await this.handle.write(() => {
      assert(!this.isAbandoned, "nothing that was abandoned is completed");
      if (this.last?.isLast !== true) throw new ImageDamaged("its end is missing");
      const contents = StateContents.of(this.rows);
      const { applied, revision } = this.header;
      if (contents.applied.index !== applied.index || contents.applied.term !== applied.term) {
        throw new ImageDamaged("it is of another entry than its header says");
      }
      if (contents.revision !== revision) {
        throw new ImageDamaged("it is of another revision than its header says");
      }
      this.whole = contents;
    });
    const { whole } = this;
    assert(whole !== null, "what was completed is whole");
    return { resident: whole.resident(), applied: whole.applied };
  }

  async abandon(): Promise<void> {
    this.isAbandoned = true;
    this.rows = [];
    this.whole = null;
  }

  /** What was received, to be installed once. */
  taken(): StateContents {
    const { whole } = this;
    assert(whole !== null, "a state is installed that was received whole");
    this.whole = null;
    this.rows = [];
    return whole;
  }
}
