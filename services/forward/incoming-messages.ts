import type { ServerDuplexStream } from "@grpc/grpc-js";
import { assert } from "#std";
import type { ByteCall } from "./call";
import { callerLeft } from "./call-failures";

/**
 * What the caller of a duplex stream sends, one message at a time. Not by the stream's own iterator, which destroys it
 * when the requests end, with the last answers unsent.
 */
export class IncomingMessages implements AsyncIterable<Buffer> {
  private readonly stream: ServerDuplexStream<Buffer, Buffer>;
  private readonly call: ByteCall;
  private hasEnded = false;
  private reader: {
    readonly resolve: (result: IteratorResult<Buffer, undefined>) => void;
    readonly reject: (failure: Error) => void;
  } | null = null;

  constructor(stream: ServerDuplexStream<Buffer, Buffer>, call: ByteCall) {
    this.stream = stream;
    this.call = call;
    const look = (): void => this.look();
    stream.on("readable", look);
    stream.on("end", () => {
      this.hasEnded = true;
      this.look();
    });
    call.addEventListener("abort", look);
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
    const message = this.stream.read() as Buffer | null;
    if (message === null && !this.hasEnded) return;
    this.reader = null;
    reader.resolve(message === null ? { value: undefined, done: true } : { value: message, done: false });
  }
}
