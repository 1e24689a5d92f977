import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { createServer, type Server as TcpServer } from "node:net";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { framed } from "@quorate/proto/calling";
import { StreamSink } from "@quorate/services/forward";
import { GrpcServer, readRequest, type ServerCall } from "@quorate/services/grpc";
import { Outflow } from "../../../services/grpc/outflow";
import { eventually } from "../../support/eventually";
import { replyTo } from "./reply";

const NEVER_MS = 1_000_000;
const ANSWER = Buffer.alloc(100_000);
/** As many answers as it takes: beyond the windows of HTTP/2, which are 64 KiB here. */
const ANSWERS_MAX = 10;
const BOUNDS = {
  bytesMax: ANSWERS_MAX * ANSWER.length,
  stalledBytesMax: 100 * ANSWER.length,
  stalledBytesMin: ANSWER.length,
  stalledMs: NEVER_MS,
  cutBytesMax: 200 * ANSWER.length,
};

let server: GrpcServer;
let listener: TcpServer;
let session: ClientHttp2Session;
/** Why connections were ended. */
let cuts: string[];
let isClosed: boolean;

async function serve(bounds: Partial<typeof BOUNDS> = {}): Promise<void> {
  server = new GrpcServer({
    messageBytesMax: 1000,
    keepalive: { timeMs: NEVER_MS, timeoutMs: NEVER_MS },
    outflow: { ...BOUNDS, ...bounds },
    onCut: (_peer, why) => cuts.push(why),
  });
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  session = connect(`http://127.0.0.1:${(listener.address() as { port: number }).port}`);
  session.on("error", () => {});
  const own = session;
  session.on("close", () => {
    if (own === session) isClosed = true;
  });
}

beforeEach(() => {
  cuts = [];
  isClosed = false;
});

afterEach(() => {
  session.destroy();
  server.cut();
  listener.close();
});

function begin(path: string, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  stream.end(framed(Buffer.alloc(1)));
  return stream;
}

/** Answers at once, and counts how many calls it was given. */
function answerLarge(begun: ServerCall[]): (call: ServerCall) => void {
  return (call) => {
    begun.push(call);
    readRequest(call, { request: () => call.answer(ANSWER), cancelled: () => {} });
  };
}

/** Answers once there are so many calls, which then are beyond what would be begun. */
function answerTogether(count: number): (call: ServerCall) => void {
  const asked: ServerCall[] = [];
  return (call) =>
    readRequest(call, {
      request: () => {
        asked.push(call);
        if (asked.length === count) for (const each of asked) each.answer(ANSWER);
      },
      cancelled: () => {},
    });
}

/** As many calls as are begun while none is read, and as many behind them. */
async function overfill(begun: readonly unknown[]): Promise<ClientHttp2Stream[]> {
  const already = begun.length;
  const calls = (): ClientHttp2Stream[] => Array.from({ length: ANSWERS_MAX }, () => begin("/t.T/Large"));
  const first = calls();
  await passed();
  const behind = calls();
  await passed();
  expect(begun.length - already).toBe(first.length);
  return [...first, ...behind];
}

/** Resolves when the server has seen what was asked before: what is no gRPC is answered at once. */
async function passed(): Promise<void> {
  const { headers } = await replyTo(begin("/t.T/Large", { "content-type": "text/plain" }));
  expect(headers[":status"]).toBe(415);
}

