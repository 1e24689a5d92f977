import type { Gate } from "./gate";

/** What a read of the next chunk brought. */
export type ChunkOutcome<T> =
  | { readonly kind: "chunk"; readonly items: readonly T[] }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly thrown: unknown };

/** A read of the store that is taken chunk by chunk, as its watch asks for them. */
export class Chunks<T> {
  private readonly iterator: AsyncIterator<readonly T[]>;
  private isReading = false;
  private isClosed = false;

  constructor(
    read: AsyncIterable<readonly T[]>,
    private readonly gate: Gate,
    private readonly onOutcome: (outcome: ChunkOutcome<T>) => void,
  ) {
    this.iterator = read[Symbol.asyncIterator]();
  }

  /** Asks for the next chunk, unless one is under way. */
  ask(): void {
    if (this.isReading || this.isClosed) return;
    this.isReading = true;
    this.gate
      .pass(() => (this.isClosed ? Promise.resolve(null) : this.iterator.next()))
      .then(
        (result) => {
          this.isReading = false;
          if (this.isClosed || result === null) return;
          if (result.done === true) {
            this.isClosed = true;
            this.onOutcome({ kind: "done" });
          } else {
            this.onOutcome({ kind: "chunk", items: result.value });
          }
        },
        (thrown: unknown) => {
          this.isReading = false;
          if (this.isClosed) return;
          this.isClosed = true;
          this.onOutcome({ kind: "failed", thrown });
        },
      );
  }

  /** Lets go of what the read holds. Nothing is told after it. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    // Whether the read ends well concerns nobody any more.
    this.iterator.return?.().then(undefined, () => undefined);
  }
}
