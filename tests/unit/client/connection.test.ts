import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type AttemptOptions, GrpcConnection, type Method, QuorateError } from "@quorate/client";
import { ErrorReason } from "@quorate/client/generated";
import { type ByteService, CallFailure } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
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
    // Windows of HTTP/2, what grpc-js keeps for a retry of its own (1 MiB), and 16 messages read ahead.
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
