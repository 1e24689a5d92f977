import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Headers, KeptField, ServingConnection, type Stream } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import {
  ACK,
  DATA,
  END_HEADERS,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
} from "../../grpc/http2-frames";
import { RawCaller } from "./raw-caller";

const PRIORITY = 2;
const PUSH_PROMISE = 5;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const END_STREAM = 1;
const PADDED = 8;
const HAS_PRIORITY = 32;

const HEADER_TABLE_SIZE = 1;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;

const code = {
  protocol: 1,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

const STREAMS_MAX = 4;
const NO_BYTES = Buffer.alloc(0);

let listener: Server;
let connection: ServingConnection;
let sockets: Socket[];
/** What the serving end was told of each stream, by its number. */
let told: Map<
  number,
  { headers: Headers; stream: Stream; data: Buffer[]; ends: number; closed: (number | null)[] }
>;
/** Data that was given to be sent, and how much of it was taken. */
let wrote: number;
let took: number;
let accepted: number;
let closed: number;
const callers: RawCaller[] = [];

beforeEach(async () => {
  told = new Map();
  wrote = 0;
  took = 0;
  accepted = 0;
  sockets = [];
  closed = 0;
  listener = createServer((socket) => {
    accepted += 1;
    sockets.push(socket);
    connection = new ServingConnection(
      socket,
      { streamsMax: STREAMS_MAX },
      {
        stream: (stream, headers) => {
          const seen = { headers, stream, data: [] as Buffer[], ends: 0, closed: [] as (number | null)[] };
          told.set(stream.id, seen);
          stream.listener = {
            onData: (bytes) => seen.data.push(Buffer.from(bytes)),
            onEnd: () => {
              seen.ends += 1;
            },
            onDrained: () => {},
            onClosed: (code) => seen.closed.push(code),
          };
        },
        wrote: (bytes) => {
          wrote += bytes;
        },
        took: (bytes) => {
          took += bytes;
        },
        closed: () => {
          closed += 1;
        },
      },
    );
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  for (const caller of callers.splice(0)) caller.close();
  await eventually("all connections are over", () => closed === accepted);
  listener.close();
});

function call(settings: readonly (readonly [number, number])[] = []): RawCaller {
  const caller = new RawCaller((listener.address() as { port: number }).port);
  callers.push(caller);
  return caller.begin(settings);
}

/** A block of one field that nobody keeps. */
function block(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value),
  ]);
}

const BLOCK = block("name", "value");

