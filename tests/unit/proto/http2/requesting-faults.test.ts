import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import {
  CONTINUATION,
  DATA,
  ENABLE_PUSH,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  MAX_FRAME_SIZE,
  number32,
  PING,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { settings } from "./raw-end";
import { NO_BYTES, OK, RawServer } from "./requesting-rig";

const answered = frame(HEADERS, END_HEADERS, 1, OK);
const field = Buffer.from("\x00\x01t\x011", "latin1");

let server: RawServer;

beforeEach(async () => {
  server = new RawServer();
  await server.listen();
});

afterEach(() => server.close());

describe("a server's fault ends the connection, with the reason and all streams,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    ["by a frame before the settings", errorCode.protocol, [frame(PING, 0, 0, Buffer.alloc(8))]],
    ["by something else than HTTP/2", errorCode.frameSize, [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")]],
    [
      "by a frame that is too long",
      errorCode.frameSize,
      [settings(), frame(PING, 0, 0, Buffer.alloc(16_385))],
    ],
    ["by a stream of its own", errorCode.protocol, [settings(), frame(HEADERS, END_HEADERS, 2, OK)]],
    [
      "by an answer that nobody asked for",
      errorCode.protocol,
      [settings(), frame(HEADERS, END_HEADERS, 3, OK)],
    ],
    ["by data that nobody asked for", errorCode.protocol, [settings(), frame(DATA, 0, 3, NO_BYTES)]],
    ["by data of the connection", errorCode.protocol, [settings(), frame(DATA, 0, 0, NO_BYTES)]],
    ["by a promise", errorCode.protocol, [settings(), frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.alloc(5))]],
    ["by the wish to promise", errorCode.protocol, [settings([[ENABLE_PUSH, 1]])]],
    ["by frames that may be too short", errorCode.protocol, [settings([[MAX_FRAME_SIZE, 16_383]])]],
    ["by a window that is too large", errorCode.flowControl, [settings([[INITIAL_WINDOW_SIZE, 2 ** 31]])]],
    [
      "by a window that grows too large",
      errorCode.flowControl,
      [settings(), frame(WINDOW_UPDATE, 0, 0, number32(2 ** 31 - 1))],
    ],
    [
      "by more data than a stream's window has room for",
      errorCode.flowControl,
      [settings(), answered, frame(DATA, 0, 1, Buffer.alloc(600)), frame(DATA, 0, 1, Buffer.alloc(600))],
    ],
    [
      "by a block that is none",
      errorCode.compression,
      [settings(), frame(HEADERS, END_HEADERS, 1, Buffer.of(0x80))],
    ],
    [
      "by a header that is interrupted",
      errorCode.protocol,
      [settings(), frame(HEADERS, 0, 1, OK), frame(PING, 0, 0, Buffer.alloc(8))],
    ],
    [
      "by a header without an end",
      errorCode.enhanceYourCalm,
      [
        settings(),
        frame(HEADERS, 0, 1, OK),
        ...Array.from({ length: 10_000 }, () => frame(CONTINUATION, 0, 1, NO_BYTES)),
      ],
    ],
    [
      "by a farewell that is cut off",
      errorCode.frameSize,
      [settings(), frame(GOAWAY, 0, 0, Buffer.alloc(7))],
    ],
    ["by a reset that is cut off", errorCode.frameSize, [settings(), frame(RST_STREAM, 0, 1, Buffer.of(8))]],
    [
      "by a reset that nobody asked for",
      errorCode.protocol,
      [settings(), frame(RST_STREAM, 0, 3, number32(8))],
    ],
    [
      "by changing all windows over and over",
      errorCode.enhanceYourCalm,
      [settings(), ...Array.from({ length: 1100 }, (_, nth) => settings([[INITIAL_WINDOW_SIZE, nth + 1]]))],
    ],
    ["by settings that are cut off", errorCode.frameSize, [frame(SETTINGS, 0, 0, Buffer.alloc(5))]],
  ])("%s", async (_name, expected, parts) => {
    const [requester, end] = await server.dial({ windows: { callBytes: 1000, connectionBytes: 65_535 } });
    const seen = requester.request();
    seen.stream.pause();
    await end.next(HEADERS, 1);
    end.say(...parts);
    expect((await end.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(expected);
    await eventually("it is closed", () => end.isClosed && seen.closed.length === 1);
    expect([seen.closed, requester.closed.length, requester.faults]).toEqual([[null], 1, []]);
    expect(requester.connection.loss).toBe(requester.closed[0]);
  });
});

describe("a server's fault ends the stream, with the reason, and no other,", () => {
  test.each<[string, number, readonly Buffer[]]>([
    ["by data before an answer", errorCode.protocol, [frame(DATA, 0, 1, Buffer.of(1))]],
    ["by an answer without a status", errorCode.protocol, [frame(HEADERS, END_HEADERS, 1, field)]],
    ["by a second answer", errorCode.protocol, [answered, frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)]],
    [
      "by trailers that are not the end",
      errorCode.protocol,
      [answered, frame(HEADERS, END_HEADERS, 1, field)],
    ],
    [
      "by an end that is said before the answer",
      errorCode.protocol,
      [frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.from("\x08\x03100", "latin1"))],
    ],
    ["by a window that does not grow", errorCode.protocol, [frame(WINDOW_UPDATE, 0, 1, number32(0))]],
    [
      "by a window that grows too large",
      errorCode.flowControl,
      [frame(WINDOW_UPDATE, 0, 1, number32(2 ** 31 - 1))],
    ],
    [
      "by more headers than are taken",
      errorCode.enhanceYourCalm,
      [
        frame(HEADERS, 0, 1, Buffer.from("\x40\x01a\x7f\xa1\x1e", "latin1")),
        frame(CONTINUATION, END_HEADERS, 1, Buffer.concat([Buffer.alloc(4000, 97), Buffer.alloc(100, 0xbe)])),
      ],
    ],
  ])("%s", async (_name, expected, parts) => {
    const [requester, end] = await server.dial();
    const [seen, other] = [requester.request(), requester.request()];
    await end.next(HEADERS, 3);
    end.say(settings(), ...parts, frame(HEADERS, END_HEADERS | END_STREAM, 3, OK));
    expect((await end.next(RST_STREAM, 1)).payload).toEqual(number32(expected));
    await eventually("the other is answered", () => other.ends === 1);
    expect([seen.closed, requester.closed, requester.faults]).toEqual([[expected], [], []]);
  });

  test("and what it says of one that is over here means nothing", async () => {
    const [requester, end] = await server.dial();
    const [seen, other] = [requester.request(), requester.request()];
    seen.stream.reset();
    await end.next(RST_STREAM, 1);
    end.say(
      settings(),
      answered,
      frame(DATA, 0, 1, Buffer.alloc(100)),
      frame(WINDOW_UPDATE, 0, 1, number32(5)),
      frame(RST_STREAM, 0, 1, number32(8)),
      frame(HEADERS, END_HEADERS | END_STREAM, 3, OK),
    );
    await eventually("the other is answered", () => other.ends === 1);
    expect([seen.headers, seen.data, seen.closed, requester.closed]).toEqual([
      [],
      [],
      [errorCode.cancel],
      [],
    ]);
  });
});

test("a server that asks and asks, and reads no answers, is cut", async () => {
  const [requester, end] = await server.dial();
  end.say(settings());
  await eventually("it is ready", () => requester.ready === 1);
  end.stopReading();
  const probes = Buffer.concat(Array.from({ length: 10_000 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
  await eventually("it is lost", () => {
    if (!end.isClosed) end.say(probes);
    return requester.closed.length === 1;
  });
  expect(requester.closed).toEqual(["the other side reads no answers"]);
});
