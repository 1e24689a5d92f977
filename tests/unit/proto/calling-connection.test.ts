import { createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { CallingConnection, type CallingListener, type EndStatus } from "@quorate/proto/calling";
import { GrpcServer, type ServerCall } from "@quorate/services/grpc";
import { Status } from "nice-grpc-common";
import { eventually } from "../../support/eventually";

const PATH = "/t.T/Both";
const NEVER_MS = 1_000_000;
const quiet = { timeMs: NEVER_MS, timeoutMs: NEVER_MS };

let server: GrpcServer;
let listener: Server;
let sockets: Socket[];
const closing: (() => void)[] = [];

beforeEach(async () => {
  sockets = [];
  server = new GrpcServer({ messageBytesMax: 1_000_000, keepalive: quiet });
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

/** A connection, and what becomes of it. */
function dial(
  address = addressOf(listener),
  {
    keepalive = quiet,
    isProbedWhenIdle = false,
  }: Partial<{
    keepalive: { timeMs: number; timeoutMs: number };
    isProbedWhenIdle: boolean;
  }> = {},
) {
  const told = { ready: 0, closed: [] as string[] };
  const connection = new CallingConnection(
    { address, messageBytesMax: 1000, keepalive, isProbedWhenIdle },
    {
      ready: () => {
        told.ready += 1;
      },
      closed: (why) => told.closed.push(why),
    },
  );
  closing.push(() => connection.destroy());
  return { connection, told };
}

/** What a call tells. */
function listening() {
  const told = { messages: [] as Buffer[], ended: [] as EndStatus[] };
  const call: CallingListener = {
    message: (bytes) => told.messages.push(Buffer.from(bytes)),
    ended: (said) => told.ended.push(said),
  };
  return { call, told };
}

/** Answers each message with itself, and ends when the caller does. */
function echo(): ServerCall[] {
  const calls: ServerCall[] = [];
  server.handle(PATH, (call) => {
    calls.push(call);
    call.listen({ message: (bytes) => call.write(bytes), end: () => call.end(), cancelled: () => {} });
  });
  return calls;
}

describe("a connection for calls", () => {
  test("carries any number of calls, each with its own messages and end", async () => {
    echo();
    const { connection, told } = dial();
    const calls = [1, 2, 3].map((byte) => {
      const { call, told } = listening();
      const stream = connection.call(PATH, {}, call);
      stream.write(Buffer.of(byte));
      stream.end(Buffer.of(byte, byte));
      return told;
    });
    await eventually("all are over", () => calls.every(({ ended }) => ended.length === 1));
    expect(calls.map(({ messages }) => messages)).toEqual(
      [1, 2, 3].map((byte) => [Buffer.of(byte), Buffer.of(byte, byte)]),
    );
    expect(calls.map(({ ended }) => ended)).toEqual(calls.map(() => [{ code: Status.OK, details: "" }]));
    expect([sockets.length, told]).toEqual([1, { ready: 1, closed: [] }]);
  });

  test("says what a call brings beside its messages, and hears the details of its failure", async () => {
    const headers: (string | null)[] = [];
    server.handle(PATH, (call) => {
      headers.push(call.header("quorate-member"), call.header("grpc-timeout"));
      call.listen({ message: () => {}, end: () => {}, cancelled: () => {} });
      call.fail({ code: 9, details: "not now", statusDetails: Buffer.of(1, 2, 255) });
    });
    const { connection } = dial();
    const { call, told } = listening();
    connection.call(PATH, { "quorate-member": "n2", "grpc-timeout": "50m" }, call);
    await eventually("it is over", () => told.ended.length === 1);
    expect(headers).toEqual(["n2", "50m"]);
    expect(told.ended).toEqual([{ code: 9, details: "not now", statusDetails: Buffer.of(1, 2, 255) }]);
  });

  test("is not ready where somebody lets it connect and says nothing", async () => {
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    closing.push(() => silent.close());
    const { connection, told } = dial(addressOf(silent));
    let heard = 0;
    await eventually("it is connected", () => sockets.length === 1);
    sockets[0]?.on("data", () => {
      heard += 1;
    });
    await eventually("it has said its preface", () => heard > 0);
    expect([connection.isReady, told]).toEqual([false, { ready: 0, closed: [] }]);
    sockets[0]?.destroy();
    await eventually("it is closed", () => told.closed.length > 0);
    expect([told.ready, told.closed.length]).toEqual([0, 1]);
  });

  test("asks nobody at an address without a port, whatever else that may be taken for", async () => {
    const { told } = dial(addressOf(listener).replace(/.*:/, ""));
    await eventually("it is closed", () => told.closed.length > 0);
    expect(told).toEqual({ ready: 0, closed: [expect.stringContaining("127.0.0.1")] });
  });

  test("may be destroyed by what a message brings about, with more of them in what is being read", async () => {
    server.handle(PATH, (call) => {
      call.listen({ message: () => {}, end: () => {}, cancelled: () => {} });
      for (let nth = 0; nth < 500; nth += 1) call.write(Buffer.alloc(100));
    });
    for (let round = 0; round < 10; round += 1) {
      const ended: EndStatus[] = [];
      const { connection, told } = dial();
      connection.call(
        PATH,
        {},
        { message: () => connection.destroy(), ended: (said) => void ended.push(said) },
      );
      await eventually("its call is over", () => ended.length === 1);
      expect(ended).toMatchObject([{ code: Status.UNAVAILABLE }]);
      expect(told.closed).toEqual(["it was closed"]);
      expect(() => connection.call(PATH, {}, listening().call)).toThrow("closed");
    }
    await eventually("its sockets are gone", () => sockets.every(({ destroyed }) => destroyed));
  });

  test("takes no more calls once the other side is to close it, and those that it has go on", async () => {
    const calls = echo();
    const { connection, told } = dial();
    const { call, told: said } = listening();
    const stream = connection.call(PATH, {}, call);
    await eventually("it has begun", () => calls.length === 1);
    server.drain(() => {});
    await eventually("it is told", () => told.closed.length === 1);
    expect([connection.isReady, told.ready]).toEqual([false, 1]);
    stream.end(Buffer.of(7));
    await eventually("it is over", () => said.ended.length === 1);
    expect(said).toEqual({ messages: [Buffer.of(7)], ended: [{ code: Status.OK, details: "" }] });
    await eventually("the connection is gone", () => sockets.every(({ closed }) => closed));
  });

  test("that is closed lets its calls end first", async () => {
    const calls = echo();
    const { connection, told } = dial();
    const { call, told: said } = listening();
    const stream = connection.call(PATH, {}, call);
    await eventually("it has begun", () => calls.length === 1);
    connection.close();
    connection.close();
    expect([connection.isReady, told.closed.length]).toEqual([false, 1]);
    stream.end(Buffer.of(7));
    await eventually("it is over", () => said.ended.length === 1);
    expect(said.ended).toEqual([{ code: Status.OK, details: "" }]);
    await eventually("the connection is gone", () => sockets.every(({ closed }) => closed));
  });

  test("that is lost ends its calls as unavailable", async () => {
    const calls = echo();
    const { connection, told } = dial();
    const { call, told: said } = listening();
    connection.call(PATH, {}, call);
    await eventually("it has begun", () => calls.length === 1);
    for (const socket of sockets) socket.destroy();
    await eventually("it is over", () => said.ended.length === 1 && told.closed.length === 1);
    expect(said.ended).toMatchObject([{ code: Status.UNAVAILABLE }]);
  });

  test("tells nothing of a call that was cancelled, and the other side hears of that", async () => {
    const begun: ServerCall[] = [];
    let cancelled = 0;
    server.handle(PATH, (call) => {
      begun.push(call);
      call.listen({
        message: () => {},
        end: () => {},
        cancelled: () => {
          cancelled += 1;
        },
      });
    });
    const { connection, told } = dial();
    const { call, told: said } = listening();
    const stream = connection.call(PATH, {}, call);
    await eventually("it has begun", () => begun.length === 1);
    stream.cancel();
    stream.cancel();
    await eventually("the other side hears of it", () => cancelled === 1);
    expect([said, told.closed]).toEqual([{ messages: [], ended: [] }, []]);
  });

  test.each<[number, Status]>([
    [2, Status.INTERNAL],
    [7, Status.UNAVAILABLE],
    [8, Status.CANCELLED],
    [11, Status.RESOURCE_EXHAUSTED],
  ])("a call that is reset with the code %d ends as gRPC has it", async (rstCode, code) => {
    const bare = createHttp2Server();
    const sessions: ServerHttp2Session[] = [];
    bare.on("session", (session) => sessions.push(session));
    bare.on("stream", (stream) => {
      stream.on("error", () => {});
      stream.close(rstCode);
    });
    await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const session of sessions) session.destroy();
      bare.close();
    });
    const { connection } = dial(addressOf(bare));
    const { call, told } = listening();
    connection.call(PATH, {}, call);
    await eventually("it is over", () => told.ended.length === 1);
    expect(told.ended).toMatchObject([{ code }]);
  });
});

test("a connection is probed while it has calls, and without any where that is asked for", async () => {
  /** How many probes each connection has got, in the order in which they came. */
  const probes: number[] = [];
  const sessions: ServerHttp2Session[] = [];
  const bare = createHttp2Server();
  bare.on("session", (session) => {
    const at = probes.push(0) - 1;
    sessions.push(session);
    session.on("ping", () => {
      probes[at] = (probes[at] as number) + 1;
    });
  });
  bare.on("stream", (stream) => stream.on("error", () => {}));
  await new Promise<void>((resolve) => bare.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    bare.close();
  });
  const keepalive = { timeMs: 5, timeoutMs: NEVER_MS };
  const idle = dial(addressOf(bare), { keepalive });
  await eventually("it is ready", () => idle.told.ready === 1);
  dial(addressOf(bare), { keepalive, isProbedWhenIdle: true });
  await eventually("the other is probed", () => (probes[1] ?? 0) > 2);
  expect(probes[0]).toBe(0);
  idle.connection.call(PATH, {}, listening().call);
  await eventually("it is probed, too", () => (probes[0] as number) > 2);
});
