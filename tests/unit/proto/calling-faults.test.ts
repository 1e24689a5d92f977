import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { CallingConnection, type CallingStream, type EndStatus } from "@quorate/proto/calling";
import { Status } from "nice-grpc-common";
import { eventually } from "../../support/eventually";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  number32,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../grpc/http2-frames";
import { type RawEnd, settings } from "./http2/raw-end";
import { RawServer } from "./http2/requesting-rig";

const quiet = { timeMs: 1_000_000, timeoutMs: 1_000_000 };

let server: RawServer;
let connections: CallingConnection[];

beforeEach(async () => {
  connections = [];
  server = new RawServer();
  await server.listen();
});

afterEach(async () => {
  for (const connection of connections) connection.destroy();
  await server.close();
});

interface SeenCall {
  readonly stream: CallingStream;
  readonly messages: Buffer[];
  readonly ended: EndStatus[];
}

/** @param onMessage what the caller does when a message has come */
function begin(
  connection: CallingConnection,
  onMessage: (stream: CallingStream) => void = () => {},
): SeenCall {
  const messages: Buffer[] = [];
  const ended: EndStatus[] = [];
  const stream: CallingStream = connection.call(
    "/t.T/One",
    {},
    {
      message: (bytes) => {
        messages.push(Buffer.from(bytes));
        onMessage(stream);
      },
      ended: (said) => void ended.push(said),
    },
  );
  return { stream, messages, ended };
}

/** A connection that is ready, and its end at the server. */
async function dial(): Promise<[CallingConnection, RawEnd]> {
  const connection = new CallingConnection(
    { address: `127.0.0.1:${server.port}`, messageBytesMax: 1000, keepalive: quiet, isProbedWhenIdle: false },
    { ready: () => {}, closed: () => {} },
  );
  connections.push(connection);
  const end = await eventually("it is accepted", () => server.ends[0]);
  end.say(settings());
  await eventually("it is ready", () => connection.isReady);
  return [connection, end];
}

/** A unary call that has been said. */
async function called(
  onMessage?: (stream: CallingStream) => void,
): Promise<[SeenCall, RawEnd, CallingConnection]> {
  const [connection, end] = await dial();
  const seen = begin(connection, onMessage);
  seen.stream.end(Buffer.of(1));
  await end.next(DATA, 1);
  return [seen, end, connection];
}

/** Fields that are not kept, after the status that is kept under a number. */
function block(status: "200" | "503", fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([
    status === "200" ? Buffer.of(0x88) : Buffer.from("\x08\x03503", "latin1"),
    fieldsOf(fields),
  ]);
}

function fieldsOf(fields: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(fields).map(([name, value]) =>
    Buffer.from(`\x00${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`),
  );
  return Buffer.concat(parts);
}

const GRPC = { "content-type": "application/grpc" };
const answer = frame(HEADERS, END_HEADERS, 1, block("200", GRPC));
const trailers = (code: string): Buffer =>
  frame(HEADERS, END_HEADERS | END_STREAM, 1, fieldsOf({ "grpc-status": code }));
const message = (text: string): Buffer =>
  Buffer.concat([Buffer.of(0), number32(text.length), Buffer.from(text)]);
const data = (...parts: readonly Buffer[]): Buffer => frame(DATA, 0, 1, Buffer.concat(parts));
const refusal = frame(HEADERS, END_HEADERS, 1, block("503", { "content-type": "text/html" }));

/** Everything that was said before it has been read. */
async function allIsRead(end: RawEnd): Promise<void> {
  end.say(frame(PING, 0, 0, Buffer.alloc(8)));
  await end.next(PING, 0);
}

