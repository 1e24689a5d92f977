import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectSocket, createServer, type Server as TcpServer } from "node:net";
import { deflateSync, gzipSync } from "node:zlib";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { framed } from "@quorate/proto/calling";
import { GrpcServer, readRequest, type ServerCall } from "@quorate/services/grpc";
import { eventually } from "../../support/eventually";
import { DATA, END_HEADERS, frame, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS } from "./http2-frames";
import { type Reply, replyTo } from "./reply";

const MESSAGE_BYTES_MAX = 100_000;
const NEVER_MS = 1_000_000;

/** A server on a port of its own that calls are made to as gRPC has them on the wire, or by grpc-js. */
let server: GrpcServer;
let listener: TcpServer;
let session: ClientHttp2Session;
let client: Client;

beforeEach(async () => {
  server = new GrpcServer({
    messageBytesMax: MESSAGE_BYTES_MAX,
    keepalive: { timeMs: NEVER_MS, timeoutMs: NEVER_MS },
  });
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as { port: number };
  session = connect(`http://127.0.0.1:${port}`);
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
});

afterEach(() => {
  session.destroy();
  client.close();
  server.cut();
  listener.close();
});

/** Answers with the request. */
function echo(call: ServerCall): void {
  readRequest(call, { request: (body) => call.answer(body), cancelled: () => {} });
}

function begin(path: string, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
}

function ask(path: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const stream = begin(path, headers);
  stream.end(body);
  return replyTo(stream);
}

function compressed(message: Buffer): Buffer {
  const bytes = framed(message);
  bytes[0] = 1;
  return bytes;
}

function flagged(flag: number): Buffer {
  const bytes = framed(Buffer.of(1));
  bytes[0] = flag;
  return bytes;
}

describe("a call on the wire", () => {
  beforeEach(() => server.handle("/t.T/Echo", echo));

  test("is answered with headers, the message and the status in trailers", async () => {
    const { headers, trailers, body } = await ask("/t.T/Echo", framed(Buffer.from("abc")));
    expect(headers).toMatchObject({ ":status": 200, "content-type": "application/grpc+proto" });
    expect(body).toEqual(framed(Buffer.from("abc")));
    expect(trailers).toMatchObject({ "grpc-status": "0" });
  });

  test("of an unknown method is UNIMPLEMENTED, with its path", async () => {
    const { headers } = await ask("/t.T/Other", framed(Buffer.alloc(0)));
    expect(headers).toMatchObject({ "grpc-status": String(status.UNIMPLEMENTED) });
    expect(decodeURIComponent(headers["grpc-message"] as string)).toContain("/t.T/Other");
  });

  test.each([
    "application/grpc",
    "application/grpc+proto",
    "application/grpc;charset=utf-8",
    "application/grpc+proto; charset=utf-8",
  ])("may be of type %s", async (type) => {
    const { body } = await ask("/t.T/Echo", framed(Buffer.of(1)), { "content-type": type });
    expect(body).toEqual(framed(Buffer.of(1)));
  });

  test.each<[string, Buffer]>([
    ["gzip", gzipSync("abc")],
    ["deflate", deflateSync("abc")],
  ])("may come compressed by %s", async (encoding, bytes) => {
    const { body } = await ask("/t.T/Echo", compressed(bytes), { "grpc-encoding": encoding });
    expect(body).toEqual(framed(Buffer.from("abc")));
  });

  test.each<[string, status, Buffer, Record<string, string>]>([
    ["without a request", status.UNIMPLEMENTED, Buffer.alloc(0), {}],
    ["with two", status.UNIMPLEMENTED, Buffer.concat([framed(Buffer.of(1)), framed(Buffer.of(2))]), {}],
    ["with half of one", status.INTERNAL, framed(Buffer.alloc(100)).subarray(0, 50), {}],
    ["with one too long", status.RESOURCE_EXHAUSTED, framed(Buffer.alloc(MESSAGE_BYTES_MAX + 1)), {}],
    ["with a timeout that is none", status.INTERNAL, framed(Buffer.of(1)), { "grpc-timeout": "soon" }],
    ["in an unknown encoding", status.UNIMPLEMENTED, compressed(Buffer.of(1)), { "grpc-encoding": "br" }],
    ["compressed, and nobody says how", status.INTERNAL, compressed(Buffer.of(1)), {}],
    ["with a flag that is none", status.INTERNAL, flagged(2), {}],
    ["with all bits in its flag", status.INTERNAL, flagged(255), {}],
    ["compressed badly", status.INTERNAL, compressed(Buffer.of(1)), { "grpc-encoding": "gzip" }],
    [
      "that is too long decompressed",
      status.RESOURCE_EXHAUSTED,
      compressed(gzipSync(Buffer.alloc(MESSAGE_BYTES_MAX + 1))),
      { "grpc-encoding": "gzip" },
    ],
  ])("%s is refused", async (_name, code, bytes, headers) => {
    const reply = await ask("/t.T/Echo", bytes, headers);
    expect(reply.headers["grpc-status"]).toBe(String(code));
    expect((await ask("/t.T/Echo", framed(Buffer.of(7)))).body).toEqual(framed(Buffer.of(7)));
  });
});

