import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Socket, type Server as TcpServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { EndStatus } from "@quorate/proto/calling";
import { GrpcServer, OutgoingStream, type ServerCall } from "@quorate/services/grpc";
import { eventually } from "../../support/eventually";

const PATH = "/t.T/Both";
const NEVER_MS = 1_000_000;
const keepalive = { timeMs: NEVER_MS, timeoutMs: NEVER_MS };

let server: GrpcServer;
let listener: TcpServer;
let sockets: Socket[];
const closing: (() => void)[] = [];

beforeEach(async () => {
  sockets = [];
  server = new GrpcServer({
    messageBytesMax: 1_000_000,
    keepalive,
    windows: { callBytes: 100_000, connectionBytes: 200_000 },
  });
  listener = createServer((socket) => {
    sockets.push(socket);
    server.accept(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  for (const close of closing.splice(0)) close();
  server.cut();
  listener.close();
});

function addressOf(listening: { address(): unknown }): string {
  return `127.0.0.1:${(listening.address() as { port: number }).port}`;
}

/** A stream, and all that it tells. */
function dial(address = addressOf(listener), messageBytesMax = 1000) {
  const told = { messages: [] as Buffer[], drained: 0, ended: [] as EndStatus[] };
  const stream = new OutgoingStream(
    { address, path: PATH, messageBytesMax, keepalive },
    {
      message: (bytes) => told.messages.push(Buffer.from(bytes)),
      drained: () => {
        told.drained += 1;
      },
      ended: (said) => told.ended.push(said),
    },
  );
  closing.push(() => stream.close());
  return { stream, told };
}

/** Gives the calls that come. */
function calls(listen: (call: ServerCall) => { message?(bytes: Buffer): void; end?(): void }) {
  const cancelled: ServerCall[] = [];
  server.handle(PATH, (call) =>
    call.listen({ message: () => {}, end: () => {}, cancelled: () => cancelled.push(call), ...listen(call) }),
  );
  return cancelled;
}

describe("an outgoing stream", () => {
  test("carries messages both ways, in order", async () => {
    calls((call) => ({ message: (bytes) => call.write(Buffer.concat([bytes, bytes])) }));
    const { stream, told } = dial();
    for (const byte of [1, 2, 3]) stream.write(Buffer.of(byte));
    await eventually("all are answered", () => told.messages.length === 3);
    expect(told.messages).toEqual([Buffer.of(1, 1), Buffer.of(2, 2), Buffer.of(3, 3)]);
    expect(told.ended).toEqual([]);
  });

  test("tells once how the other side ended it, after what it said before", async () => {
    calls((call) => ({
      message: (bytes) => {
        call.write(bytes);
        call.fail({ code: status.FAILED_PRECONDITION, details: "nö: 100 %" });
      },
    }));
    const { stream, told } = dial();
    stream.write(Buffer.of(9));
    await eventually("it is over", () => told.ended.length > 0);
    expect(told.messages).toEqual([Buffer.of(9)]);
    expect(told.ended).toEqual([{ code: status.FAILED_PRECONDITION, details: "nö: 100 %" }]);
    expect(stream.write(Buffer.of(1))).toBe(false);
  });

  test.each<[string, (call: ServerCall) => void, EndStatus]>([
    ["well", (call) => call.end(), { code: status.OK, details: "" }],
    [
      "with a failure and nothing else",
      (call) => call.fail({ code: status.ABORTED, details: "no" }),
      { code: status.ABORTED, details: "no" },
    ],
  ])("ends %s as the other side says", async (_name, end, said) => {
    calls((call) => ({ message: () => end(call) }));
    const { stream, told } = dial();
    stream.write(Buffer.of(1));
    await eventually("it is over", () => told.ended.length > 0);
    expect(told.ended).toEqual([said]);
  });

  test("ends at once when the other side's process is gone", async () => {
    let begun = 0;
    calls(() => ({
      message: () => {
        begun += 1;
      },
    }));
    const { stream, told } = dial();
    stream.write(Buffer.of(1));
    await eventually("it has begun", () => begun === 1);
    for (const socket of sockets) socket.destroy();
    await eventually("it is over", () => told.ended.length > 0);
    expect(told.ended).toMatchObject([{ code: status.UNAVAILABLE }]);
  });

  test.each(["127.0.0.1:1", "no address at all", "127.0.0.1:99999", ":"])(
    "ends as unavailable where nobody listens: %p",
    async (address) => {
      const { told } = dial(address);
      await eventually("it is over", () => told.ended.length > 0);
      expect(told.ended).toMatchObject([{ code: status.UNAVAILABLE }]);
    },
  );

  test("ends where the other side speaks HTTP but no gRPC", async () => {
    const web = createHttp2Server((_request, response) => {
      response.statusCode = 404;
      response.end();
    });
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    closing.push(() => web.close());
    const { told } = dial(addressOf(web));
    await eventually("it is over", () => told.ended.length > 0);
    expect(told.ended).toMatchObject([
      { code: status.UNIMPLEMENTED, details: expect.stringContaining("404") },
    ]);
  });

  test("ends where a message is longer than it may be", async () => {
    calls((call) => ({ message: () => call.write(Buffer.alloc(1001)) }));
    const { stream, told } = dial();
    stream.write(Buffer.of(1));
    await eventually("it is over", () => told.ended.length > 0);
    expect(told.ended).toMatchObject([
      { code: status.RESOURCE_EXHAUSTED, details: expect.stringContaining("1001") },
    ]);
    expect(told.messages).toEqual([]);
  });

  test("says when the other side takes nothing, and when it does again", async () => {
    let call: ServerCall | null = null;
    calls((begun) => {
      call = begun;
      begun.pause();
      return {};
    });
    const { stream, told } = dial();
    stream.write(Buffer.of(1));
    await eventually("it has begun", () => call !== null);
    let written = 0;
    for (let hasRoom = true; hasRoom; written += 1) hasRoom = stream.write(Buffer.alloc(100_000));
    expect(written).toBeLessThan(30);
    call!.resume();
    await eventually("there is room again", () => told.drained > 0);
    expect(told.ended).toEqual([]);
  });

  test("tells nothing any more once it is closed, and the other side hears of it", async () => {
    let begun = 0;
    const cancelled = calls(() => ({
      message: () => {
        begun += 1;
      },
    }));
    const { stream, told } = dial();
    stream.write(Buffer.of(1));
    await eventually("it has begun", () => begun === 1);
    stream.close();
    await eventually("the other side hears of it", () => cancelled.length === 1);
    await eventually("the connection is gone", () => sockets.every(({ destroyed }) => destroyed));
    expect(told).toEqual({ messages: [], drained: 0, ended: [] });
  });
});