describe("a caller that does not read its answers", () => {
  test("has no more calls begun, until it does", async () => {
    await serve();
    const begun: ServerCall[] = [];
    server.handle("/t.T/Large", answerLarge(begun));
    const streams = await overfill(begun);
    const replies = await Promise.all(streams.map(replyTo));
    expect(replies.every(({ body }) => body.length === ANSWER.length + 5)).toBe(true);
    expect(begun).toHaveLength(streams.length);
  });

  test("has the time that its calls wait counted", async () => {
    await serve();
    const begun: ServerCall[] = [];
    server.handle("/t.T/Large", answerLarge(begun));
    const streams = await overfill(begun);
    const timeoutMs = 60_000;
    const last = begin("/t.T/Large", { "grpc-timeout": `${timeoutMs}m` });
    await passed();
    const arrivedMs = Date.now();
    await eventually("time has passed", () => Date.now() > arrivedMs);
    await Promise.all([...streams, last].map(replyTo));
    expect(begun.at(-1)!.deadlineMs).toBeLessThanOrEqual(arrivedMs + timeoutMs);
  });

  test("gets nothing more of any stream either, until it does", async () => {
    await serve();
    let written = 0;
    const messages = 5;
    server.handle("/t.T/Pull", (call) => {
      let aborted = false;
      const sink = new StreamSink(call, {
        get aborted() {
          return aborted;
        },
        addEventListener: () => {},
        removeEventListener: () => {},
      });
      const send = async (): Promise<void> => {
        for (let sent = 0; sent < messages; sent += 1) {
          await sink.write(ANSWER);
          written += 1;
        }
        call.end();
      };
      readRequest(call, {
        request: () => void send(),
        cancelled: () => {
          aborted = true;
        },
      });
    });
    const streams = Array.from({ length: 4 * ANSWERS_MAX }, () => begin("/t.T/Pull"));
    await passed();
    expect(written).toBeLessThanOrEqual(ANSWERS_MAX);
    const replies = await Promise.all(streams.map(replyTo));
    expect(replies.every(({ body }) => body.length === messages * (ANSWER.length + 5))).toBe(true);
  });

  test("has its pause and its room told to who writes as fast as that", async () => {
    await serve();
    let hasRoom = true;
    let drained = 0;
    const begun: ServerCall[] = [];
    server.handle("/t.T/Large", answerLarge(begun));
    server.handle("/t.T/Push", (call) => {
      call.listen({
        message: () => {
          hasRoom = call.write(Buffer.alloc(1));
        },
        end: () => {},
        cancelled: () => {},
        drained: () => {
          drained += 1;
          call.end();
        },
      });
    });
    const push = session.request({
      ":method": "POST",
      ":path": "/t.T/Push",
      "content-type": "application/grpc",
    });
    await passed();
    const streams = await overfill(begun);
    push.write(framed(Buffer.alloc(1)));
    await eventually("it is told to wait", () => !hasRoom);
    expect(drained).toBe(0);
    const replies = [...streams, push].map(replyTo);
    await eventually("it is told that there is room", () => drained === 1);
    push.end();
    await Promise.all(replies);
  });

  test("may reset its calls instead, and nothing of them counts any more", async () => {
    await serve();
    const begun: ServerCall[] = [];
    server.handle("/t.T/Large", answerLarge(begun));
    for (let round = 0; round < 3; round += 1) {
      const streams = await overfill(begun);
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
      await passed();
    }
  });

  test("is ended where it takes next to nothing of far too much", async () => {
    await serve({ stalledBytesMax: 10 * ANSWER.length, stalledMs: 50 });
    const calls = 40;
    server.handle("/t.T/Large", answerTogether(calls));
    for (let sent = 0; sent < calls; sent += 1) begin("/t.T/Large");
    await eventually("it is ended", () => isClosed);
    expect(cuts).toEqual([expect.stringContaining("hardly taken")]);
  });

  test("is ended at once where it is more than can be borne", async () => {
    await serve({ cutBytesMax: 20 * ANSWER.length });
    const calls = 40;
    server.handle("/t.T/Large", answerTogether(calls));
    for (let sent = 0; sent < calls; sent += 1) begin("/t.T/Large");
    await eventually("it is ended", () => isClosed);
    expect(cuts).toEqual([expect.stringContaining("not taken")]);
  });
});

test("a caller that takes what it asked for is not ended, however long it takes", () => {
  jest.useFakeTimers();
  try {
    const why: string[] = [];
    const outflow = new Outflow({ ...BOUNDS, stalledMs: 10 }, (said) => why.push(said));
    outflow.wrote(BOUNDS.stalledBytesMax + 10 * BOUNDS.stalledBytesMin);
    for (let look = 0; look < 9; look += 1) {
      outflow.took(BOUNDS.stalledBytesMin);
      jest.advanceTimersByTime(10);
    }
    expect(why).toEqual([]);
    jest.advanceTimersByTime(20);
    expect(why).toHaveLength(1);
  } finally {
    jest.useRealTimers();
  }
});

test("calls above what a connection may have open wait with their caller", async () => {
  await serve();
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  expect(session.remoteSettings.maxConcurrentStreams).toBe(16_384);
});