describe("a request that is no gRPC costs nothing but itself", () => {
  beforeEach(() => server.handle("/t.T/Echo", echo));

  test.each([
    constants.NGHTTP2_NO_ERROR,
    constants.NGHTTP2_PROTOCOL_ERROR,
    constants.NGHTTP2_INTERNAL_ERROR,
    constants.NGHTTP2_REFUSED_STREAM,
    constants.NGHTTP2_CANCEL,
  ])("though its caller breaks it off with code %i", async (code) => {
    const stranger = connectSocket((listener.address() as { port: number }).port, "127.0.0.1");
    let isOver = false;
    stranger.on("close", () => {
      isOver = true;
    });
    stranger.resume();
    // All in one piece: the request is answered in the turn in which it is broken off, with its body unread.
    stranger.write(
      Buffer.concat([
        PREFACE,
        frame(SETTINGS, 0, 0, Buffer.alloc(0)),
        frame(HEADERS, END_HEADERS, 1, JSON_REQUEST),
        frame(DATA, 0, 1, Buffer.alloc(100)),
        frame(RST_STREAM, 0, 1, Buffer.of(0, 0, 0, code)),
        frame(GOAWAY, 0, 0, Buffer.alloc(8)),
      ]),
    );
    await eventually("its connection is closed", () => isOver);
    expect((await ask("/t.T/Echo", framed(Buffer.of(7)))).body).toEqual(framed(Buffer.of(7)));
  });
});

test("what a failure says arrives, whatever is in it", async () => {
  const said = "100 % größer \u{1F600}\n";
  server.handle("/t.T/Fail", (call) =>
    readRequest(call, {
      request: () => call.fail({ code: status.ABORTED, details: said }),
      cancelled: () => {},
    }),
  );
  const failure = await new Promise<ServiceError | null>((resolve) =>
    client.makeUnaryRequest("/t.T/Fail", asIs, asIs, Buffer.of(1), (error) => resolve(error)),
  );
  expect(failure).toMatchObject({ code: status.ABORTED, details: said });
});

test("a failure after messages comes after them", async () => {
  server.handle("/t.T/Two", (call) => {
    call.listen({ message: () => {}, end: () => {}, cancelled: () => {} });
    call.write(Buffer.of(1));
    call.write(Buffer.of(2));
    call.fail({ code: status.DATA_LOSS, details: "no more" });
  });
  const { body, trailers } = await ask("/t.T/Two", Buffer.alloc(0));
  expect(body).toEqual(Buffer.concat([framed(Buffer.of(1)), framed(Buffer.of(2))]));
  expect(trailers).toMatchObject({ "grpc-status": String(status.DATA_LOSS), "grpc-message": "no%20more" });
});

