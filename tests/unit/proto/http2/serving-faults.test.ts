import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  HAS_PRIORITY,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_FRAME_SIZE,
  number32,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { BLOCK, headers, NO_BYTES, passed, ServingRig, STREAMS_MAX } from "./serving-rig";

let rig: ServingRig;

beforeEach(async () => {
  rig = new ServingRig();
  await rig.listen();
});

afterEach(() => rig.close());

describe("a connection is ended, with the reason,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    ["by a frame before the settings", errorCode.protocol, [PREFACE, frame(PING, 0, 0, Buffer.alloc(8))]],
    ["by something else than HTTP/2", errorCode.protocol, [Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")]],
  ])("%s", async (_name, expected, parts) => {
    const caller = rig.connect();
    caller.say(...parts);
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(expected);
    await eventually("it is closed", () => caller.isClosed && rig.closed === 1);
  });

  test.each<[string, number, readonly Buffer[]]>([
    ["by a frame that is too long", errorCode.frameSize, [frame(PING, 0, 0, Buffer.alloc(16_385))]],
    ["by a stream with an even number", errorCode.protocol, [headers(2)]],
    ["by data of the connection", errorCode.protocol, [frame(DATA, 0, 0, Buffer.of(1))]],
    ["by data of a stream that has not begun", errorCode.protocol, [frame(DATA, 0, 1, Buffer.of(1))]],
    ["by more padding than there is", errorCode.protocol, [headers(1), frame(DATA, PADDED, 1, Buffer.of(1))]],
    ["by padding without a length", errorCode.protocol, [headers(1), frame(DATA, PADDED, 1, NO_BYTES)]],
    ["by a block that is none", errorCode.compression, [frame(HEADERS, END_HEADERS, 1, Buffer.of(0x80))]],
    [
      "by a priority that is cut off",
      errorCode.frameSize,
      [frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, Buffer.of(0))],
    ],
    [
      "by a header that is interrupted",
      errorCode.protocol,
      [headers(1, 0), frame(PING, 0, 0, Buffer.alloc(8))],
    ],
    [
      "by a header that data interrupts",
      errorCode.protocol,
      [headers(1), headers(3, 0), frame(DATA, 0, 1, BLOCK)],
    ],
    [
      "by a header that another goes on with",
      errorCode.protocol,
      [headers(1, 0), frame(CONTINUATION, 4, 3, BLOCK)],
    ],
    ["by the rest of a header that did not begin", errorCode.protocol, [frame(CONTINUATION, 4, 1, BLOCK)]],
    [
      "by a header without an end",
      errorCode.enhanceYourCalm,
      [headers(1, 0), ...Array.from({ length: 10_000 }, () => frame(CONTINUATION, 0, 1, NO_BYTES))],
    ],
    ["by a reset of a stream that has not begun", errorCode.protocol, [frame(RST_STREAM, 0, 1, number32(8))]],
    ["by a reset that is cut off", errorCode.frameSize, [headers(1), frame(RST_STREAM, 0, 1, Buffer.of(8))]],
    [
      "by more resets than anyone needs",
      errorCode.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) => [
        headers(2 * nth + 1),
        frame(RST_STREAM, 0, 2 * nth + 1, number32(8)),
      ]).flat(),
    ],
    [
      "by more faults of its streams than anyone makes",
      errorCode.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) => [
        headers(2 * nth + 1, END_HEADERS | END_STREAM),
        frame(DATA, 0, 2 * nth + 1, Buffer.of(1)),
      ]).flat(),
    ],
    ["by settings that are cut off", errorCode.frameSize, [frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
    ["by settings of a stream", errorCode.protocol, [frame(SETTINGS, 0, 1, NO_BYTES)]],
    [
      "by settings that acknowledge and say something",
      errorCode.frameSize,
      [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
    ],
    [
      "by a window that is too large from the start",
      errorCode.flowControl,
      [frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(2 ** 31)]))],
    ],
    [
      "by a window that its settings make too large",
      errorCode.flowControl,
      [
        headers(1),
        frame(WINDOW_UPDATE, 0, 1, number32(2 ** 31 - 1 - 65_535)),
        frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(65_536)])),
      ],
    ],
    [
      "by frames that may only be too short",
      errorCode.protocol,
      [frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, MAX_FRAME_SIZE), number32(16_383)]))],
    ],
    ["by a probe that is cut off", errorCode.frameSize, [frame(PING, 0, 0, Buffer.alloc(7))]],
    ["by a probe of a stream", errorCode.protocol, [frame(PING, 0, 1, Buffer.alloc(8))]],
    ["by a window that does not grow", errorCode.protocol, [frame(WINDOW_UPDATE, 0, 0, number32(0))]],
    [
      "by a window that grows too large",
      errorCode.flowControl,
      [frame(WINDOW_UPDATE, 0, 0, number32(2 ** 31 - 1))],
    ],
    [
      "by the window of a stream that has not begun",
      errorCode.protocol,
      [frame(WINDOW_UPDATE, 0, 1, number32(1))],
    ],
    ["by a window that is cut off", errorCode.frameSize, [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))]],
    [
      "by more changes of all windows than anyone needs",
      errorCode.enhanceYourCalm,
      Array.from({ length: 1100 }, (_, nth) =>
        frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(nth)])),
      ),
    ],
    ["by a farewell of a stream", errorCode.protocol, [frame(GOAWAY, 0, 1, Buffer.alloc(8))]],
    ["by a farewell that is cut off", errorCode.frameSize, [frame(GOAWAY, 0, 0, Buffer.alloc(7))]],
    ["by a promise", errorCode.protocol, [frame(PUSH_PROMISE, END_HEADERS, 1, BLOCK)]],
    ["by a priority of the connection", errorCode.protocol, [frame(PRIORITY, 0, 0, Buffer.alloc(5))]],
  ])("%s", async (_name, expected, parts) => {
    const caller = rig.call().say(...parts);
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(expected);
    await eventually("it is closed", () => caller.isClosed && rig.closed === 1);
    for (const { closed } of rig.told.values()) expect(closed).toHaveLength(1);
  });
});

