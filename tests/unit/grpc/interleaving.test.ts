import { type ClientHttp2Session, connect } from "node:http2";
import { createServer, type Server } from "node:net";
import { expect, test } from "@jest/globals";
import { framed, MessageSplitter } from "@quorate/proto/calling";
import { GrpcServer } from "@quorate/services/grpc";
import fc from "fast-check";

const NEVER_MS = 1_000_000;
const MESSAGE_BYTES_MAX = 300_000;

let server: GrpcServer;
let listener: Server;
let session: ClientHttp2Session;

function close(): void {
  session.destroy();
  server.cut();
  listener.close();
}

/** Echoes each message, and has its caller wait as often as it is told to itself. */
async function serve(windowBytes: number): Promise<void> {
  server = new GrpcServer({
    messageBytesMax: MESSAGE_BYTES_MAX,
    keepalive: { timeMs: NEVER_MS, timeoutMs: NEVER_MS },
  });
  server.handle("/t.T/Echo", (call) => {
    call.listen({
      message: (bytes) => {
        if (!call.write(Buffer.from(bytes))) call.pause();
      },
      end: () => call.end(),
      cancelled: () => {},
      drained: () => call.resume(),
    });
  });
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  session = connect(`http://127.0.0.1:${(listener.address() as { port: number }).port}`, {
    settings: { initialWindowSize: windowBytes },
  });
}

/** @returns how long the messages are that come back, each of which has to hold what was said, and the status */
function echoed(lengths: readonly number[], byte: number): Promise<readonly [readonly number[], unknown]> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/t.T/Echo",
      "content-type": "application/grpc",
    });
    const splitter = new MessageSplitter(MESSAGE_BYTES_MAX);
    const received: number[] = [];
    let status: unknown = null;
    const hear = (said: Readonly<Record<string, unknown>>): void => {
      status ??= said["grpc-status"];
    };
    stream.on("response", hear);
    stream.on("trailers", hear);
    stream.on("data", (chunk: Buffer) =>
      splitter.push(chunk, (message) => {
        received.push(message.equals(Buffer.alloc(message.length, byte)) ? message.length : -1);
      }),
    );
    stream.on("error", reject);
    stream.on("close", () => resolve([received, status]));
    for (const length of lengths) stream.write(framed(Buffer.alloc(length, byte)));
    stream.end();
  });
}

test("streams of messages of all lengths, through windows of all sizes, come back whole", async () => {
  const lengths = fc.array(fc.oneof(fc.nat(50), fc.nat(20_000), fc.nat(MESSAGE_BYTES_MAX)), { maxLength: 6 });
  const windowBytes = fc.oneof(
    fc.integer({ min: 1000, max: 20_000 }),
    fc.constant(65_535),
    fc.constant(2_000_000),
  );
  await fc.assert(
    fc.asyncProperty(windowBytes, fc.array(lengths, { maxLength: 10 }), async (windowBytes, streams) => {
      await serve(windowBytes);
      try {
        const replies = await Promise.all(streams.map((each, nth) => echoed(each, nth + 1)));
        expect(replies).toEqual(streams.map((each) => [each, "0"]));
      } finally {
        close();
      }
    }),
    { numRuns: 30 },
  );
});
