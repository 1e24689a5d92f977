import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KeptField } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import {
  CONTINUATION,
  DATA,
  END_STREAM,
  errorCode,
  frame,
  HEADER_TABLE_SIZE,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  number32,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { settings } from "./raw-end";
import { NO_BYTES, RawServer, REQUEST, type SeenAnswer } from "./requesting-rig";

let server: RawServer;

beforeEach(async () => {
  server = new RawServer();
  await server.listen();
});

afterEach(() => server.close());

describe("what the end that begins streams says", () => {
  test("says its end by itself where its data has left, or other frames followed that", async () => {
    const [requester, end] = await server.dial();
    const [first, second] = [requester.request(), requester.request()];
    first.stream.write(NO_BYTES, Buffer.from("a"), null);
    expect(await end.next(DATA, 1)).toMatchObject({ payload: Buffer.from("a"), flags: 0 });
    first.stream.end([]);
    expect(await end.next(DATA, 1)).toMatchObject({ payload: NO_BYTES, flags: END_STREAM });
    const long = "x".repeat(12_000);
    second.stream.write(NO_BYTES, Buffer.from("b"), null);
    for (let nth = 0; nth < 4; nth += 1) requester.request([...REQUEST, ["long", long]]);
    second.stream.end([]);
    expect(await end.next(DATA, 3)).toMatchObject({ payload: Buffer.from("b"), flags: 0 });
    expect(await end.next(DATA, 3)).toMatchObject({ payload: NO_BYTES, flags: END_STREAM });
    for (const streamId of [5, 7, 9, 11]) {
      expect(end.decode((await end.next(HEADERS, streamId)).payload).get("long")).toBe(long);
    }
  });

  test("says its end with its own data, and with no other stream's", async () => {
    const [requester, end] = await server.dial();
    const [first, second] = [requester.request(), requester.request()];
    first.stream.write(NO_BYTES, Buffer.from("a"), null);
    second.stream.write(NO_BYTES, Buffer.from("b"), null);
    first.stream.end([]);
    expect(await end.next(DATA, 1)).toMatchObject({ payload: Buffer.from("a"), flags: 0 });
    expect(await end.next(DATA, 1)).toMatchObject({ payload: NO_BYTES, flags: END_STREAM });
    expect(await end.next(DATA, 3)).toMatchObject({ payload: Buffer.from("b"), flags: 0 });
  });

  test("has no more streams at a time than the other side takes; the rest wait, with all that is said on them", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 2]]));
    await eventually("it is ready", () => requester.ready === 1);
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => requester.request()) as [
      SeenAnswer,
      SeenAnswer,
      SeenAnswer,
      SeenAnswer,
    ];
    third.stream.write(NO_BYTES, Buffer.from("later"), null);
    third.stream.end([]);
    fourth.stream.reset();
    await end.next(HEADERS, 1);
    await end.next(HEADERS, 3);
    end.say(frame(PING, 0, 0, Buffer.alloc(8)));
    await end.next(PING, 0);
    expect(end.frames.filter(({ type }) => type === HEADERS || type === RST_STREAM)).toEqual([]);
    expect([fourth.closed, requester.connection.streamCount]).toEqual([[errorCode.cancel], 3]);
    end.say(frame(RST_STREAM, 0, 1, number32(errorCode.cancel)));
    await end.next(HEADERS, 5);
    expect(await end.next(DATA, 5)).toMatchObject({ payload: Buffer.from("later"), flags: END_STREAM });
    expect([first.closed, second.closed, third.closed]).toEqual([[errorCode.cancel], [], []]);
    requester.request();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 3]]));
    await end.next(HEADERS, 7);
  });

  test("begins a hundred streams before it is told how many it may", async () => {
    const [requester, end] = await server.dial();
    for (let nth = 0; nth < 101; nth += 1) requester.request();
    await end.next(HEADERS, 199);
    expect(end.frames.filter(({ type }) => type === HEADERS)).toHaveLength(99);
    end.say(settings());
    await end.next(HEADERS, 201);
  });

  test("keeps to the windows of the other side", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[INITIAL_WINDOW_SIZE, 10]]));
    await eventually("it is ready", () => requester.ready === 1);
    const seen = requester.request();
    let taken = 0;
    seen.stream.write(NO_BYTES, Buffer.alloc(25, 1), () => {
      taken += 1;
    });
    seen.stream.end([]);
    await eventually("what may has come", () => end.received(1) === 10);
    end.say(frame(WINDOW_UPDATE, 0, 1, number32(14)));
    await eventually("more has come", () => end.received(1) === 24);
    expect(taken).toBe(0);
    end.say(settings([[INITIAL_WINDOW_SIZE, 11]]));
    await eventually("all has come", () => end.received(1) === 25 && taken === 1);
    expect(end.frames.filter(({ type, flags }) => type === DATA && flags === END_STREAM)).toHaveLength(1);
  });

  test("says when it has enough to send, and when it has not any more", async () => {
    const [requester, end] = await server.dial({ writeAheadBytesMax: 1000 });
    end.say(settings([[INITIAL_WINDOW_SIZE, 0]]));
    await eventually("it is ready", () => requester.ready === 1);
    const seen = requester.request();
    expect(seen.stream.write(NO_BYTES, Buffer.alloc(999), null)).toBe(true);
    expect(seen.stream.write(NO_BYTES, Buffer.alloc(1), null)).toBe(false);
    expect(seen.stream.write(NO_BYTES, Buffer.alloc(500), null)).toBe(false);
    end.say(frame(WINDOW_UPDATE, 0, 1, number32(500)), frame(PING, 0, 0, Buffer.alloc(8)));
    await eventually("some of it came", () => end.received(1) === 500);
    await end.next(PING, 0);
    expect(seen.drained).toBe(0);
    end.say(frame(WINDOW_UPDATE, 0, 1, number32(1)));
    await eventually("there is room", () => seen.drained === 1);
  });

  test("keeps fields with the other side as far as that has room, and not where it has none", async () => {
    const [requester, end] = await server.dial();
    const fields = [...REQUEST, new KeptField("kept", "x".repeat(100))];
    requester.request(fields);
    requester.request(fields);
    const [told, known] = [(await end.next(HEADERS, 1)).payload, (await end.next(HEADERS, 3)).payload];
    expect(told.length - known.length).toBeGreaterThan(100);
    expect([told, known].map((block) => end.decode(block).get("kept"))).toEqual([
      "x".repeat(100),
      "x".repeat(100),
    ]);
    end.say(settings([[HEADER_TABLE_SIZE, 0]]));
    await eventually("it is ready", () => requester.ready === 1);
    for (const streamId of [5, 7]) {
      requester.request(fields);
      const { payload } = await end.next(HEADERS, streamId);
      expect([end.decode(payload).get("kept"), payload.length > 100]).toEqual(["x".repeat(100), true]);
    }
  });

  test("sends a header of any length", async () => {
    const [requester, end] = await server.dial();
    requester.request([...REQUEST, ["long", "y".repeat(40_000)]]);
    const parts = [(await end.next(HEADERS, 1)).payload];
    for (const _ of [1, 2]) parts.push((await end.next(CONTINUATION, 1)).payload);
    expect(end.decode(Buffer.concat(parts)).get("long")).toHaveLength(40_000);
  });
});
