import { setMaxListeners } from "node:events";
import { constants, createServer as createHttp2Server, type ServerHttp2Session } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type AttemptOptions, GrpcConnection, type Method, QuorateError } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { type ByteService, CallFailure } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { AnsweringServer } from "../forward/answering-server";
import { Said } from "../forward/said";
import { duplexServiceOf, Serving } from "../forward/serving";

/** A frame of HTTP/2 (RFC 9113, 6.5): what a server says first. */
const EMPTY_SETTINGS = Buffer.from("000000040000000000", "hex");

const bytes = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (message: Uint8Array) => message,
};
const WATCH: Method<Uint8Array, Uint8Array> = {
  path: "/quorate.kv.v1.WatchService/Watch",
  requestType: bytes,
  responseType: bytes,
};
const options: AttemptOptions = { metadata: {}, timeoutMs: 60_000, signal: undefined };

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function connected(duplex: ByteService["duplex"]) {
  const serving = await Serving.open(duplexServiceOf(duplex));
  closing.push(() => serving.close());
  return { serving, connection: connectionTo(serving.address) };
}

function connectionTo(address: string): GrpcConnection {
  const connection = new GrpcConnection(address, 60_000);
  closing.push(() => connection.close());
  return connection;
}

const echo: ByteService["duplex"] = async (_call, source, sink) => {
  for await (const message of source) await sink.write(message);
};

async function allOf(answers: AsyncIterable<Uint8Array>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const answer of answers) all.push([...answer]);
  return all;
}

describe("a duplex stream of the client", () => {
  test("carries messages both ways until the requests end", async () => {
    const { connection } = await connected(echo);
    const said = new Said();
    for (const byte of [1, 2, 3]) said.say(byte);
    said.end();
    expect(await allOf(connection.duplex(WATCH, said, options))).toEqual([[1], [2], [3]]);
  });

  test("carries its metadata, and goes on for longer than the time to connect", async () => {
    const metadata: unknown[] = [];
    const { connection } = await connected((call, source, sink) => {
      metadata.push(call.headers.member);
      return echo(call, source, sink);
    });
    const said = new Said();
    said.say(1);
    // It is connected before, or the machine would have that time for it.
    const first = new Said();
    first.end();
    await allOf(connection.duplex(WATCH, first, options));
    metadata.length = 0;
    const answers = connection
      .duplex(WATCH, said, { metadata: { "quorate-member": "n1" }, timeoutMs: 50, signal: undefined })
      [Symbol.asyncIterator]();
    await answers.next();
    const beganMs = performance.now();
    await eventually("longer than that", () => performance.now() - beganMs > 150);
    said.say(2);
    expect([...(await answers.next()).value!]).toEqual([2]);
    expect(metadata).toEqual(["n1"]);
    await answers.return?.();
  });

  test("the failure of the server comes with its detail, behind what it had answered", async () => {
    const leader = { memberId: "n2", address: "127.0.0.1:9" };
    const { connection } = await connected(async (_call, _source, sink) => {
      await sink.write(Buffer.of(1));
      throw new CallFailure(ErrorReason.NOT_LEADER, "n2 is", { leader });
    });
    const answers = connection.duplex(WATCH, new Said(), options)[Symbol.asyncIterator]();
    expect([...(await answers.next()).value!]).toEqual([1]);
    const failure = await answers.next().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(QuorateError);
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "NOT_LEADER", retryable: true, leader });
  });

  test("the signal ends it while nothing arrives, here and at the server", async () => {
    let isOver = false;
    const { connection } = await connected((call, source, sink) => {
      call.addEventListener("abort", () => {
        isOver = true;
      });
      return echo(call, source, sink);
    });
    const leaving = new AbortController();
    const said = new Said();
    said.say(1);
    const answers = connection
      .duplex(WATCH, said, { ...options, signal: leaving.signal })
      [Symbol.asyncIterator]();
    await answers.next();
    const next = answers.next().catch((error: unknown) => error);
    leaving.abort();
    expect(await next).toMatchObject({ name: "QuorateError", code: "CANCELLED" });
    await eventually("the server knows", () => isOver);
    expect(said.isLetGo).toBe(true);
  });

  test("a signal that was aborted before sends nothing", async () => {
    const { connection } = await connected(echo);
    const said = new Said();
    const answers = connection.duplex(WATCH, said, { ...options, signal: AbortSignal.abort() });
    await expect(allOf(answers)).rejects.toMatchObject({ code: "CANCELLED", reason: "CANCELLED" });
    expect(said.taken).toBe(0);
  });

  test("what the requests throw ends it", async () => {
    const { connection } = await connected(echo);
    async function* failing() {
      yield Buffer.of(1);
      throw new QuorateError("nothing more to say", { code: "INVALID_ARGUMENT" });
    }
    await expect(allOf(connection.duplex(WATCH, failing(), options))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "nothing more to say",
    });
  });

  test("a server that reads slowly holds the requests up", async () => {
    let isReading: () => void = () => {};
    const { connection } = await connected(async (_call, source) => {
      await new Promise<void>((resolve) => {
        isReading = resolve;
      });
      for await (const message of source) expect(message.length).toBe(65_536);
    });
    let taken = 0;
    async function* many() {
      for (; taken < 400; taken += 1) yield Buffer.alloc(65_536);
    }
    const ended = allOf(connection.duplex(WATCH, many(), options));
    let before = -1;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = taken > 0 && taken === before ? looks + 1 : 0;
      before = taken;
      return looks === 5;
    });
    // Windows of HTTP/2, and what is written ahead.
    expect(taken).toBeLessThan(100);
    isReading();
    expect(await ended).toEqual([]);
    expect(taken).toBe(400);
  });

  test("where nothing listens, nothing was sent", async () => {
    const { serving } = await connected(echo);
    await serving.close();
    const said = new Said();
    const answers = connectionTo(serving.address).duplex(WATCH, said, options);
    await expect(allOf(answers)).rejects.toMatchObject({ code: "UNAVAILABLE", outcome: "not_applied" });
    expect(said.taken).toBe(0);
  });
});

