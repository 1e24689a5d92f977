import { keepable } from "@quorate/proto/http2";
import type { CallListener } from "#grpc";
import { assert } from "#std";
import type { ByteCall } from "./call";
import { callerLeft } from "./call-failures";

/** The part of a call on the server that its requests come by. */
interface Paced {
  pause(): void;
  resume(): void;
}

/** What the caller of a duplex stream sends, one message at a time; no more is read than is taken. */
export class IncomingMessages implements AsyncIterable<Buffer>, Pick<CallListener, "message" | "end"> {
  private readonly stream: Paced;
  private readonly call: ByteCall;
  /** Those of the chunk that was read last, which came before the pause could. */
  private readonly waiting: Buffer[] = [];
  private hasEnded = false;
  private reader: {
    readonly resolve: (result: IteratorResult<Buffer, undefined>) => void;
    readonly reject: (failure: Error) => void;
  } | null = null;

  /** @param call aborted when nobody listens any more */
  constructor(stream: Paced, call: ByteCall) {
    this.stream = stream;
    this.call = call;
    call.addEventListener("abort", () => this.look());
  }

  message(bytes: Buffer): void {
    this.waiting.push(bytes);
    this.look();
    if (this.waiting.length === 0) return;
    this.waiting[this.waiting.length - 1] = keepable(bytes);
    this.stream.pause();
  }

  end(): void {
    this.hasEnded = true;
    this.look();
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer, undefined> {
    return { next: () => this.next() };
  }

  private next(): Promise<IteratorResult<Buffer, undefined>> {
    assert(this.reader === null, "the messages of a stream are taken one after the other");
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject };
      this.look();
    });
  }

  private look(): void {
    const { reader } = this;
    if (reader === null) return;
    if (this.call.aborted) {
      this.reader = null;
      reader.reject(callerLeft());
      return;
    }
    const message = this.waiting.shift();
    if (message === undefined && !this.hasEnded) {
      this.stream.resume();
      return;
    }
    this.reader = null;
    reader.resolve(
      message === undefined ? { value: undefined, done: true } : { value: message, done: false },
    );
  }
}