describe("a call that is over is closed though its caller has not ended its half", () => {
  const messages = [Buffer.alloc(50_000, 1), Buffer.alloc(50_000, 2)];

  test.each<[string, readonly Buffer[]]>([
    ["at once", []],
    ["after messages", messages],
  ])("which failed %s, and its status arrives", async (_name, answers) => {
    server.handle("/t.T/Fail", (call) => {
      call.listen({ message: () => {}, end: () => {}, cancelled: () => {} });
      for (const answer of answers) call.write(answer);
      call.fail({ code: status.ABORTED, details: "no" });
    });
    const expected = Buffer.concat(answers.map(framed));
    const replies = Array.from({ length: 50 }, () => replyTo(begin("/t.T/Fail")));
    for (const { headers, trailers, body } of await Promise.all(replies)) {
      expect({ ...headers, ...trailers }).toMatchObject({ "grpc-status": String(status.ABORTED) });
      // Not toEqual(), which takes most of a second for each to look at one byte after another.
      expect(body.equals(expected)).toBe(true);
    }
  });

  test("and grpc-js hears its messages and its status", async () => {
    server.handle("/t.T/Fail", (call) => {
      call.listen({ message: () => {}, end: () => {}, cancelled: () => {} });
      for (const message of messages) call.write(message);
      call.fail({ code: status.ABORTED, details: "no" });
    });
    const results = Array.from(
      { length: 50 },
      () =>
        new Promise<readonly [number, ServiceError]>((resolve) => {
          let received = 0;
          const stream = client.makeBidiStreamRequest("/t.T/Fail", asIs, asIs);
          stream.on("data", () => {
            received += 1;
          });
          stream.on("error", (error: ServiceError) => resolve([received, error]));
        }),
    );
    for (const [received, error] of await Promise.all(results)) {
      expect(received).toBe(messages.length);
      expect(error).toMatchObject({ code: status.ABORTED, details: "no" });
    }
  });
});

test("a caller's metadata and deadline are there", async () => {
  const seen: { text: string | null; none: string | null; leftMs: number }[] = [];
  server.handle("/t.T/Echo", (call) => {
    seen.push({
      text: call.header("some-key"),
      none: call.header("other-key"),
      leftMs: call.deadlineMs - Date.now(),
    });
    echo(call);
  });
  const metadata = new Metadata();
  metadata.set("some-key", "some text");
  await new Promise((resolve) =>
    client.makeUnaryRequest(
      "/t.T/Echo",
      asIs,
      asIs,
      Buffer.of(1),
      metadata,
      { deadline: Date.now() + NEVER_MS },
      resolve,
    ),
  );
  expect(seen).toMatchObject([{ text: "some text", none: null }]);
  expect(seen[0]!.leftMs).toBeLessThanOrEqual(NEVER_MS);
  expect(seen[0]!.leftMs).toBeGreaterThan(0);
});