describe("the connection of a client", () => {
  const PUT = { ...WATCH, path: "/quorate.kv.v1.KvService/Put" };
  const SCAN = { ...WATCH, path: "/quorate.kv.v1.KvService/Scan" };

  test("is one, for calls of all kinds", async () => {
    const serving = await Serving.open({
      unary: async ({ body }) => body,
      stream: async (_call, sink) => sink.write(Buffer.of(2)),
      duplex: echo,
    });
    closing.push(() => serving.close());
    const connection = connectionTo(serving.address);
    const said = new Said();
    said.say(3);
    said.end();
    const large = Buffer.alloc(100_000, 4);
    const [together, streamed, both, alone] = await Promise.all([
      connection.unary(PUT, Buffer.of(1), options),
      allOf(connection.serverStream(SCAN, Buffer.of(2), options)),
      allOf(connection.duplex(WATCH, said, options)),
      connection.unary(PUT, large, options),
    ]);
    expect([[...together], streamed, both]).toEqual([[1], [[2]], [[3]]]);
    expect(large.equals(alone)).toBe(true);
    expect(serving.server.connections).toHaveLength(1);
  });

  test("is given up where somebody lets it connect and says nothing, and nothing was sent", async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const connection = new GrpcConnection(`127.0.0.1:${(silent.address() as AddressInfo).port}`, 60);
    closing.push(() => connection.close());
    await expect(connection.unary(PUT, Buffer.of(1), options)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      outcome: "not_applied",
      retryable: true,
      message: expect.stringContaining("no connection within 60 ms"),
    });
    await eventually("it is let go", () => sockets.length === 1 && sockets[0]?.closed);
  });

  test("tells of calls that a server refuses to look at that they were not applied, however they were sent", async () => {
    const refusing = createHttp2Server();
    const sessions: ServerHttp2Session[] = [];
    refusing.on("session", (session) => sessions.push(session));
    refusing.on("stream", (stream) => stream.on("error", () => {}).close(constants.NGHTTP2_REFUSED_STREAM));
    await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const session of sessions) session.destroy();
      refusing.close();
    });
    const address = `127.0.0.1:${(refusing.address() as AddressInfo).port}`;
    for (const transport of ["pipeline", "unary"] as const) {
      const connection = new GrpcConnection(address, 60_000, transport);
      closing.push(() => connection.close());
      await expect(connection.unary(PUT, Buffer.of(1), options)).rejects.toMatchObject({
        code: "UNAVAILABLE",
        outcome: "not_applied",
        retryable: true,
      });
    }
  });

  test.each([0, 2])("takes no answer of %i messages to a call with one for an answer", async (count) => {
    const server = new AnsweringServer(count);
    closing.push(() => server.close());
    const connection = new GrpcConnection(await server.listen(), 60_000, "unary");
    closing.push(() => connection.close());
    // Without an outcome, so that of a write it is not known.
    await expect(connection.unary(PUT, Buffer.of(1), options)).rejects.toMatchObject({
      code: "INTERNAL",
      outcome: null,
    });
  });

  test("makes room at the server for later calls by giving up earlier ones, however many wait there", async () => {
    let arrived = 0;
    const serving = await Serving.open({
      ...duplexServiceOf(echo),
      unary: ({ body }) => {
        if (body[0] === 9) return Promise.resolve(body);
        arrived += 1;
        return new Promise(() => {});
      },
    });
    closing.push(() => serving.close());
    const connection = connectionTo(serving.address);
    const leaving = new AbortController();
    setMaxListeners(0, leaving.signal);
    const stuck = Array.from({ length: 5000 }, () =>
      connection.unary(PUT, Buffer.of(1), { ...options, signal: leaving.signal }).catch(() => "given up"),
    );
    let before = 0;
    let looks = 0;
    await eventually("no more arrive", () => {
      looks = arrived > 0 && arrived === before ? looks + 1 : 0;
      before = arrived;
      return looks === 5;
    });
    leaving.abort();
    expect(new Set(await Promise.all(stuck))).toEqual(new Set(["given up"]));
    expect([...(await connection.unary(PUT, Buffer.of(9), options))]).toEqual([9]);
  });

  test("is made again to a server that is back", async () => {
    const service: ByteService = { ...duplexServiceOf(echo), unary: async ({ body }) => body };
    const first = await Serving.open(service);
    const connection = connectionTo(first.address);
    expect([...(await connection.unary(PUT, Buffer.of(1), options))]).toEqual([1]);
    await first.close();
    const lost = connection.unary(PUT, Buffer.of(2), options);
    await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE", outcome: "not_applied" });
    const second = new Serving(service);
    await second.server.listen(first.address);
    closing.push(() => second.server.close(100));
    const answer = await eventually("it is found", () => connection.unary(PUT, Buffer.of(3), options));
    expect([...answer]).toEqual([3]);
  });

  test("a streamed answer that is taken slowly is read slowly", async () => {
    let written = 0;
    const serving = await Serving.open({
      ...duplexServiceOf(echo),
      stream: async (_call, sink) => {
        for (; written < 400; written += 1) await sink.write(Buffer.alloc(65_536));
      },
    });
    closing.push(() => serving.close());
    const answers = connectionTo(serving.address)
      .serverStream(SCAN, Buffer.of(1), options)
      [Symbol.asyncIterator]();
    await answers.next();
    let before = -1;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = written > 0 && written === before ? looks + 1 : 0;
      before = written;
      return looks === 5;
    });
    expect(written).toBeLessThan(100);
    let taken = 1;
    while ((await answers.next()).done !== true) taken += 1;
    expect(taken).toBe(400);
  });

  test("an answer that does not come in time ends a streamed call here and at the server", async () => {
    let isOver = false;
    const serving = await Serving.open({
      ...duplexServiceOf(echo),
      stream: (call) =>
        new Promise((resolve) => {
          call.addEventListener("abort", () => {
            isOver = true;
            resolve();
          });
        }),
    });
    closing.push(() => serving.close());
    const answers = connectionTo(serving.address).serverStream(SCAN, Buffer.of(1), {
      ...options,
      timeoutMs: 500,
    });
    await expect(allOf(answers)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", retryable: true });
    await eventually("the server knows", () => isOver);
  });
});

test("a connection that is closed in the turn of its first call leaves nothing behind", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.resume();
    socket.write(EMPTY_SETTINGS);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const closed = new GrpcConnection(`127.0.0.1:${(server.address() as AddressInfo).port}`, 60_000);
  const lost = closed.unary(WATCH, Buffer.of(1), options);
  closed.close();
  await expect(lost).rejects.toMatchObject({ code: "UNAVAILABLE", outcome: "not_applied" });
  // Longer than it takes to look an address up and connect.
  const { connection } = await connected(echo);
  const said = new Said();
  said.end();
  await allOf(connection.duplex(WATCH, said, options));
  await eventually("it is not connected", () => sockets.every((socket) => socket.closed));
});