describe("a call ends once, and as what was said of it has it,", () => {
  test.each<[string, readonly Buffer[], Status, readonly string[]]>([
    ["with a page in place of an answer", [refusal, data(Buffer.from("<html>"))], Status.UNAVAILABLE, []],
    [
      "with a page that is whole",
      [refusal, frame(DATA, END_STREAM, 1, Buffer.from("<html>"))],
      Status.UNAVAILABLE,
      [],
    ],
    [
      "with nothing but a status of HTTP",
      [frame(HEADERS, END_HEADERS | END_STREAM, 1, block("503", {}))],
      Status.UNAVAILABLE,
      [],
    ],
    [
      "with a status of HTTP, whatever good the page says of it",
      [frame(HEADERS, END_HEADERS | END_STREAM, 1, block("503", { "grpc-status": "0" }))],
      Status.UNAVAILABLE,
      [],
    ],
    [
      "with a failure that comes under a status of HTTP",
      [frame(HEADERS, END_HEADERS | END_STREAM, 1, block("503", { ...GRPC, "grpc-status": "8" }))],
      Status.RESOURCE_EXHAUSTED,
      [],
    ],
    [
      "with a page that comes as if all were well",
      [
        frame(HEADERS, END_HEADERS, 1, block("200", { "content-type": "text/html" })),
        data(message("a")),
        trailers("0"),
      ],
      Status.UNKNOWN,
      [],
    ],
    [
      "with what is not said to be of gRPC",
      [frame(HEADERS, END_HEADERS, 1, block("200", {})), data(message("a")), trailers("0")],
      Status.UNKNOWN,
      [],
    ],
    [
      "with an answer of gRPC in whichever format",
      [
        frame(HEADERS, END_HEADERS, 1, block("200", { "content-type": "application/grpc+proto; x=1" })),
        data(message("a")),
        trailers("0"),
      ],
      Status.OK,
      ["a"],
    ],
    [
      "with a failure and no type of what does not come",
      [frame(HEADERS, END_HEADERS | END_STREAM, 1, block("200", { "grpc-status": "5" }))],
      Status.NOT_FOUND,
      [],
    ],
    [
      "with a status that was said before the end, and another one at the end",
      [
        frame(HEADERS, END_HEADERS, 1, block("200", { ...GRPC, "grpc-status": "0" })),
        data(message("a")),
        trailers("13"),
      ],
      Status.INTERNAL,
      ["a"],
    ],
    [
      "with a status that was said before the end, which does not come",
      [
        frame(HEADERS, END_HEADERS, 1, block("200", { ...GRPC, "grpc-status": "0" })),
        data(message("a")),
        frame(RST_STREAM, 0, 1, number32(errorCode.internal)),
      ],
      Status.INTERNAL,
      ["a"],
    ],
    [
      "with a message that is cut off, whatever the status",
      [answer, data(message("a"), message("cut off").subarray(0, 9)), trailers("0")],
      Status.INTERNAL,
      ["a"],
    ],
    [
      "with a prefix that is cut off, whatever the status",
      [answer, data(message("a"), Buffer.of(0, 0)), trailers("0")],
      Status.INTERNAL,
      ["a"],
    ],
    [
      "with a failure, where a message is cut off, too",
      [answer, data(Buffer.of(0, 0)), trailers("9")],
      Status.FAILED_PRECONDITION,
      [],
    ],
  ])("%s", async (_name, frames, code, texts) => {
    const [seen, end] = await called();
    end.say(...frames);
    await eventually("it is over", () => seen.ended.length > 0);
    await allIsRead(end);
    expect(seen.ended).toMatchObject([{ code }]);
    expect(seen.messages.map(String)).toEqual(texts);
  });

  test("and not at all where it was cancelled, whatever follows in what is being read", async () => {
    const [seen, end] = await called((stream) => stream.cancel());
    end.say(answer, data(message("a"), Buffer.of(7, 7, 7, 7, 7)), trailers("0"));
    await eventually("a message has come", () => seen.messages.length === 1);
    await allIsRead(end);
    expect([seen.messages.map(String), seen.ended]).toEqual([["a"], []]);
  });
});

const farewell = (lastStreamId: number, code: number): Buffer =>
  frame(GOAWAY, 0, 0, Buffer.concat([number32(lastStreamId), number32(code)]));

test.each<[string, readonly Buffer[], true | undefined]>([
  ["refused", [frame(RST_STREAM, 0, 1, number32(errorCode.refusedStream))], true],
  ["begun behind the last one that is looked at", [farewell(0, errorCode.none)], true],
  ["begun behind the last one that is looked at, before a fault", [farewell(0, errorCode.internal)], true],
  ["the last one that is looked at, before a fault", [farewell(1, errorCode.internal)], undefined],
  ["refused when it was answered", [answer, farewell(0, errorCode.none)], undefined],
  ["reset for another reason", [frame(RST_STREAM, 0, 1, number32(errorCode.cancel))], undefined],
])("a call that is %s is told to be untouched, or not", async (_name, frames, isUntouched) => {
  const [seen, end] = await called();
  end.say(...frames);
  await eventually("it is over", () => seen.ended.length > 0);
  expect(seen.ended.map((said) => said.isUntouched)).toEqual([isUntouched]);
});

test("a call does not end well with an answer that was not told to its end", async () => {
  const [connection, end] = await dial();
  const seen = begin(connection);
  seen.stream.write(Buffer.of(1));
  seen.stream.pause();
  await end.next(DATA, 1);
  end.say(answer, data(message("a")), trailers("0"), frame(WINDOW_UPDATE, 0, 1, number32(0)));
  await eventually("it is over", () => seen.ended.length > 0);
  expect([seen.messages, seen.ended]).toMatchObject([[], [{ code: Status.INTERNAL }]]);
});

test("calls end with the last word of their server, also where that takes nothing that is said to it", async () => {
  const [seen, end, connection] = await called();
  end.say(settings([[INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]), frame(WINDOW_UPDATE, 0, 0, number32(2 ** 30)));
  await allIsRead(end);
  end.stopReading();
  const { stream } = begin(connection);
  while (stream.write(Buffer.alloc(1_000_000))) await new Promise((resolve) => setImmediate(resolve));
  end.end();
  await eventually("it is over", () => seen.ended.length > 0);
  expect(seen.ended).toMatchObject([{ code: Status.UNAVAILABLE }]);
});