describe("the end of a call is told once", () => {
  test("when its caller resets it", async () => {
    let begun = 0;
    let cancelled = 0;
    server.handle("/t.T/Wait", (call) => {
      begun += 1;
      call.listen({
        message: () => {},
        end: () => {},
        cancelled: () => {
          cancelled += 1;
        },
      });
    });
    const stream = begin("/t.T/Wait");
    stream.on("error", () => {});
    await eventually("it has begun", () => begun === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually("it is over", () => cancelled === 1);
    session.destroy();
    await new Promise<void>((resolve) => server.drain(resolve));
    expect(cancelled).toBe(1);
  });

  test.each<[string, (streams: readonly ClientHttp2Stream[]) => void]>([
    [
      "is reset",
      (streams) => {
        for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
      },
    ],
    ["loses its connection", () => session.destroy()],
  ])("when it %s, though its caller may seem to have said all", async (_name, break_) => {
    let over = 0;
    let begun = 0;
    server.handle("/t.T/Wait", (call) => {
      call.listen({
        message: () => {
          begun += 1;
        },
        end: () => {
          over += 1;
          call.end();
        },
        cancelled: () => {
          over += 1;
        },
      });
    });
    const calls = 20;
    const streams = Array.from({ length: calls }, () => begin("/t.T/Wait"));
    for (const stream of streams) {
      stream.on("error", () => {});
      stream.write(framed(Buffer.of(1)));
    }
    await eventually("all have begun", () => begun === calls);
    break_(streams);
    await eventually("all are over", () => over >= calls);
    session.destroy();
    await new Promise<void>((resolve) => server.drain(resolve));
    expect(over).toBe(calls);
  });

  test("when its deadline passes, which its caller hears of too", async () => {
    let cancelled = 0;
    server.handle("/t.T/Wait", (call) => {
      call.endAtDeadline();
      call.listen({
        message: () => {},
        end: () => {},
        cancelled: () => {
          cancelled += 1;
        },
      });
    });
    const { headers } = await ask("/t.T/Wait", framed(Buffer.of(1)), { "grpc-timeout": "20m" });
    expect(headers["grpc-status"]).toBe(String(status.DEADLINE_EXCEEDED));
    expect(cancelled).toBe(1);
  });

  test("and not where it was answered", async () => {
    let cancelled = 0;
    server.handle("/t.T/Echo", (call) =>
      readRequest(call, {
        request: (body) => call.answer(body),
        cancelled: () => {
          cancelled += 1;
        },
      }),
    );
    await ask("/t.T/Echo", framed(Buffer.of(1)));
    session.destroy();
    await new Promise<void>((resolve) => server.drain(resolve));
    expect(cancelled).toBe(0);
  });
});

test("a caller that is not read waits, and goes on when it is", async () => {
  let received = 0;
  let call: ServerCall | null = null;
  server.handle("/t.T/Push", (begun) => {
    call = begun;
    begun.listen({
      message: () => {
        received += 1;
      },
      end: () => begun.end(),
      cancelled: () => {},
    });
    begun.pause();
  });
  const stream = begin("/t.T/Push");
  const message = framed(Buffer.alloc(10_000));
  for (let sent = 0; sent < 100; sent += 1) stream.write(message);
  stream.end();
  const reply = replyTo(stream);
  await eventually("it has begun", () => call !== null);
  expect(received).toBe(0);
  expect(stream.writableLength).toBeGreaterThan(100_000);
  call!.resume();
  await reply;
  expect(received).toBe(100);
});

test("who writes hears when there is no room, and when there is again", async () => {
  let drained = 0;
  let call: ServerCall | null = null;
  server.handle("/t.T/Pull", (begun) => {
    call = begun;
    begun.listen({
      message: () => {},
      end: () => {},
      cancelled: () => {},
      drained: () => {
        drained += 1;
      },
    });
  });
  const stream = begin("/t.T/Pull");
  stream.end();
  stream.pause();
  await eventually("it has begun", () => call !== null);
  let hasRoom = true;
  let written = 0;
  for (; hasRoom; written += 1) hasRoom = call!.write(Buffer.alloc(50_000));
  expect(written).toBeLessThan(20);
  const reply = replyTo(stream);
  stream.resume();
  await eventually("there is room again", () => drained === 1);
  call!.end();
  expect((await reply).body).toHaveLength(written * 50_005);
});

test("a server that drains lets calls end, takes none, and is done when its connections are", async () => {
  let answer: (() => void) | null = null;
  server.handle("/t.T/Wait", (call) =>
    readRequest(call, {
      request: (body) => {
        answer = () => call.answer(body);
      },
      cancelled: () => {},
    }),
  );
  let isDrained = false;
  const reply = ask("/t.T/Wait", framed(Buffer.of(5)));
  const told = new Promise<void>((resolve) => session.once("goaway", () => resolve()));
  await eventually("it has begun", () => answer !== null);
  server.drain(() => {
    isDrained = true;
  });
  await told;
  expect(isDrained).toBe(false);
  (answer as unknown as () => void)();
  expect((await reply).body).toEqual(framed(Buffer.of(5)));
  await eventually("it is done", () => isDrained);
});

test("connections that are gone at once, and such as speak no HTTP/2, cost the others nothing", async () => {
  server.handle("/t.T/Echo", echo);
  const { port } = listener.address() as { port: number };
  const said = [
    Buffer.alloc(0),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    PREFACE,
    Buffer.concat([PREFACE, Buffer.alloc(200, 0xff)]),
  ];
  let closed = 0;
  for (const bytes of said) {
    for (const isCut of [true, false]) {
      const socket = connectSocket(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.on("close", () => {
        closed += 1;
      });
      socket.on("connect", () => {
        socket.write(bytes);
        if (isCut) socket.resetAndDestroy();
        else socket.end();
      });
      socket.resume();
    }
  }
  await eventually("all are over", () => closed === 2 * said.length);
  expect((await ask("/t.T/Echo", framed(Buffer.of(3)))).body).toEqual(framed(Buffer.of(3)));
});

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** Each field as a literal without a place in the table (RFC 7541, section 6.2.2). */
const JSON_REQUEST = Buffer.concat(
  [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/t.T/Echo"],
    [":authority", "stranger"],
    ["content-type", "application/json"],
  ].flatMap((field) => [
    Buffer.of(0),
    ...field.flatMap((text) => [Buffer.of(text.length), Buffer.from(text)]),
  ]),
);
