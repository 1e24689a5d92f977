import type { Cancellation } from "#replica";

/** Messages in order. */
export interface MessageSource<Message> {
  /** The next one; null behind the last. One after the other. Rejects where they end with a failure. */
  next(): Promise<Message | null>;
  /** Ends them. Safe to call twice. */
  cancel(): void;
}

export interface PatientStreamOptions {
  /** How long a message may be waited for, and how long one that has come may wait to be asked for. */
  readonly silenceMsMax: number;
  /** Not aborted yet. */
  readonly cancellation: Cancellation;
  /** Told once, when the call is over. */
  readonly onEnd: () => void;
}

/**
 * The messages of a streamed answer, one at a time, with an end to patience on both sides: a peer that stalls is noticed, and
 * whoever takes the messages and forgets about it holds no stream open.
 */
export class PatientStream<Message> {
  private readonly source: MessageSource<Message>;
  private readonly options: PatientStreamOptions;
  private readonly cancel = (): void => this.fail(new Error("cancelled"));
  private timer: NodeJS.Timeout;
  private giveUp: ((error: Error) => void) | null = null;
  private failure: Error | null = null;
  private hasEnded = false;

  constructor(source: MessageSource<Message>, options: PatientStreamOptions) {
    this.source = source;
    this.options = options;
    this.timer = this.patience("the answer was not taken");
    options.cancellation.addEventListener("abort", this.cancel);
  }

  /** The next message; null at the end. Rejects when the stream breaks, is cancelled, or is silent for too long. */
  async next(): Promise<Message | null> {
    if (this.failure !== null) throw this.failure;
    if (this.hasEnded) return null;
    clearTimeout(this.timer);
    this.timer = this.patience(`no message came within ${this.options.silenceMsMax} ms`);
    const waiting = new Promise<never>((_, reject) => {
      this.giveUp = reject;
    });
    try {
      const message = await Promise.race([this.source.next(), waiting]);
      if (message === null) this.end();
      return message;
    } catch (error) {
      this.end();
      throw error;
    } finally {
      this.giveUp = null;
      if (!this.hasEnded) {
        clearTimeout(this.timer);
        this.timer = this.patience("the answer was not taken");
      }
    }
  }

  /** Safe to call twice, and after the end. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.options.cancellation.removeEventListener("abort", this.cancel);
    this.source.cancel();
    this.options.onEnd();
  }

  private patience(fault: string): NodeJS.Timeout {
    return setTimeout(() => this.fail(new Error(fault)), this.options.silenceMsMax);
  }

  private fail(failure: Error): void {
    this.failure ??= failure;
    this.giveUp?.(failure);
    this.end();
  }
}
