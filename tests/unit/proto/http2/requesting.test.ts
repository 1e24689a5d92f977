import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KeptField } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import {
  ACK,
  CONTINUATION,
  DATA,
  ENABLE_PUSH,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  HEADER_TABLE_SIZE,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  number32,
  PADDED,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { settings } from "./raw-end";
import { NO_BYTES, OK, RawServer, REQUEST, type SeenAnswer } from "./requesting-rig";

/** ":status: 100", and a trailer that nobody keeps. */
const INFORMATION = Buffer.from("\x08\x03100", "latin1");
const TRAILERS = Buffer.from("\x00\x01t\x011", "latin1");

let server: RawServer;

beforeEach(async () => {
  server = new RawServer();
  await server.listen();
});

afterEach(() => server.close());

const answer = (streamId: number): Buffer => frame(HEADERS, END_HEADERS, streamId, OK);
const trailers = (streamId: number): Buffer => frame(HEADERS, END_HEADERS | END_STREAM, streamId, TRAILERS);
const bytesOf = ({ data }: SeenAnswer): Buffer => Buffer.concat(data);

describe("the end that begins streams", () => {
  test("says first what it takes, and is ready with the first word of the other side", async () => {
    const [requester, end] = await server.dial({ windows: { callBytes: 1000, connectionBytes: 100_000 } });
    const said = (await end.next(SETTINGS, 0)).payload;
    expect([said.subarray(0, 6), said.subarray(6, 12)]).toEqual([
      Buffer.of(0, ENABLE_PUSH, 0, 0, 0, 0),
      Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(1000)]),
    ]);
    expect((await end.next(WINDOW_UPDATE, 0)).payload).toEqual(number32(100_000 - 65_535));
    expect([requester.connection.isReady, requester.ready]).toEqual([false, 0]);
    end.say(settings());
    await eventually("it is ready", () => requester.connection.isReady);
    expect((await end.next(SETTINGS, 0)).flags).toBe(ACK);
    end.say(settings());
    await end.next(SETTINGS, 0);
    expect([requester.ready, requester.closed]).toEqual([1, []]);
  });

  test("asks before the other side has said anything, and hears headers, data and trailers", async () => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    seen.stream.write(Buffer.from("ab"), Buffer.from("c"), null);
    seen.stream.end([]);
    const asked = end.decode((await end.next(HEADERS, 1)).payload);
    expect([":method", ":scheme", ":path"].map((name) => asked.get(name))).toEqual(["POST", "http", "/a"]);
    // Its end goes with its data: no frame is sent for it alone.
    expect(await end.next(DATA, 1)).toMatchObject({ payload: Buffer.from("abc"), flags: END_STREAM });
    end.say(settings(), answer(1), frame(DATA, 0, 1, Buffer.from("de")), trailers(1));
    await eventually("it is over", () => seen.closed.length === 1);
    expect(seen.headers.map((headers) => [headers.get(":status"), headers.get("t")])).toEqual([
      ["200", null],
      [null, "1"],
    ]);
    expect([bytesOf(seen), seen.ends, seen.closed]).toEqual([Buffer.from("de"), 1, [errorCode.none]]);
    expect(requester.connection.streamCount).toBe(0);
  });

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

  test("passes over what is said before an answer, padding, and frames that it does not know", async () => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    end.say(
      settings([[0xf000, 7]]),
      frame(200, 255, 1, Buffer.from("what")),
      frame(HEADERS, END_HEADERS, 1, INFORMATION),
      frame(HEADERS, END_HEADERS, 1, INFORMATION),
      frame(HEADERS, END_HEADERS | PADDED, 1, Buffer.concat([Buffer.of(2), OK, Buffer.alloc(2)])),
      frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(3), Buffer.from("x"), Buffer.alloc(3)])),
      frame(HEADERS, END_STREAM, 1, TRAILERS.subarray(0, 2)),
      frame(CONTINUATION, 0, 1, TRAILERS.subarray(2, 3)),
      frame(CONTINUATION, END_HEADERS, 1, TRAILERS.subarray(3)),
    );
    await eventually("all has come", () => seen.ends === 1);
    expect(seen.headers.map((headers) => headers.get(":status") ?? headers.get("t"))).toEqual(["200", "1"]);
    expect(bytesOf(seen)).toEqual(Buffer.from("x"));
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
    end.say(frame(WINDOW_UPDATE, 0, 1, number32(1)));
    await eventually("there is room", () => seen.drained === 1);
  });

  test("gives the other side room as its data is read, and none for what is paused", async () => {
    const [requester, end] = await server.dial({ windows: { callBytes: 1000, connectionBytes: 65_535 } });
    end.say(settings());
    const seen = requester.request();
    await end.next(HEADERS, 1);
    seen.stream.pause();
    end.say(answer(1), frame(DATA, 0, 1, Buffer.alloc(1000)), frame(PING, 0, 0, Buffer.alloc(8)));
    await end.next(PING, 0);
    expect(end.frames.filter(({ type }) => type === WINDOW_UPDATE)).toEqual([]);
    seen.stream.resume();
    expect((await end.next(WINDOW_UPDATE, 1)).payload).toEqual(number32(1000));
    expect(bytesOf(seen)).toHaveLength(1000);
  });

  test.each<[string, (streamId: number) => Buffer]>([
    ["its end", () => NO_BYTES],
    ["a reset behind its end", (streamId) => frame(RST_STREAM, 0, streamId, number32(errorCode.none))],
  ])("tells an answer to its end where it is read later than %s comes", async (_name, behind) => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    seen.stream.pause();
    await end.next(HEADERS, 1);
    end.say(settings(), answer(1), frame(DATA, 0, 1, Buffer.from("all")), trailers(1), behind(1));
    await eventually("it has come", () => seen.headers.length === 2);
    end.close();
    await eventually("the connection is lost", () => requester.closed.length === 1);
    expect([seen.data, seen.ends, seen.closed]).toEqual([[], 0, []]);
    seen.stream.resume();
    await eventually("it is told", () => seen.ends === 1);
    expect([bytesOf(seen), seen.closed]).toEqual([Buffer.from("all"), []]);
  });

  test("tells nothing more of a stream that was reset here while its answer was held", async () => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    seen.stream.end([]);
    seen.stream.pause();
    await end.next(HEADERS, 1);
    end.say(settings(), answer(1), frame(DATA, 0, 1, Buffer.from("all")), trailers(1));
    await eventually("it has come", () => seen.headers.length === 2);
    seen.stream.reset();
    seen.stream.resume();
    end.say(frame(PING, 0, 0, Buffer.alloc(8)));
    await end.next(PING, 0);
    expect([seen.data, seen.ends, seen.closed]).toEqual([[], 0, [errorCode.cancel]]);
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

  test("answers probes, and hears the answers to its own", async () => {
    const [requester, end] = await server.dial();
    let answered = 0;
    requester.connection.ping(() => {
      answered += 1;
    });
    end.say(settings(), frame(PING, 0, 0, Buffer.alloc(8, 7)));
    const probe = await end.next(PING, 0);
    expect(await end.next(PING, 0)).toMatchObject({ flags: ACK, payload: Buffer.alloc(8, 7) });
    end.say(frame(PING, ACK, 0, probe.payload));
    await eventually("its answer is heard", () => answered === 1);
  });
});