function headers(streamId: number, flags = END_HEADERS): Buffer {
  return frame(HEADERS, flags, streamId, BLOCK);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

async function begun(streamId: number) {
  return eventually(`stream ${streamId} has begun`, () => told.get(streamId));
}

/** Answered once all that was said before is read. */
async function passed(caller: RawCaller): Promise<void> {
  caller.say(frame(PING, 0, 0, Buffer.alloc(8, 1)));
  expect(await caller.next(PING, 0)).toMatchObject({ flags: ACK, payload: Buffer.alloc(8, 1) });
}

describe("a connection is ended, with the reason,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    ["by a frame before the settings", code.protocol, [PREFACE, frame(PING, 0, 0, Buffer.alloc(8))]],
    ["by something else than HTTP/2", code.protocol, [Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]],
  ])("%s", async (_name, expected, parts) => {
    const caller = new RawCaller((listener.address() as { port: number }).port);
    callers.push(caller);
    caller.say(...parts);
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(expected);
    await eventually("it is closed", () => caller.isClosed && closed === 1);
  });

  test.each<[string, number, readonly Buffer[]]>([
    ["by a frame that is too long", code.frameSize, [frame(PING, 0, 0, Buffer.alloc(16_385))]],
    ["by a stream with an even number", code.protocol, [headers(2)]],
    ["by data of the connection", code.protocol, [frame(DATA, 0, 0, Buffer.of(1))]],
    ["by data of a stream that has not begun", code.protocol, [frame(DATA, 0, 1, Buffer.of(1))]],
    ["by more padding than there is", code.protocol, [headers(1), frame(DATA, PADDED, 1, Buffer.of(1))]],
    ["by padding without a length", code.protocol, [headers(1), frame(DATA, PADDED, 1, NO_BYTES)]],
    ["by a block that is none", code.compression, [frame(HEADERS, END_HEADERS, 1, Buffer.of(0x80))]],
    [
      "by a priority that is cut off",
      code.frameSize,
      [frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, Buffer.of(0))],
    ],
    ["by a header that is interrupted", code.protocol, [headers(1, 0), frame(PING, 0, 0, Buffer.alloc(8))]],
    [
      "by a header that data interrupts",
      code.protocol,
      [headers(1), headers(3, 0), frame(DATA, 0, 1, BLOCK)],
    ],
    [
      "by a header that another goes on with",
      code.protocol,
      [headers(1, 0), frame(CONTINUATION, 4, 3, BLOCK)],
    ],
    ["by the rest of a header that did not begin", code.protocol, [frame(CONTINUATION, 4, 1, BLOCK)]],
    [
      "by a header without an end",
      code.enhanceYourCalm,
      [headers(1, 0), ...Array.from({ length: 10_000 }, () => frame(CONTINUATION, 0, 1, NO_BYTES))],
    ],
    ["by a reset of a stream that has not begun", code.protocol, [frame(RST_STREAM, 0, 1, number32(8))]],
    ["by a reset that is cut off", code.frameSize, [headers(1), frame(RST_STREAM, 0, 1, Buffer.of(8))]],
    [
      "by more resets than anyone needs",
      code.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) => [
        headers(2 * nth + 1),
        frame(RST_STREAM, 0, 2 * nth + 1, number32(8)),
      ]).flat(),
    ],
    [
      "by more faults of its streams than anyone makes",
      code.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) => [
        headers(2 * nth + 1, END_HEADERS | END_STREAM),
        frame(DATA, 0, 2 * nth + 1, Buffer.of(1)),
      ]).flat(),
    ],
    ["by settings that are cut off", code.frameSize, [frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
    ["by settings of a stream", code.protocol, [frame(SETTINGS, 0, 1, NO_BYTES)]],
    [
      "by settings that acknowledge and say something",
      code.frameSize,
      [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
    ],
    [
      "by a window that is too large from the start",
      code.flowControl,
      [frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(2 ** 31)]))],
    ],
    [
      "by a window that its settings make too large",
      code.flowControl,
      [
        headers(1),
        frame(WINDOW_UPDATE, 0, 1, number32(2 ** 31 - 1 - 65_535)),
        frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(65_536)])),
      ],
    ],
    [
      "by frames that may only be too short",
      code.protocol,
      [frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, MAX_FRAME_SIZE), number32(16_383)]))],
    ],
    ["by a probe that is cut off", code.frameSize, [frame(PING, 0, 0, Buffer.alloc(7))]],
    ["by a probe of a stream", code.protocol, [frame(PING, 0, 1, Buffer.alloc(8))]],
    ["by a window that does not grow", code.protocol, [frame(WINDOW_UPDATE, 0, 0, number32(0))]],
    [
      "by a window that grows too large",
      code.flowControl,
      [frame(WINDOW_UPDATE, 0, 0, number32(2 ** 31 - 1))],
    ],
    [
      "by the window of a stream that has not begun",
      code.protocol,
      [frame(WINDOW_UPDATE, 0, 1, number32(1))],
    ],
    ["by a window that is cut off", code.frameSize, [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))]],
    [
      "by more changes of all windows than anyone needs",
      code.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) =>
        frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(nth)])),
      ),
    ],
    ["by a farewell of a stream", code.protocol, [frame(GOAWAY, 0, 1, Buffer.alloc(8))]],
    ["by a farewell that is cut off", code.frameSize, [frame(GOAWAY, 0, 0, Buffer.alloc(7))]],
    ["by a promise", code.protocol, [frame(PUSH_PROMISE, END_HEADERS, 1, BLOCK)]],
    ["by a priority of the connection", code.protocol, [frame(PRIORITY, 0, 0, Buffer.alloc(5))]],
  ])("%s", async (_name, expected, parts) => {
    const caller = call().say(...parts);
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(expected);
    await eventually("it is closed", () => caller.isClosed && closed === 1);
    for (const { closed } of told.values()) expect(closed).toHaveLength(1);
  });
});

