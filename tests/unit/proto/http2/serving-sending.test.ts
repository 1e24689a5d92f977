import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { KeptField } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  HEADER_TABLE_SIZE,
  HEADERS,
  INITIAL_WINDOW_SIZE,
  number32,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { headers, NO_BYTES, passed, ServingRig } from "./serving-rig";

let rig: ServingRig;

beforeEach(async () => {
  rig = new ServingRig();
  await rig.listen();
});

afterEach(() => rig.close());

describe("what is sent", () => {
  test("keeps to the windows of stream and connection, and to the length of frames", async () => {
    const caller = rig
      .call([[INITIAL_WINDOW_SIZE, 20_000]])
      .say(headers(1), headers(3), headers(5), headers(7));
    await passed(caller);
    const taken: number[] = [];
    for (const [id, { stream }] of rig.told) {
      stream.write(NO_BYTES, Buffer.alloc(50_000, id), () => taken.push(id));
      stream.end([]);
    }
    await eventually("the connection's window is used up", () => {
      const received = [1, 3, 5, 7].map((id) => caller.received(id));
      return (
        received.reduce((sum, bytes) => sum + bytes) === 65_535 && received.every((bytes) => bytes <= 20_000)
      );
    });
    expect([rig.wrote, rig.took, taken]).toEqual([200_000, 0, []]);
    caller.say(frame(WINDOW_UPDATE, 0, 0, number32(1_000_000)));
    await eventually("the windows of streams are", () =>
      [1, 3, 5, 7].every((id) => caller.received(id) === 20_000),
    );
    caller.say(frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, INITIAL_WINDOW_SIZE), number32(10_000)])));
    caller.say(frame(WINDOW_UPDATE, 0, 1, number32(40_000)));
    await eventually("30,000 more of one came", () => caller.received(1) === 50_000);
    for (const id of [3, 5, 7]) caller.say(frame(WINDOW_UPDATE, 0, id, number32(40_000)));
    await eventually("all came", () => [1, 3, 5, 7].every((id) => caller.received(id) === 50_000));
    await eventually("all is taken", () => rig.took === 200_000 && taken.length === 4);
    const data = caller.frames.filter(({ type }) => type === DATA);
    expect(data.every(({ payload, streamId }) => payload.every((byte) => byte === streamId))).toBe(true);
    expect(Math.max(...data.map(({ payload }) => payload.length))).toBeLessThanOrEqual(16_384);
    expect(data.filter(({ flags }) => flags === END_STREAM)).toHaveLength(4);
  });

  test("is of several streams in turn, where each has much to say", async () => {
    const caller = rig.call([[INITIAL_WINDOW_SIZE, 1_000_000]]).say(headers(1), headers(3));
    caller.say(frame(WINDOW_UPDATE, 0, 0, number32(1_000_000)));
    await passed(caller);
    for (const [id, { stream }] of rig.told) stream.write(NO_BYTES, Buffer.alloc(400_000, id), null);
    await eventually("all came", () => [1, 3].every((id) => caller.received(id) === 400_000));
    const data = caller.frames.filter(({ type }) => type === DATA);
    const before = data.slice(
      0,
      data.findIndex(({ streamId }) => streamId === 3),
    );
    expect(before.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThan(200_000);
  });

  test("is the headers, the data and the trailers of each stream, in this order", async () => {
    const caller = rig.call().say(headers(1, END_HEADERS | END_STREAM), headers(3, END_HEADERS | END_STREAM));
    await passed(caller);
    const ok = new KeptField("grpc-status", "0");
    for (const { stream } of rig.told.values()) {
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
    expect([...rig.told.values()].map(({ closed }) => closed)).toEqual([[0], [0]]);
    await passed(caller);
    expect(caller.frames.filter(({ type }) => type === RST_STREAM)).toEqual([]);
  });

  test("ends with a reset, which is none of a fault, where the caller has not said all", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
    seen.stream.end([["grpc-status", "1"]]);
    expect((await caller.next(HEADERS, 1)).flags).toBe(END_HEADERS | END_STREAM);
    expect((await caller.next(RST_STREAM, 1)).payload.readUInt32BE(0)).toBe(0);
  });

  test("may be a header of several frames", async () => {
    const caller = rig.call().say(headers(1));
    const seen = await rig.begun(1);
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
    const caller = rig.call([[HEADER_TABLE_SIZE, 0]]).say(headers(1), headers(3));
    await rig.begun(3);
    const field = new KeptField("some-name", "some value");
    for (const { stream } of rig.told.values()) stream.end([field]);
    const [first, second] = [await caller.next(HEADERS, 1), await caller.next(HEADERS, 3)];
    expect(first.payload[0]).toBe(0x20);
    for (const { payload } of [first, second])
      expect(caller.decode(payload).get("some-name")).toBe("some value");
    expect(second.payload.includes("some value")).toBe(true);
  });

  test("is something: who says nothing is at fault", async () => {
    rig.call().say(headers(1));
    const seen = await rig.begun(1);
    expect(() => seen.stream.write(NO_BYTES, NO_BYTES, null)).toThrow("nothing to send");
    expect(rig.wrote).toBe(0);
  });

  test("is not, where the stream was reset, and counts as taken", async () => {
    const caller = rig.call([[INITIAL_WINDOW_SIZE, 0]]).say(headers(1));
    const seen = await rig.begun(1);
    let isTaken = false;
    const hasRoom = seen.stream.write(NO_BYTES, Buffer.alloc(300_000), () => {
      isTaken = true;
    });
    expect([hasRoom, rig.wrote, rig.took]).toEqual([false, 300_000, 0]);
    caller.say(frame(RST_STREAM, 0, 1, number32(errorCode.cancel)));
    await eventually("it is over", () => seen.closed.length === 1);
    expect([seen.closed, rig.took, isTaken]).toEqual([[errorCode.cancel], 300_000, true]);
    expect(seen.stream.write(NO_BYTES, Buffer.of(1), null)).toBe(false);
    seen.stream.end([]);
    await passed(caller);
    expect(caller.frames.filter(({ streamId }) => streamId === 1)).toEqual([]);
  });
});
