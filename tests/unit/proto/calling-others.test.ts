import { createServer, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from "node:http2";
import type { AddressInfo } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { CallingConnection, type EndStatus } from "@quorate/proto/calling";
import { Status } from "nice-grpc-common";
import { eventually } from "../../support/eventually";

const PATH = "/t.T/Both";
const quiet = { timeMs: 1_000_000, timeoutMs: 1_000_000 };

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A server of Node that says all back to whoever calls, and ends when he does. @returns its address */
async function serveByNode(settings: Settings): Promise<string> {
  const server = createServer({ settings });
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () =>
      stream.sendTrailers({ "grpc-status": "0", "grpc-message": "all%20said" }),
    );
    stream.on("error", () => {});
    stream.pipe(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The same, of grpc-js. */
async function serveByGrpcJs(options: Record<string, number>): Promise<string> {
  const server = new Server({ "grpc.max_receive_message_length": -1, ...options });
  const asIs = (bytes: Buffer): Buffer => bytes;
  const method = {
    path: PATH,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { both: method },
    {
      both: (call: {
        on(event: string, run: (bytes: Buffer) => void): void;
        write(bytes: Buffer): void;
        end(): void;
      }) => {
        call.on("data", (bytes) => call.write(bytes));
        call.on("end", () => call.end());
        call.on("error", () => {});
      },
    },
  );
  closing.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return `127.0.0.1:${port}`;
}

interface SeenCall {
  readonly messages: Buffer[];
  readonly ended: EndStatus[];
}

function call(
  connection: CallingConnection,
  headers: Readonly<Record<string, string>>,
  said: readonly Buffer[],
) {
  const seen: SeenCall = { messages: [], ended: [] };
  const stream = connection.call(PATH, headers, {
    message: (bytes) => seen.messages.push(Buffer.from(bytes)),
    ended: (status) => seen.ended.push(status),
  });
  for (const message of said) stream.write(message);
  stream.end();
  return seen;
}

const MESSAGES = [0, 1, 300, 16_384, 100_000, 3].map((length, nth) => Buffer.alloc(length, nth + 1));

const SERVERS: readonly [string, () => Promise<string>][] = [
  ["Node, as it is", () => serveByNode({})],
  ["Node with windows of 100 bytes", () => serveByNode({ initialWindowSize: 100 })],
  [
    "Node with windows of 1 MiB and long frames",
    () => serveByNode({ initialWindowSize: 2 ** 20, maxFrameSize: 2 ** 20 }),
  ],
  ["Node without a table of headers", () => serveByNode({ headerTableSize: 0 })],
  ["Node with a table of two headers or so", () => serveByNode({ headerTableSize: 120 })],
  ["Node with a large table of headers", () => serveByNode({ headerTableSize: 2 ** 16 })],
  ["Node with one stream at a time", () => serveByNode({ maxConcurrentStreams: 1 })],
  [
    "Node with the least of all",
    () =>
      serveByNode({
        initialWindowSize: 1000,
        headerTableSize: 0,
        maxConcurrentStreams: 2,
        maxFrameSize: 16_384,
      }),
  ],
  ["grpc-js", () => serveByGrpcJs({})],
  ["grpc-js with two streams at a time", () => serveByGrpcJs({ "grpc.max_concurrent_streams": 2 })],
];

describe("a connection for calls to", () => {
  test.each(SERVERS)(
    "%s carries messages of any length both ways, on many calls at once",
    async (_name, serve) => {
      const connection = new CallingConnection(
        {
          address: await serve(),
          messageBytesMax: 200_000,
          keepalive: quiet,
          isProbedWhenIdle: false,
          windows: { callBytes: 20_000, connectionBytes: 100_000 },
        },
        { ready: () => {}, closed: () => {} },
      );
      closing.push(() => connection.destroy());
      // Before that it cannot know what the other side takes.
      await eventually("it is ready", () => connection.isReady);
      for (let round = 0; round < 3; round += 1) {
        const calls = Array.from({ length: 5 }, (_, nth) =>
          call(connection, { "quorate-member": `n${nth}`, "grpc-timeout": "50S" }, MESSAGES),
        );
        await eventually("all are over", () => calls.every(({ ended }) => ended.length === 1));
        expect(calls.map(({ ended }) => ended[0]?.code)).toEqual(calls.map(() => Status.OK));
        for (const { messages } of calls)
          expect(messages.map(({ length }) => length)).toEqual(MESSAGES.map(({ length }) => length));
        for (const { messages } of calls)
          expect(Buffer.concat(messages).equals(Buffer.concat(MESSAGES))).toBe(true);
      }
    },
  );
});
