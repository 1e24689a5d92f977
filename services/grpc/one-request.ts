import { keepable } from "@quorate/proto/http2";
import { Status } from "nice-grpc-common";
import type { ServerCall } from "./server-call";

/** What comes of a call with one request. */
export interface RequestListener {
  /** Once, when the caller has said all. @param body views the chunk that it came in: copy what is kept */
  request(body: Buffer): void;
  /** Nobody waits for an answer any more, and not because it was given. */
  cancelled(): void;
  drained?(): void;
}

/** Reads the request of a call that has one, and refuses what is none or more. */
export function readRequest(call: ServerCall, listener: RequestListener): void {
  let body: Buffer | null = null;
  /** Of the body, where its caller need not have said all. */
  let keptBytes = 0;
  const refuse = (what: string): void => {
    call.fail({
      code: Status.UNIMPLEMENTED,
      details: `Received ${what} for ${call.path}, which takes one`,
    });
    listener.cancelled();
  };
  call.listen({
    message: (bytes) => {
      if (body !== null) {
        refuse("a second request message");
        return;
      }
      body = bytes;
      if (call.isReadToEnd) return;
      body = keepable(bytes);
      keptBytes = bytes.length;
      call.keep(keptBytes);
    },
    end: () => {
      if (body === null) {
        refuse("no request message");
        return;
      }
      call.keep(-keptBytes);
      listener.request(body);
    },
    cancelled: () => listener.cancelled(),
    ...(listener.drained === undefined ? {} : { drained: () => listener.drained?.() }),
  });
}
