import type { CallingListener, CallingStream, EndStatus } from "@quorate/proto/calling";
import { Status } from "nice-grpc-common";
import { failureOfStatus, type QuorateError } from "./errors";

/** How much is read ahead of who takes the answers, besides the rest of a chunk and the window of HTTP/2. */
const READ_AHEAD_BYTES_MAX = 64 * 1024;

interface Taker {
  readonly resolve: (answer: Buffer | null) => void;
  readonly reject: (failure: QuorateError) => void;
}

/** The answers of a call, in order, read hardly faster than they are taken. */
export class Answers implements CallingListener {
  #stream: CallingStream | null = null;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  /** null while it goes on. */
  #end: { readonly failure: QuorateError | null } | null = null;
  #taker: Taker | null = null;

  /** @param stream whose listener this is */
  begin(stream: CallingStream): void {
    this.#stream = stream;
  }

  message(bytes: Buffer): void {
    if (this.#end !== null) return;
    const taker = this.#taker;
    if (taker !== null) {
      this.#taker = null;
      taker.resolve(bytes);
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes < READ_AHEAD_BYTES_MAX || this.#isPaused) return;
    this.#isPaused = true;
    this.#stream?.pause();
  }

  ended({ code, details, statusDetails }: EndStatus): void {
    this.#finish(code === Status.OK ? null : failureOfStatus({ code, message: details, statusDetails }));
  }

  /** Ends them as failed, if they have not ended: what was not taken is dropped. */
  fail(failure: QuorateError): void {
    if (this.#end !== null) return;
    this.#waiting = [];
    this.#finish(failure);
  }

  /** The next one; null behind the last. One after the other. @throws QuorateError behind the last, if they ended with a failure */
  next(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      const answer = this.#waiting.shift();
      if (answer !== undefined) {
        this.#waitingBytes -= answer.length;
        if (this.#isPaused && this.#waiting.length === 0) {
          this.#isPaused = false;
          this.#stream?.resume();
        }
        resolve(answer);
      } else if (this.#end === null) this.#taker = { resolve, reject };
      else if (this.#end.failure === null) resolve(null);
      else reject(this.#end.failure);
    });
  }

  #finish(failure: QuorateError | null): void {
    if (this.#end !== null) return;
    this.#end = { failure };
    const taker = this.#taker;
    this.#taker = null;
    if (failure === null) taker?.resolve(null);
    else taker?.reject(failure);
  }
}
