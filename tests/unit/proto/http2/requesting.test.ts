import { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
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
  HEADERS,
  INITIAL_WINDOW_SIZE,
  number32,
  PADDED,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { settings } from "./raw-end";
import { answer, bytesOf, NO_BYTES, OK, RawServer, TRAILERS, trailers } from "./requesting-rig";

let server: RawServer;

beforeEach(async () => {
  server = new RawServer();
  await server.listen();
});

afterEach(() => {
  jest.restoreAllMocks();
  return server.close();
});

/** ":status: 100", and 103. */
const CONTINUE = Buffer.from("\x08\x03100", "latin1");
const EARLY_HINTS = Buffer.from("\x08\x03103", "latin1");

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

  test("keeps the process running until it is ready, and then while there are streams on it", async () => {
    const holds: string[] = [];
    const { ref, unref } = Socket.prototype;
    jest.spyOn(Socket.prototype, "ref").mockImplementation(function (this: Socket) {
      holds.push("held");
      return ref.call(this);
    });
    jest.spyOn(Socket.prototype, "unref").mockImplementation(function (this: Socket) {
      holds.push("let go");
      return unref.call(this);
    });
    const [requester, end] = await server.dial();
    expect(holds).toEqual([]);
    end.say(settings());
    await eventually("it is ready", () => requester.ready === 1);
    expect(holds).toEqual(["let go"]);
    const [first, second] = [requester.request(), requester.request()];
    first.stream.reset();
    expect(holds).toEqual(["let go", "held"]);
    second.stream.reset();
    expect(holds).toEqual(["let go", "held", "let go"]);
  });

  test("passes over what is said before an answer, padding, and frames that it does not know", async () => {
    const [requester, end] = await server.dial();
    const seen = requester.request();
    end.say(
      settings([[0xf000, 7]]),
      frame(200, 255, 1, Buffer.from("what")),
      frame(HEADERS, END_HEADERS, 1, CONTINUE),
      frame(HEADERS, END_HEADERS, 1, EARLY_HINTS),
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

  test("hears the answers to its probes in the order of these, and none once it has ended", async () => {
    const [requester, end] = await server.dial();
    const answered: string[] = [];
    end.say(settings());
    await eventually("it is ready", () => requester.ready === 1);
    for (const name of ["first", "second", "third"]) requester.connection.ping(() => answered.push(name));
    const pong = frame(PING, ACK, 0, Buffer.alloc(8));
    end.say(pong);
    await eventually("an answer is heard", () => answered.length > 0);
    end.say(pong, frame(PING, 0, 0, Buffer.alloc(8)));
    await eventually("that is answered", () =>
      end.frames.some(({ type, flags }) => type === PING && flags === ACK),
    );
    expect(answered).toEqual(["first", "second"]);
    requester.connection.close();
    end.say(pong);
    end.end();
    await eventually("it is over", () => requester.connection.destroyed);
    expect(answered).toEqual(["first", "second"]);
  });
});
