import { Status } from "nice-grpc-common";
import type { CallingListener, CallingStream } from "./calling-stream";
import type { EndStatus } from "./end-status";

/** How much is read ahead of who takes the answers, besides the rest of a chunk and the window of HTTP/2. */
const READ_AHEAD_BYTES_MAX = 64 * 1024;

interface Taker {
  readonly resolve: (answer: Buffer | null) => void;
  readonly reject: (failure: Error) => void;
}

/** The answers of a call, in order, read hardly faster than they are taken. */
export class Answers implements CallingListener {
  private readonly failureOf: (said: EndStatus) => Error;
  private stream: CallingStream | null = null;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private isPaused = false;
  /** null while it goes on. */
  private end: { readonly failure: Error | null } | null = null;
  private taker: Taker | null = null;

  /** @param failureOf what whoever takes them is told of an end other than OK */
  constructor(failureOf: (said: EndStatus) => Error) {
    this.failureOf = failureOf;
  }

  /** @param stream whose listener this is */
  begin(stream: CallingStream): void {
    this.stream = stream;
  }

  message(bytes: Buffer): void {
    if (this.end !== null) return;
    const { taker } = this;
    if (taker !== null) {
      this.taker = null;
      taker.resolve(bytes);
      return;
    }
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes < READ_AHEAD_BYTES_MAX || this.isPaused) return;
    this.isPaused = true;
    this.stream?.pause();
  }

  ended(said: EndStatus): void {
    this.finish(said.code === Status.OK ? null : this.failureOf(said));
  }

  /** Ends them as failed, if they have not ended: what was not taken is dropped. */
  fail(failure: Error): void {
    if (this.end !== null) return;
    this.waiting = [];
    this.finish(failure);
  }

  /** The next one; null behind the last. One after the other. Rejects behind the last, if they ended with a failure. */
  next(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      const answer = this.waiting.shift();
      if (answer !== undefined) {
        this.waitingBytes -= answer.length;
        if (this.isPaused && this.waiting.length === 0) {
          this.isPaused = false;
          this.stream?.resume();
        }
        resolve(answer);
      } else if (this.end === null) this.taker = { resolve, reject };
      else if (this.end.failure === null) resolve(null);
      else reject(this.end.failure);
    });
  }

  private finish(failure: Error | null): void {
    if (this.end !== null) return;
    this.end = { failure };
    const { taker } = this;
    this.taker = null;
    if (failure === null) taker?.resolve(null);
    else taker?.reject(failure);
  }
}
