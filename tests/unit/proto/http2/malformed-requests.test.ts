import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { END_HEADERS, END_STREAM, errorCode, frame, HEADERS, RST_STREAM } from "../../grpc/http2-frames";
import { block, headers, passed, ServingRig, TRAILERS } from "./serving-rig";

/** By the numbers that they have from the start. */
const POST = Buffer.of(0x83);
const HTTP = Buffer.of(0x86);
const PATH = Buffer.of(0x84);
const REQUEST = Buffer.concat([POST, HTTP, PATH]);

let rig: ServingRig;

beforeEach(async () => {
  rig = new ServingRig();
  await rig.listen();
});

afterEach(() => rig.close());

/** As block() has it, and the other side keeps it. */
function keptBlock(name: string, value: string): Buffer {
  const bytes = block(name, value);
  bytes[0] = 0x40;
  return bytes;
}

describe("a request is malformed, and its stream reset,", () => {
  test.each<[string, readonly Buffer[]]>([
    ["by a name in upper case", [REQUEST, block("Name", "value")]],
    ["by a name with a space", [REQUEST, block("a name", "value")]],
    ["by a name with a colon", [REQUEST, block("a:b", "value")]],
    ["by a name that is none", [REQUEST, block("", "value")]],
    ["by a name with a byte that is no ASCII", [REQUEST, block("na\u0080", "value")]],
    ["by what is said of a connection", [REQUEST, block("connection", "close")]],
    ["by what keeps a connection", [REQUEST, block("keep-alive", "timeout=5")]],
    ["by what is said to a proxy", [REQUEST, block("proxy-connection", "close")]],
    ["by what changes a connection", [REQUEST, block("upgrade", "h2c")]],
    ["by how it would be cut in HTTP/1", [REQUEST, block("transfer-encoding", "chunked")]],
    ["by that under its number", [REQUEST, Buffer.of(0x80 | 57)]],
    ["by trailers of another kind", [REQUEST, block("te", "gzip")]],
    ["by a second path", [REQUEST, PATH]],
    ["by a second method, spelled out", [REQUEST, block(":method", "GET")]],
    ["by a path behind other fields", [POST, HTTP, block("name", "value"), PATH]],
    ["by a field of the protocol that there is not", [REQUEST, block(":protocol", "websocket")]],
    ["by one of answers", [REQUEST, block(":status", "200")]],
    ["by the lack of a method", [HTTP, PATH]],
    ["by the lack of a scheme", [POST, PATH]],
    ["by the lack of a path", [POST, HTTP]],
    ["by the lack of any", [block("name", "value")]],
    ["by trailers of none", []],
  ])("%s", async (_name, parts) => {
    const caller = rig.call().say(frame(HEADERS, END_HEADERS, 1, Buffer.concat(parts)));
    await passed(caller);
    expect(rig.told.size).toBe(0);
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(errorCode.protocol);
    caller.say(headers(3));
    expect((await rig.begun(3)).headers.get("name")).toBe("value");
  });

  test("by a name that was kept, each time", async () => {
    const caller = rig.call();
    caller.say(
      frame(HEADERS, END_HEADERS, 1, Buffer.concat([REQUEST, keptBlock("Name", "value")])),
      frame(HEADERS, END_HEADERS, 3, Buffer.concat([REQUEST, Buffer.of(0xbe)])),
      frame(HEADERS, END_HEADERS, 5, Buffer.concat([REQUEST, Buffer.of(0x7e, 1, 0x31)])),
      frame(HEADERS, END_HEADERS, 7, Buffer.concat([REQUEST, keptBlock("te", "trailers")])),
      frame(HEADERS, END_HEADERS, 9, Buffer.concat([REQUEST, Buffer.of(0xbe)])),
    );
    await passed(caller);
    expect([...rig.told.keys()]).toEqual([7, 9]);
    expect((await rig.begun(9)).headers.get("te")).toBe("trailers");
  });

  test("by trailers with a field of the protocol", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    caller.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.concat([TRAILERS, PATH])));
    await passed(caller);
    expect([seen.ends, seen.closed]).toEqual([0, [errorCode.protocol]]);
  });
});

test("a request may say who is asked, and that it takes trailers", async () => {
  const said = [
    REQUEST,
    block(":authority", "a:1"),
    block("te", "trailers"),
    block("x-_.~!#$%&'*+^`|1", "value"),
  ];
  const caller = rig.call().say(frame(HEADERS, END_HEADERS, 1, Buffer.concat(said)));
  await passed(caller);
  expect((await rig.begun(1)).headers.get(":authority")).toBe("a:1");
});
