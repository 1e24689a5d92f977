import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  HAS_PRIORITY,
  HEADERS,
  number32,
  PADDED,
  PRIORITY,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { BLOCK, headers, NO_BYTES, passed, ServingRig, TRAILERS } from "./serving-rig";

let rig: ServingRig;

beforeEach(async () => {
  rig = new ServingRig();
  await rig.listen();
});

afterEach(() => rig.close());

describe("what comes is taken", () => {
  test("whichever pieces it comes in", async () => {
    const caller = rig.call();
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
    const seen = await rig.begun(1);
    await eventually("it is whole", () => seen.ends === 1);
    expect(Buffer.concat(seen.data).toString()).toBe("abcdefghi");
    expect(seen.headers.get("name")).toBe("value");
  });

  test("with a priority and padding before a header", async () => {
    const padded = Buffer.concat([Buffer.of(3), Buffer.alloc(5), BLOCK, Buffer.alloc(3)]);
    rig.call().say(frame(HEADERS, END_HEADERS | END_STREAM | PADDED | HAS_PRIORITY, 1, padded));
    const seen = await rig.begun(1);
    expect([seen.headers.get("name"), seen.ends]).toEqual(["value", 1]);
  });

  test("with headers that end it", async () => {
    rig
      .call()
      .say(
        headers(1),
        frame(DATA, 0, 1, Buffer.of(1)),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILERS),
      );
    const seen = await rig.begun(1);
    await eventually("it has ended", () => seen.ends === 1);
  });

  test("later where it is paused, and only then is there more room", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
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

  test("later in few pieces where it is paused, however many it comes in", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    seen.stream.pause();
    const sent = Buffer.from(Array.from({ length: 10_000 }, (_, nth) => nth % 251));
    caller.say(...Array.from(sent, (byte) => frame(DATA, 0, 1, Buffer.of(byte))));
    caller.say(frame(DATA, END_STREAM, 1, NO_BYTES));
    await passed(caller);
    seen.stream.resume();
    await eventually("it has ended", () => seen.ends === 1);
    expect(Buffer.concat(seen.data)).toEqual(sent);
    expect(seen.data.length).toBeLessThan(20);
  });

  test("as much as it wants, where it is read", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    let room = 65_535;
    for (let sent = 0; sent < 50; sent += 1) {
      for (; room < 16_384; room += (await caller.next(WINDOW_UPDATE, 1)).payload.readUInt32BE(0));
      caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)));
      room -= 16_384;
    }
    await eventually("all is there", () => Buffer.concat(seen.data).length === 50 * 16_384);
    seen.stream.pause();
    await passed(caller);
    for (const { type, streamId, payload } of caller.frames)
      if (type === WINDOW_UPDATE && streamId === 1) room += payload.readUInt32BE(0);
    for (; room > 16_384; room -= 16_384) caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)));
    caller.say(frame(DATA, 0, 1, Buffer.alloc(room)));
    await passed(caller);
    caller.say(frame(DATA, 0, 1, Buffer.of(1)));
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(4)).toBe(errorCode.flowControl);
  });

  test("without more room for it, where all of it has come", async () => {
    const caller = rig.call().say(headers(1));
    caller.say(frame(DATA, 0, 1, Buffer.alloc(16_384)), frame(DATA, END_STREAM, 1, Buffer.alloc(16_384)));
    const seen = await rig.begun(1);
    await eventually("it has ended", () => seen.ends === 1);
    await passed(caller);
    const told = caller.frames.filter(({ type, streamId }) => type === WINDOW_UPDATE && streamId === 1);
    expect(told).toEqual([]);
  });

  test("as much as it wants, where most of it is padding", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    let room = 65_535;
    for (let sent = 0; sent < 1000; sent += 1) {
      for (; room < 257; room += (await caller.next(WINDOW_UPDATE, 1)).payload.readUInt32BE(0));
      caller.say(frame(DATA, PADDED, 1, Buffer.concat([Buffer.of(255, 1), Buffer.alloc(255)])));
      room -= 257;
    }
    await eventually("all is there", () => Buffer.concat(seen.data).length === 1000);
  });

  test("but nothing of a stream that is over here", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    seen.stream.reset();
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(errorCode.cancel);
    for (let sent = 0; sent < 20; sent += 1) {
      caller.say(frame(DATA, 0, 1, Buffer.alloc(8000)));
      await passed(caller);
    }
    caller.say(frame(WINDOW_UPDATE, 0, 1, number32(1)), headers(1), frame(RST_STREAM, 0, 1, number32(8)));
    await passed(caller);
    expect([seen.data, seen.ends, seen.closed]).toEqual([[], 0, [errorCode.cancel]]);
  });
});
