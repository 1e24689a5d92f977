import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import { errorCode, frame, GOAWAY, HEADERS, MAX_CONCURRENT_STREAMS, number32 } from "../../grpc/http2-frames";
import { settings } from "./raw-end";
import { answer, NO_BYTES, RawServer, trailers } from "./requesting-rig";

let server: RawServer;

beforeEach(async () => {
  server = new RawServer();
  await server.listen();
});

afterEach(() => server.close());

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
