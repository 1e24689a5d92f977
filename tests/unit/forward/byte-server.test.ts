import { Metadata, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { type ByteCall, CallFailure, type MethodRoute, outgoingCall } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { Serving, serviceOf } from "./serving";

const PUT = "/quorate.kv.v1.KvService/Put";
const SCAN = "/quorate.kv.v1.KvService/Scan";

const asIs = (bytes: Buffer): Buffer => bytes;

describe("the byte server", () => {
  let serving: Serving;

  afterEach(() => serving.close());

  test("hands over bodies unread and answers with the bytes it is given", async () => {
    serving = await Serving.open(serviceOf((call) => Promise.resolve(Uint8Array.from(call.body).reverse())));
    const { answer } = await serving.unary(PUT, Uint8Array.of(1, 2, 3));
    expect([...answer!]).toEqual([3, 2, 1]);
  });

  test("a deadline that passes is answered before gRPC cuts the call, with what is known of the outcome", async () => {
    serving = await Serving.open(
      serviceOf((call) => {
        call.isSubmitted = call.body.length > 0;
        return new Promise(() => {});
      }),
    );
    const submitted = await serving.unary(PUT, Uint8Array.of(1), { deadlineMs: 200 });
    expect(submitted.error?.code).toBe(status.DEADLINE_EXCEEDED);
    const waiting = await serving.unary(PUT, Uint8Array.of(), { deadlineMs: 200 });
    expect(waiting.error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(CallFailure.from(submitted.error)).toMatchObject({ outcome: Outcome.UNKNOWN });
  });

  test("a call that brings no deadline gets the default one", async () => {
    let deadlineMs = 0;
    serving = await Serving.open(
      serviceOf((call) => {
        ({ deadlineMs } = call);
        return new Promise(() => {});
      }),
      { defaultDeadlineMs: 150 },
    );
    const { error } = await serving.unary(PUT, Uint8Array.of(1), { deadlineMs: Number.POSITIVE_INFINITY });
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason.DEADLINE_EXCEEDED });
    expect(deadlineMs).toBeGreaterThan(0);
  });

  test("a request that never ends is answered at its deadline, and served by nobody", async () => {
    const ended: [string, status][] = [];
    let served = 0;
    serving = await Serving.open(
      serviceOf(() => {
        served += 1;
        return Promise.resolve(Uint8Array.of());
      }),
      {
        defaultDeadlineMs: 150,
        onEnd: (method: MethodRoute, code: status) => ended.push([method.path, code]),
      },
    );
    const { client } = serving;
    // By headers alone, for a deadline that the caller knows of ends the call there, too.
    const begin = (path: string, headers: Readonly<Record<string, string>>): Promise<CallFailure> =>
      new Promise((resolve) => {
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
        const stream = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
        stream.on("error", (error) => resolve(CallFailure.from(error)));
        stream.resume();
        stream.write(Buffer.of(1));
      });
    const failures = await Promise.all([begin(PUT, {}), begin(SCAN, { "grpc-timeout": "200m" })]);
    const failure = { reason: ErrorReason.DEADLINE_EXCEEDED };
    expect(failures).toMatchObject([{ ...failure, outcome: Outcome.NOT_APPLIED }, failure]);
    expect(ended.sort()).toEqual([
      [PUT, status.DEADLINE_EXCEEDED],
      [SCAN, status.DEADLINE_EXCEEDED],
    ]);
    expect(served).toBe(0);
  });

  test("a caller that leaves midway ends the wait, is one line at debug, and costs the next call nothing", async () => {
    const calls: ByteCall[] = [];
    const ended: [string, status][] = [];
    serving = await Serving.open(
      serviceOf((call) => {
        calls.push(call);
        return calls.length === 1 ? new Promise(() => {}) : Promise.resolve(Uint8Array.of(9));
      }),
      { onEnd: (method: MethodRoute, code: status) => ended.push([method.path, code]) },
    );
    const sent = serving.client.makeUnaryRequest(
      PUT,
      (b: Buffer) => b,
      (b: Buffer) => b,
      Buffer.of(1),
      () => {},
    );
    await eventually("the condition holds", () => calls.length === 1);
    sent.cancel();
    await eventually("the condition holds", () => calls[0]!.aborted);
    expect(serving.log.lines).toMatchObject([
      { level: "debug", fields: { method: PUT, reason: "CANCELLED" } },
    ]);
    expect((await serving.unary(PUT, Uint8Array.of(1))).answer).toEqual(Buffer.of(9));
    expect(ended).toEqual([
      [PUT, status.CANCELLED],
      [PUT, status.OK],
    ]);
  });

  test("B2: a message far over the limit is RESOURCE_EXHAUSTED, logged with its peer, and the channel goes on", async () => {
    serving = await Serving.open(
      serviceOf(() => Promise.resolve(Uint8Array.of(9))),
      { messageBytesMax: 100_000 },
    );
    const { error } = await serving.unary(PUT, new Uint8Array(1_000_000));
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect(error?.details).toContain("100000");
    await eventually("the condition holds", () => serving.log.lines.length === 1);
    expect(serving.log.lines[0]).toMatchObject({
      level: "info",
      fields: { method: PUT, peer: expect.any(String) },
    });
    expect((await serving.unary(PUT, Uint8Array.of(1))).answer).toEqual(Buffer.of(9));
  });

  test("a stream is written no faster than it is read", async () => {
    let written = 0;
    const message = new Uint8Array(64 * 1024);
    serving = await Serving.open(
      serviceOf(
        () => Promise.reject(new Error("no unary calls here")),
        async (_call, sink) => {
          for (; written < 200; written += 1) await sink.write(message);
        },
      ),
    );
    const stream = serving.client.makeServerStreamRequest(
      SCAN,
      (b: Buffer) => b,
      (b: Buffer) => b,
      Buffer.of(),
    );
    const messages = stream[Symbol.asyncIterator]();
    await messages.next();
    let before = 0;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = written > 0 && written === before ? looks + 1 : 0;
      before = written;
      return looks === 5;
    });
    // Far from all of it: what HTTP/2 windows and buffers between the two ends hold.
    expect(written).toBeLessThan(150);
    let count = 1;
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) count += 1;
    expect(count).toBe(200);
  });

  test("a stream that nobody takes anything of is ended, and lets go of what it reads from", async () => {
    let isLetGoOf = false;
    serving = await Serving.open(
      serviceOf(
        () => Promise.reject(new Error("no unary calls here")),
        async (_call, sink) => {
          try {
            for (;;) await sink.write(new Uint8Array(64 * 1024));
          } finally {
            isLetGoOf = true;
          }
        },
      ),
      { stalledMsMax: 100 },
    );
    const stream = serving.client.makeServerStreamRequest(SCAN, asIs, asIs, Buffer.of());
    // Its connection lives, and answers pings.
    const messages = stream[Symbol.asyncIterator]();
    // On a machine that stalls the end may come before the first message.
    const first = messages.next();
    first.catch(() => undefined);
    await eventually("the server ended it", () => isLetGoOf);
    expect(serving.server.openStreamCount).toBe(0);
    await expect(
      (async () => {
        await first;
        while ((await messages.next()).done !== true);
      })(),
    ).rejects.toMatchObject({ details: expect.stringContaining("took nothing more of the answer") });
  });

  test("each call is told with how long it took, and streams are counted while they are open", async () => {
    const ended: { readonly path: string; readonly code: status; readonly elapsedMs: number }[] = [];
    let release: () => void = () => {};
    serving = await Serving.open(
      serviceOf(
        () => new Promise((resolve) => setTimeout(() => resolve(Uint8Array.of(1)), 30)),
        () =>
          new Promise((resolve) => {
            release = resolve;
          }),
      ),
      { onEnd: ({ path }, code, elapsedMs) => ended.push({ path, code, elapsedMs }) },
    );
    await serving.unary(PUT, Uint8Array.of(1));
    const stream = serving.stream(SCAN, Uint8Array.of());
    await eventually("the stream is open", () => serving?.server.openStreamCount === 1);
    release();
    await stream;
    expect(serving.server.openStreamCount).toBe(0);
    expect(ended.map(({ path, code }) => [path, code])).toEqual([
      [PUT, status.OK],
      [SCAN, status.OK],
    ]);
    expect(ended[0]!.elapsedMs).toBeGreaterThan(20);
  });

  test("what a call is traced under is as its caller said, or as it is set here, and goes along", async () => {
    const seen: (string | null)[] = [];
    const passedOn: unknown[] = [];
    serving = await Serving.open(
      serviceOf((call) => {
        seen.push(call.traceparent);
        if (seen.length === 2) call.traceparent = "00-own";
        passedOn.push(outgoingCall(call).headers.traceparent);
        return Promise.resolve(Uint8Array.of(1));
      }),
    );
    await serving.unary(PUT, Uint8Array.of(1));
    const metadata = { traceparent: "00-theirs" };
    await serving.unary(PUT, Uint8Array.of(1), { metadata });
    await serving.unary(PUT, Uint8Array.of(1), { metadata });
    expect(seen).toEqual([null, "00-theirs", "00-theirs"]);
    expect(passedOn).toEqual(["", "00-own", "00-theirs"]);
  });

  test("a stream that fails midway delivers what was sent and then the failure", async () => {
    serving = await Serving.open(
      serviceOf(
        () => Promise.reject(new Error("no unary calls here")),
        async (_call, sink) => {
          await sink.write(Uint8Array.of(1));
          throw new CallFailure(ErrorReason.SCAN_CUT, "cut by a snapshot");
        },
      ),
    );
    const { messages, error } = await serving.stream(SCAN, Uint8Array.of());
    expect(messages).toHaveLength(1);
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason.SCAN_CUT });
  });
});