test("a farewell for a fault names the last stream that was looked at, so that later ones may be begun elsewhere", async () => {
  const caller = rig.call().say(headers(1), headers(5), frame(PING, 0, 0, Buffer.alloc(7)), headers(7));
  expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(0)).toBe(5);
});

test("a connection is ended by more data than a stream has room for", async () => {
  const caller = rig.call().say(headers(1));
  const seen = await rig.begun(1);
  seen.stream.pause();
  for (let sent = 0; sent < 5; sent += 1) caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)));
  expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(errorCode.flowControl);
  await eventually("it is closed", () => caller.isClosed);
  expect([seen.data, seen.closed]).toEqual([[], [null]]);
});

describe("a stream alone is reset, with the reason,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    [
      "by data behind its end",
      errorCode.streamClosed,
      [headers(1, END_HEADERS | END_STREAM), frame(DATA, 0, 1, Buffer.of(1))],
    ],
    ["by headers behind its end", errorCode.protocol, [headers(1, END_HEADERS | END_STREAM), headers(1)]],
    ["by further headers that are not its end", errorCode.protocol, [headers(1), headers(1)]],
    [
      "by a window that does not grow",
      errorCode.protocol,
      [headers(1), frame(WINDOW_UPDATE, 0, 1, number32(0))],
    ],
    [
      "by a window that grows too large",
      errorCode.flowControl,
      [headers(1), frame(WINDOW_UPDATE, 0, 1, number32(2 ** 31 - 1))],
    ],
  ])("%s", async (_name, expected, parts) => {
    const caller = rig.call().say(...parts);
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(expected);
    expect(rig.told.get(1)?.closed).toEqual([expected]);
    await passed(caller);
  });

  test("where there are too many", async () => {
    const caller = rig.call();
    for (let nth = 0; nth <= STREAMS_MAX; nth += 1) caller.say(headers(2 * nth + 1));
    expect((await caller.next(RST_STREAM, 2 * STREAMS_MAX + 1)).payload.readUInt32BE(0)).toBe(
      errorCode.refusedStream,
    );
    expect(rig.told.size).toBe(STREAMS_MAX);
  });

  test("by headers that come to too much, and what they keep is meant by later ones", async () => {
    const long = Buffer.concat([Buffer.of(0x40, 1, 0x61, 1, 0x31), Buffer.alloc(3000, 0xbe)]);
    const caller = rig
      .call()
      .say(
        frame(HEADERS, END_HEADERS, 1, long),
        frame(HEADERS, END_HEADERS, 3, Buffer.of(0x83, 0x86, 0x84, 0xbe)),
      );
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(errorCode.enhanceYourCalm);
    expect((await rig.begun(3)).headers.get("a")).toBe("1");
    expect(rig.told.has(1)).toBe(false);
  });
});