test("a connection is ended by more data than a stream has room for", async () => {
  const caller = call().say(headers(1));
  const seen = await begun(1);
  seen.stream.pause();
  for (let sent = 0; sent < 5; sent += 1) caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)));
  expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(code.flowControl);
  await eventually("it is closed", () => caller.isClosed);
  expect([seen.data, seen.closed]).toEqual([[], [null]]);
});

describe("a stream alone is reset, with the reason,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    [
      "by data behind its end",
      code.streamClosed,
      [headers(1, END_HEADERS | END_STREAM), frame(DATA, 0, 1, Buffer.of(1))],
    ],
    ["by headers behind its end", code.protocol, [headers(1, END_HEADERS | END_STREAM), headers(1)]],
    ["by further headers that are not its end", code.protocol, [headers(1), headers(1)]],
    ["by a window that does not grow", code.protocol, [headers(1), frame(WINDOW_UPDATE, 0, 1, number32(0))]],
    [
      "by a window that grows too large",
      code.flowControl,
      [headers(1), frame(WINDOW_UPDATE, 0, 1, number32(2 ** 31 - 1))],
    ],
  ])("%s", async (_name, expected, parts) => {
    const caller = call().say(...parts);
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(expected);
    expect(told.get(1)?.closed).toEqual([expected]);
    await passed(caller);
  });

  test("where there are too many", async () => {
    const caller = call();
    for (let nth = 0; nth <= STREAMS_MAX; nth += 1) caller.say(headers(2 * nth + 1));
    expect((await caller.next(RST_STREAM, 2 * STREAMS_MAX + 1)).payload.readUInt32BE(0)).toBe(
      code.refusedStream,
    );
    expect(told.size).toBe(STREAMS_MAX);
  });

  test("by headers that come to too much, and what they keep is meant by later ones", async () => {
    const long = Buffer.concat([Buffer.of(0x40, 1, 0x61, 1, 0x31), Buffer.alloc(3000, 0xbe)]);
    const caller = call().say(
      frame(HEADERS, END_HEADERS, 1, long),
      frame(HEADERS, END_HEADERS, 3, Buffer.of(0xbe)),
    );
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(code.enhanceYourCalm);
    expect((await begun(3)).headers.get("a")).toBe("1");
    expect(told.has(1)).toBe(false);
  });
});