describe("the end of a connection that begins streams", () => {
  test("comes when the other side takes leave, once what that goes on with is over; the rest was not looked at", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 2]]));
    await eventually("it is ready", () => requester.ready === 1);
    const seen = [1, 2, 3].map(() => requester.request());
    await end.next(HEADERS, 3);
    const farewell = (last: number): Buffer =>
      frame(GOAWAY, 0, 0, Buffer.concat([number32(last), number32(0)]));
    end.say(farewell(2 ** 31 - 1), farewell(1));
    await eventually("it is told", () => seen[1]?.closed.length === 1);
    expect(seen.map(({ closed }) => closed)).toEqual([
      [],
      [errorCode.refusedStream],
      [errorCode.refusedStream],
    ]);
    expect(requester.closed).toEqual(["the other side closes the connection"]);
    expect(() => requester.request()).toThrow("closed");
    end.say(answer(1), trailers(1));
    seen[0]?.stream.end([]);
    await eventually("it is over", () => seen[0]?.ends === 1 && end.isClosed);
  });

  test("comes at once where the other side takes leave for a fault", async () => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    end.say(settings(), frame(GOAWAY, 0, 0, Buffer.concat([number32(1), number32(11)])));
    await eventually("it is lost", () => end.isClosed && seen.closed.length === 1);
    expect([seen.closed, requester.closed]).toEqual([[null], ["the other side ended it with error code 11"]]);
    expect(requester.connection.loss).toBe("the other side ended it with error code 11");
  });

  test("comes when what it has is over, once it is closed; those that wait for their turn are begun before", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 1]]));
    await eventually("it is ready", () => requester.ready === 1);
    const seen = [1, 2].map(() => requester.request());
    for (const { stream } of seen) stream.end([]);
    requester.connection.close();
    requester.connection.close();
    expect(() => requester.request()).toThrow("closed");
    await end.next(GOAWAY, 0);
    end.say(answer(1), trailers(1));
    await end.next(HEADERS, 3);
    end.say(answer(3), trailers(3));
    await eventually("it is closed", () => end.isClosed);
    expect(seen.map(({ ends }) => ends)).toEqual([1, 1]);
  });

  test("comes with the last number that a stream can have", async () => {
    const [requester, end] = await server.dial();
    end.say(settings());
    await eventually("it is ready", () => requester.ready === 1);
    Reflect.set(requester.connection, "lastStreamId", 2 ** 31 - 5);
    requester.request();
    const last = requester.request();
    expect(() => requester.request()).toThrow("closed");
    last.stream.end([]);
    await end.next(HEADERS, 2 ** 31 - 1);
    end.say(answer(2 ** 31 - 1), trailers(2 ** 31 - 1));
    await eventually("its answer came", () => last.ends === 1);
    expect(requester.closed).toHaveLength(1);
  });

  test("is told once of what is given up when another one is told", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 0]]));
    await eventually("it is ready", () => requester.ready === 1);
    const [first, second] = [requester.request(), requester.request()];
    const { listener } = first.stream;
    first.stream.listener = {
      ...(listener as NonNullable<typeof listener>),
      onClosed: () => second.stream.reset(),
    };
    end.close();
    await eventually("it is lost", () => requester.closed.length === 1 && second.closed.length > 0);
    expect(second.closed).toEqual([errorCode.cancel]);
  });

  test("is told of all that was begun, and of what was not", async () => {
    const [requester, end] = await server.dial();
    end.say(settings([[MAX_CONCURRENT_STREAMS, 1]]));
    await eventually("it is ready", () => requester.ready === 1);
    const seen = [1, 2].map(() => requester.request());
    const taken: number[] = [];
    seen.forEach(({ stream }, nth) => {
      stream.write(NO_BYTES, Buffer.alloc(100_000), () => taken.push(nth));
    });
    await end.next(HEADERS, 1);
    end.close();
    await eventually(
      "it is lost",
      () => requester.closed.length === 1 && seen.every(({ closed }) => closed.length > 0),
    );
    expect(seen.map(({ closed }) => closed)).toEqual([[null], [null]]);
    expect(taken.sort()).toEqual([0, 1]);
  });
});
