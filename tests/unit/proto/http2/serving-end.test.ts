import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  errorCode,
  frame,
  GOAWAY,
  INITIAL_WINDOW_SIZE,
  number32,
  PING,
  RST_STREAM,
  WINDOW_UPDATE,
} from "../../grpc/http2-frames";
import { headers, NO_BYTES, passed, ServingRig } from "./serving-rig";

let rig: ServingRig;

beforeEach(async () => {
  rig = new ServingRig();
  await rig.listen();
});

afterEach(() => rig.close());

describe("the end of a connection", () => {
  test("waits for its streams, and takes no others", async () => {
    const caller = rig.call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await rig.begun(1);
    rig.connection.close();
    const goaway = await caller.next(GOAWAY, 0);
    expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, 0]);
    caller.say(headers(3));
    await passed(caller);
    expect([rig.told.size, caller.isClosed]).toEqual([1, false]);
    seen.stream.end([]);
    await eventually("it is closed", () => caller.isClosed && rig.closed === 1);
    expect(await caller.next(DATA, 1)).toMatchObject({ flags: END_STREAM });
  });

  test("is none for its streams where others were on their way, with all that is said of them", async () => {
    const caller = rig.call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await rig.begun(1);
    rig.connection.close();
    await caller.next(GOAWAY, 0);
    caller.say(
      headers(3),
      frame(DATA, 0, 3, Buffer.of(1)),
      frame(WINDOW_UPDATE, 0, 3, number32(1)),
      frame(RST_STREAM, 0, 3, number32(errorCode.cancel)),
      headers(5),
      frame(DATA, END_STREAM, 5, Buffer.of(1)),
    );
    await passed(caller);
    expect([rig.told.size, seen.closed]).toEqual([1, []]);
    seen.stream.end([]);
    expect(await caller.next(DATA, 1)).toMatchObject({ flags: END_STREAM });
  });

  test("comes where the caller says farewell, and is answered once, whatever it says then", async () => {
    const farewell = frame(GOAWAY, 0, 0, Buffer.alloc(8));
    const caller = rig.call().say(headers(1, END_HEADERS | END_STREAM));
    const seen = await rig.begun(1);
    caller.say(farewell, farewell, headers(3, END_HEADERS | END_STREAM));
    expect((await caller.next(GOAWAY, 0)).payload.readUInt32BE(0)).toBe(1);
    await passed(caller);
    seen.stream.end([]);
    caller.say(...Array.from({ length: 1000 }, () => farewell));
    await eventually("it is closed", () => caller.isClosed && rig.closed === 1);
    expect([rig.told.size, caller.frames.filter(({ type }) => type === GOAWAY).length]).toEqual([1, 0]);
  });

  test("comes where who reads nothing does what it must not, whatever waits for it", async () => {
    const caller = rig.call([[INITIAL_WINDOW_SIZE, 2 ** 31 - 1]]);
    caller.say(frame(WINDOW_UPDATE, 0, 0, number32(2 ** 30)), headers(1));
    const seen = await rig.begun(1);
    caller.stopReading();
    seen.stream.write(NO_BYTES, Buffer.alloc(32 * 1024 * 1024), null);
    await new Promise((resolve) => setImmediate(resolve));
    const isGone = new Promise<void>((resolve) => rig.sockets[0]?.once("close", () => resolve()));
    caller.say(frame(DATA, 0, 0, NO_BYTES));
    await eventually("its streams are told", () => rig.closed === 1);
    await isGone;
    expect(rig.took).toBe(rig.wrote);
  });

  test("is told to streams that are open, once, and so is what they had to say", async () => {
    const caller = rig.call([[INITIAL_WINDOW_SIZE, 0]]).say(headers(1));
    const seen = await rig.begun(1);
    let taken = 0;
    seen.stream.write(NO_BYTES, Buffer.of(1), () => {
      taken += 1;
    });
    caller.close();
    await eventually("it is over", () => rig.closed === 1);
    rig.connection.destroy();
    expect([seen.closed, taken, rig.wrote, rig.took, rig.closed]).toEqual([[null], 1, 1, 1, 1]);
  });

  test("is told to a stream before it is told whose data of it was on its way", async () => {
    rig.call().say(headers(1));
    const seen = await rig.begun(1);
    const closedWhenTaken: number[] = [];
    for (const bytes of [10, 100_000])
      seen.stream.write(NO_BYTES, Buffer.alloc(bytes), () => closedWhenTaken.push(seen.closed.length));
    rig.connection.destroy();
    expect(closedWhenTaken).toEqual([1, 1]);
  });

  test("comes where who reads nothing wants more answers than are kept", async () => {
    const caller = rig.call();
    await passed(caller);
    caller.stopReading();
    const probes = Buffer.concat(Array.from({ length: 50_000 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
    for (let sent = 0; sent < 200 && rig.closed === 0; sent += 1) {
      caller.say(probes);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually("it is ended", () => rig.closed === 1);
  });
});