describe("what comes is taken", () => {
  test("whichever pieces it comes in", async () => {
    const caller = call();
    const all = Buffer.concat([
      frame(HEADERS, 0, 1, BLOCK.subarray(0, 3)),
      frame(CONTINUATION, 0, 1, BLOCK.subarray(3, 5)),
      frame(CONTINUATION, END_HEADERS, 1, BLOCK.subarray(5)),
      frame(0x77, 0xff, 1, Buffer.of(1, 2, 3)),
      frame(PRIORITY, 0, 1, Buffer.alloc(5)),
      frame(DATA, 0, 1, Buffer.from("abc")),
      frame(DATA, 0, 1, NO_BYTES),
      frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(2), Buffer.from("def"), Buffer.alloc(2)])),
      frame(DATA, END_STREAM, 1, Buffer.from("ghi")),
    ]);
    for (let at = 0; at < all.length; at += 1) {
      caller.say(all.subarray(at, at + 1));
      if (at % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const seen = await begun(1);
    await eventually("it is whole", () => seen.ends === 1);
    expect(Buffer.concat(seen.data).toString()).toBe("abcdefghi");
    expect(seen.headers.get("name")).toBe("value");
  });

  test("with a priority and padding before a header", async () => {
    const padded = Buffer.concat([Buffer.of(3), Buffer.alloc(5), BLOCK, Buffer.alloc(3)]);
    call().say(frame(HEADERS, END_HEADERS | END_STREAM | PADDED | HAS_PRIORITY, 1, padded));
    const seen = await begun(1);
    expect([seen.headers.get("name"), seen.ends]).toEqual(["value", 1]);
  });

  test("with headers that end it", async () => {
    call().say(headers(1), frame(DATA, 0, 1, Buffer.of(1)), headers(1, END_HEADERS | END_STREAM));
    const seen = await begun(1);
    await eventually("it has ended", () => seen.ends === 1);
  });

  test("later where it is paused, and only then is there more room", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    seen.stream.pause();
    caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)), frame(DATA, 0, 1, Buffer.alloc(16_384)));
    caller.say(frame(DATA, END_STREAM, 1, Buffer.alloc(1)));
    await passed(caller);
    expect([seen.data.length, seen.ends]).toEqual([0, 0]);
    expect(caller.frames.filter(({ type, streamId }) => type === WINDOW_UPDATE && streamId === 1)).toEqual(
      [],
    );
    seen.stream.resume();
    await eventually("it has ended", () => seen.ends === 1);
    expect(Buffer.concat(seen.data)).toHaveLength(2 * 16_384 + 1);
  });

  test("as much as it wants, where it is read", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    let room = 65_535;
    for (let sent = 0; sent < 50; sent += 1) {
      for (; room < 16_384; room += (await caller.next(WINDOW_UPDATE, 1)).payload.readUInt32BE(0));
      caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)));
      room -= 16_384;
    }
    await eventually("all is there", () => Buffer.concat(seen.data).length === 50 * 16_384);
  });

  test("as much as it wants, where most of it is padding", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    let room = 65_535;
    for (let sent = 0; sent < 1000; sent += 1) {
      for (; room < 257; room += (await caller.next(WINDOW_UPDATE, 1)).payload.readUInt32BE(0));
      caller.say(frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(255, 1), Buffer.alloc(255)])));
      room -= 257;
    }
    await eventually("all is there", () => Buffer.concat(seen.data).length === 1000);
  });

  test("but nothing of a stream that is over here", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    seen.stream.reset();
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(code.cancel);
    for (let sent = 0; sent < 20; sent += 1) {
      caller.say(frame(DATA, 0, 1, Buffer.alloc(8000)));
      await passed(caller);
    }
    caller.say(frame(WINDOW_UPDATE, 0, 1, number32(1)), headers(1), frame(RST_STREAM, 0, 1, number32(8)));
    await passed(caller);
    expect([seen.data, seen.ends, seen.closed]).toEqual([[], 0, [code.cancel]]);
  });
});

