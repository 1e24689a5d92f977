/** How much of what a caller says is kept for another node: far more than either stream needs to begin. */
const KEPT_BYTES_MAX = 64 * 1024;

/**
 * What the caller of a duplex stream sends, kept so that an attempt which came to nothing can be made again at another
 * node: until it is forgotten, or is too much to keep.
 */
export class ReplayedMessages {
  private readonly source: AsyncIterator<Buffer>;
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private isKeeping = true;
  /** What the source was asked for and has not been handed on: a new attempt takes over the question of the one before. */
  private asked: Promise<IteratorResult<Buffer>> | null = null;
  private attempts = 0;

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** Whether everything that was taken from the source can be said again. */
  get areWhole(): boolean {
    return this.isKeeping;
  }

  /** An answer was handed on: there will be no other attempt. */
  forget(): void {
    this.isKeeping = false;
  }

  /** All messages so far, then those to come. Ends the iteration of an earlier attempt. */
  fromTheStart(): AsyncIterable<Buffer> {
    this.attempts += 1;
    const attempt = this.attempts;
    let at = 0;
    const next = async (): Promise<IteratorResult<Buffer>> => {
      const again = attempt === this.attempts ? this.kept[at] : undefined;
      if (again !== undefined) {
        at += 1;
        return { value: again, done: false };
      }
      if (!this.isKeeping) this.kept = [];
      this.asked ??= this.source.next();
      const result = await this.asked;
      if (attempt !== this.attempts) return { value: undefined, done: true };
      this.asked = null;
      if (result.done !== true && this.isKeeping) {
        this.keep(result.value);
        at += 1;
      }
      return result;
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  private keep(message: Buffer): void {
    this.keptBytes += message.length;
    if (this.keptBytes > KEPT_BYTES_MAX) this.isKeeping = false;
    // A copy, since the message views the frame that it came in.
    else this.kept.push(Buffer.from(message));
  }
}
