import { createServer, type Server as TcpServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { framed } from "@quorate/proto/calling";
import { GrpcServer, readRequest, type ServerCall } from "@quorate/services/grpc";
import { HeaderEncoder } from "../../../proto/http2/header-encoder";
import { RawCaller } from "../proto/http2/raw-caller";
import { passed } from "../proto/http2/serving-rig";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  HEADERS,
  number32,
  RST_STREAM,
} from "./http2-frames";

const NEVER_MS = 1_000_000;
/** What each request keeps: most of the 64 KiB that HTTP/2 gives a stream. */
const KEPT_BYTES = 50_000;
/** As many as fit, with the headers of some more. */
const FITTING = 20;
const INFLOW_BYTES_MAX = FITTING * KEPT_BYTES + 25_000;

let server: GrpcServer;
let listener: TcpServer;
let callers: RawCaller[];
let refused: string[];

beforeEach(async () => {
  refused = [];
  callers = [];
  server = new GrpcServer({
    messageBytesMax: 2 * KEPT_BYTES,
    keepalive: { timeMs: NEVER_MS, timeoutMs: NEVER_MS },
    // All that a test says may come at once.
    windows: { callBytes: 16 * KEPT_BYTES, connectionBytes: 10 * INFLOW_BYTES_MAX },
    inflowBytesMax: INFLOW_BYTES_MAX,
    onRefused: (_call, why) => refused.push(why),
  });
  server.handle("/t.T/Echo", (call) =>
    readRequest(call, { request: (body) => call.answer(body.subarray(0, 1)), cancelled: () => {} }),
  );
  server.handle("/t.T/Unread", (call) => {
    listenFor(call, () => {});
    call.pause();
  });
  server.handle("/t.T/Paused", (call) => listenFor(call, () => call.pause()));
  server.handle("/t.T/Stream", (call) => listenFor(call, () => {}));
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  for (const caller of callers) caller.close();
  server.cut();
  listener.close();
});

function listenFor(call: ServerCall, message: () => void): void {
  call.listen({ message, end: () => call.end(), cancelled: () => {} });
}

function call(): RawCaller {
  const caller = new RawCaller((listener.address() as { port: number }).port).begin();
  callers.push(caller);
  return caller;
}

function data(streamId: number, bytes: Buffer, flags = 0): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) {
    const part = bytes.subarray(at, at + 16_384);
    frames.push(frame(DATA, at + part.length === bytes.length ? flags : 0, streamId, part));
  }
  return Buffer.concat(frames);
}

type Field = readonly [name: string, value: string];

/** The first frame of a request has to hold its headers. */
function request(streamId: number, path: string, said: Buffer, more: readonly Field[] = []): Buffer {
  const block = Buffer.alloc(16_384);
  const fields: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    ["content-type", "application/grpc"],
    ...more,
  ];
  const bytes = new HeaderEncoder().encode(fields, block, 0);
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, streamId, block.subarray(0, bytes)),
    data(streamId, said),
  ]);
}

async function statusOf(caller: RawCaller, streamId: number): Promise<number> {
  const { payload } = await caller.next(HEADERS, streamId);
  return Number(caller.decode(payload).get("grpc-status"));
}

function cancel(streamId: number): Buffer {
  return frame(RST_STREAM, 0, streamId, number32(errorCode.cancel));
}

const NO_BYTES = Buffer.alloc(0);
const whole = framed(Buffer.alloc(KEPT_BYTES, 7));
const half = framed(Buffer.alloc(2 * KEPT_BYTES, 7)).subarray(0, KEPT_BYTES);
/** What one frame has room for, several times: a field that is kept costs its sender a byte. */
const longHeaders: readonly Field[] = Array.from({ length: 3 }, (_, nth) => [
  `long-${nth}`,
  "x".repeat(5000),
]);

function streamIds(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, nth) => 2 * (from + nth) + 1);
}

describe("the requests of one connection", () => {
  test.each<[string, string, Buffer, readonly Field[], number]>([
    ["that are not whole", "/t.T/Echo", half, [], FITTING],
    ["that have no end", "/t.T/Echo", whole, [], FITTING],
    ["of a stream that are not whole", "/t.T/Stream", half, [], FITTING],
    ["that nobody reads yet", "/t.T/Unread", whole, [], FITTING],
    ["that are not read on", "/t.T/Paused", whole, [], FITTING],
    ["with long headers", "/t.T/Stream", NO_BYTES, longHeaders, 66],
  ])("%s are refused where they come to too much, and those before them go on", async (...row) => {
    const [, path, said, headers, fitting] = row;
    const caller = call();
    const first = streamIds(0, fitting);
    caller.say(...first.map((id) => request(id, path, said, headers)));
    await passed(caller);
    expect(refused).toEqual([]);

    const more = streamIds(fitting, 5);
    caller.say(...more.map((id) => request(id, path, said, headers)));
    await passed(caller);
    expect(refused).toHaveLength(5);
    for (const id of more) expect(await statusOf(caller, id)).toBe(status.RESOURCE_EXHAUSTED);
    expect(caller.frames.filter(({ streamId }) => first.includes(streamId))).toEqual([]);

    caller.say(...first.map(cancel));
    caller.say(...streamIds(fitting + 5, fitting).map((id) => request(id, path, said, headers)));
    await passed(caller);
    expect(refused).toHaveLength(5);
  });

  test("count no more when they have been told, however many there are", async () => {
    const caller = call();
    for (let round = 0; round < 6; round += 1) {
      // Half of what fits, for they grow.
      const ids = streamIds((round * FITTING) / 2, FITTING / 2);
      caller.say(...ids.map((id) => request(id, "/t.T/Echo", half)));
      caller.say(...ids.map((id) => data(id, Buffer.alloc(KEPT_BYTES + 5, 7), END_STREAM)));
      for (const id of ids) expect((await caller.next(DATA, id)).payload).toEqual(framed(Buffer.of(7)));
    }
    const [id = 0] = streamIds(3 * FITTING, 1);
    caller.say(request(id, "/t.T/Stream", whole));
    for (let sent = 0; sent < 3 * FITTING; sent += 1) {
      caller.say(data(id, whole));
      await passed(caller);
    }
    expect(refused).toEqual([]);
  });

  test("count for themselves, and not for those of another", async () => {
    for (const caller of [call(), call()]) {
      caller.say(...streamIds(0, FITTING).map((id) => request(id, "/t.T/Echo", half)));
      await passed(caller);
    }
    expect(refused).toEqual([]);
  });
});