describe("what is sent", () => {
  test("keeps to the windows of stream and connection, and to the length of frames", async () => {
    const caller = call([[INITIAL_WINDOW_SIZE, 20_000]]).say(headers(1), headers(3), headers(5), headers(7));
    await passed(caller);
    const taken: number[] = [];
    for (const [id, { stream }] of told) {
      stream.write(NO_BYTES, Buffer.alloc(50_000, id), () => taken.push(id));
      stream.end([]);
    }
    await eventually("the connection's window is used up", () => {
      const received = [1, 3, 5, 7].map((id) => caller.received(id));
      return (
        received.reduce((sum, bytes) => sum + bytes) === 65_535 && received.every((bytes) => bytes <= 20_000)
      );
    });
    expect([wrote, took, taken]).toEqual([200_000, 0, []]);
    caller.say(frame(WINDOW_UPDATE, 0, 0, number32(1_000_000)));
    await eventually("the windows of streams are", () =>
      [1, 3, 5, 7].every((id) => caller.received(id) === 20_000),
    );
    caller.say(frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(10_000)])));
    caller.say(frame(WINDOW_UPDATE, 0, 1, number32(40_000)));
    await eventually("30,000 more of one came", () => caller.received(1) === 50_000);
    for (const id of [3, 5, 7]) caller.say(frame(WINDOW_UPDATE, 0, id, number32(40_000)));
    await eventually("all came", () => [1, 3, 5, 7].every((id) => caller.received(id) === 50_000));
    await eventually("all is taken", () => took === 200_000 && taken.length === 4);
    const data = caller.frames.filter(({ type }) => type === DATA);
    expect(data.every(({ payload, streamId }) => payload.every((byte) => byte === streamId))).toBe(true);
    expect(Math.max(...data.map(({ payload }) => payload.length))).toBeLessThanOrEqual(16_384);
    expect(data.filter(({ flags }) => flags === END_STREAM)).toHaveLength(4);
  });

  test("is the headers, the data and the trailers of each stream, in this order", async () => {
    const caller = call().say(headers(1, END_HEADERS | END_STREAM), headers(3, END_HEADERS | END_STREAM));
    await passed(caller);
    const ok = new KeptField("grpc-status", "0");
    for (const { stream } of told.values()) {
      stream.sendHeaders([new KeptField(":status", "200")]);
      stream.write(Buffer.of(1), Buffer.of(2, 3), null);
      stream.end([ok]);
    }
    for (const id of [1, 3]) {
      expect(caller.decode((await caller.next(HEADERS, id)).payload).get(":status")).toBe("200");
      expect(await caller.next(DATA, id)).toMatchObject({ flags: 0, payload: Buffer.of(1, 2, 3) });
      const last = await caller.next(HEADERS, id);
      expect(last.flags).toBe(END_HEADERS | END_STREAM);
      expect(caller.decode(last.payload).get("grpc-status")).toBe("0");
    }
    expect([...told.values()].map(({ closed }) => closed)).toEqual([[0], [0]]);
    await passed(caller);
    expect(caller.frames.filter(({ type }) => type === RST_STREAM)).toEqual([]);
  });

  test("ends with a reset, which is none of a fault, where the caller has not said all", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    seen.stream.end([["grpc-status", "1"]]);
    expect((await caller.next(HEADERS, 1)).flags).toBe(END_HEADERS | END_STREAM);
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(0);
  });

  test("may be a header of several frames", async () => {
    const caller = call().say(headers(1));
    const seen = await begun(1);
    const long = "x".repeat(40_000);
    seen.stream.end([["long", long]]);
    const first = await caller.next(HEADERS, 1);
    expect(first.flags).toBe(END_STREAM);
    const second = await caller.next(CONTINUATION, 1);
    const third = await caller.next(CONTINUATION, 1);
    expect([second.flags, third.flags]).toEqual([0, END_HEADERS]);
    const whole = Buffer.concat([first.payload, second.payload, third.payload]);
    expect(caller.decode(whole).get("long")).toBe(long);
  });

  test("keeps no fields where the caller has no table for them", async () => {
    const caller = call([[HEADER_TABLE_SIZE, 0]]).say(headers(1), headers(3));
    await begun(3);
    const field = new KeptField("some-name", "some value");
    for (const { stream } of told.values()) stream.end([field]);
    const [first, second] = [await caller.next(HEADERS, 1), await caller.next(HEADERS, 3)];
    expect(first.payload[0]).toBe(0x20);
    for (const { payload } of [first, second])
      expect(caller.decode(payload).get("some-name")).toBe("some value");
    expect(second.payload.includes("some value")).toBe(true);
  });

  test("is not, where the stream was reset, and counts as taken", async () => {
    const caller = call([[INITIAL_WINDOW_SIZE, 0]]).say(headers(1));
    const seen = await begun(1);
    let isTaken = false;
    const hasRoom = seen.stream.write(NO_BYTES, Buffer.alloc(300_000), () => {
      isTaken = true;
    });
    expect([hasRoom, wrote, took]).toEqual([false, 300_000, 0]);
    caller.say(frame(RST_STREAM, 0, 1, number32(code.cancel)));
    await eventually("it is over", () => seen.closed.length === 1);
    expect([seen.closed, took, isTaken]).toEqual([[code.cancel], 300_000, true]);
    expect(seen.stream.write(NO_BYTES, Buffer.of(1), null)).toBe(false);
    seen.stream.end([]);
    await passed(caller);
    expect(caller.frames.filter(({ streamId }) => streamId === 1)).toEqual([]);
  });
});

describe("the end of a connection", () => {
  test("waits for its streams, and takes no others", async () => {
    const caller = call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await begun(1);
    connection.close();
    const goaway = await caller.next(GOAWAY, 0);
    expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, 0]);
    caller.say(headers(3));
    await passed(caller);
    expect([told.size, caller.isClosed]).toEqual([1, false]);
    seen.stream.end([]);
    await eventually("it is closed", () => caller.isClosed && closed === 1);
    expect(await caller.next(DATA, 1)).toMatchObject({ flags: END_STREAM });
  });

  test("is none for its streams where others were on their way, with all that is said of them", async () => {
    const caller = call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await begun(1);
    connection.close();
    await caller.next(GOAWAY, 0);
    caller.say(
      headers(3),
      frame(DATA, 0, 3, Buffer.of(1)),
      frame(WINDOW_UPDATE, 0, 3, number32(1)),
      frame(RST_STREAM, 0, 3, number32(code.cancel)),
      headers(5),
      frame(DATA, END_STREAM, 5, Buffer.of(1)),
    );
    await passed(caller);
    expect([told.size, seen.closed]).toEqual([1, []]);
    seen.stream.end([]);
    expect(await caller.next(DATA, 1)).toMatchObject({ flags: END_STREAM });
  });

  test("comes where the caller says farewell, and is answered once, whatever it says then", async () => {
    const farewell = frame(GOAWAY, 0, 0, Buffer.alloc(8));
    const caller = call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await begun(1);
    caller.say(farewell, farewell, headers(3, END_HEADERS | END_STREAM));
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(0)).toBe(1);
    await passed(caller);
    seen.stream.end([]);
    caller.say(...Array.from({ length: 1000 }, () => farewell));
    await eventually("it is closed", () => caller.isClosed && closed === 1);
    expect([told.size, caller.frames.filter(({ type }) => type === GOAWAY).length]).toEqual([1, 0]);
  });

  test("comes where who reads nothing does what it must not, whatever waits for it", async () => {
    const caller = call([[INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]);
    caller.say(frame(WINDOW_UPDATE, 0, 0, number32(2 ** 30)), headers(1));
    const seen = await begun(1);
    caller.stopReading();
    seen.stream.write(NO_BYTES, Buffer.alloc(32 * 1024 * 1024), null);
    await new Promise((resolve) => setImmediate(resolve));
    const isGone = new Promise<void>((resolve) => sockets[0]?.once("close", () => resolve()));
    caller.say(frame(DATA, 0, 0, NO_BYTES));
    await eventually("its streams are told", () => closed === 1);
    await isGone;
    expect(took).toBe(wrote);
  });

  test("is told to streams that are open, once, and so is what they had to say", async () => {
    const caller = call([[INITIAL_WINDOW_SIZE, 0]]).say(headers(1));
    const seen = await begun(1);
    let taken = 0;
    seen.stream.write(NO_BYTES, Buffer.of(1), () => {
      taken += 1;
    });
    caller.close();
    await eventually("it is over", () => closed === 1);
    connection.destroy();
    expect([seen.closed, taken, wrote, took, closed]).toEqual([[null], 1, 1, 1, 1]);
  });

  test("comes where who reads nothing wants more answers than are kept", async () => {
    const caller = call();
    await passed(caller);
    caller.stopReading();
    const probes = Buffer.concat(Array.from({ length: 50_000 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
    for (let sent = 0; sent < 200 && closed === 0; sent += 1) {
      caller.say(probes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually("it is ended", () => closed === 1);
  });
});
