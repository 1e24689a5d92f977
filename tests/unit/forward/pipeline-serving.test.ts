import { Metadata, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorDetail, ErrorReason, Outcome, type PipelinedAnswer } from "@quorate/proto/kv";
import { RpcStatus } from "@quorate/proto/rpc-status";
import {
  type ByteCall,
  type ByteServerOptions,
  type ByteService,
  CallFailure,
  type MethodRoute,
} from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { callOf, RawPipeline } from "../../support/raw-pipeline";
import { PATIENCE_MS, Serving, serviceOf } from "./serving";

const PUT = "/quorate.kv.v1.KvService/Put";
const GET = "/quorate.kv.v1.KvService/Get";
const SCAN = "/quorate.kv.v1.KvService/Scan";

/** Answers each call when the test says so. */
class HeldCalls {
  readonly calls: ByteCall[] = [];
  private readonly settling: ((answer: Uint8Array | CallFailure) => void)[] = [];

  readonly unary: ByteService["unary"] = (call) => {
    this.calls.push(call);
    return new Promise((resolve, reject) => {
      this.settling.push((answer) => (answer instanceof CallFailure ? reject(answer) : resolve(answer)));
    });
  };

  settle(nth: number, answer: Uint8Array | CallFailure): void {
    this.settling[nth]!(answer);
  }

  arrived(count: number): Promise<unknown> {
    return eventually(`${count} calls have arrived`, () => this.calls.length >= count);
  }
}

function echo(call: ByteCall): Promise<Uint8Array> {
  return Promise.resolve(Buffer.from(call.body));
}

function detailOf({ statusDetails }: PipelinedAnswer): ErrorDetail {
  return ErrorDetail.decode(RpcStatus.decode(statusDetails).details[0]!.value);
}

describe("a pipeline", () => {
  let serving: Serving;

  async function open(
    unary: ByteService["unary"],
    options: Partial<ByteServerOptions> = {},
  ): Promise<RawPipeline> {
    serving = await Serving.open(serviceOf(unary), options);
    return new RawPipeline(serving.client);
  }

  afterEach(() => serving.close());

  test("with a frame that is too long ends, and the log says whose it was and why", async () => {
    const pipeline = await open(echo, { messageBytesMax: 1000 });
    pipeline.send({ calls: [callOf(1, PUT, Buffer.alloc(2000))] });
    expect(await pipeline.failure()).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(serving.log.lines).toContainEqual({
      level: "info",
      fields: {
        method: "/quorate.kv.v1.KvService/Pipeline",
        peer: expect.stringContaining("127.0.0.1:"),
        reason: expect.stringContaining("larger than max"),
      },
      message: "refused a message, and its call with it",
    });
  });

  test("each call of a frame is answered with the bytes that its handler gave", async () => {
    const pipeline = await open((call) => Promise.resolve(Uint8Array.from(call.body).reverse()));
    pipeline.send({ calls: [callOf(7, PUT, Buffer.of(1, 2)), callOf(9, GET, Buffer.of(3, 4))] });
    const answers = await pipeline.answersTo(2);
    expect(answers.map(({ id, code, body }) => [id, code, [...body]])).toEqual([
      [7, 0, [2, 1]],
      [9, 0, [4, 3]],
    ]);
    expect(pipeline.frames).toEqual([2]);
  });

  test("calls are answered in the order in which they are done, not in that of their coming", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1)), callOf(2, PUT, Buffer.of(2))] });
    await held.arrived(2);
    held.settle(1, Buffer.of(20));
    await pipeline.answersTo(1);
    held.settle(0, Buffer.of(10));
    expect((await pipeline.answersTo(2)).map(({ id }) => id)).toEqual([2, 1]);
  });

  test("the handler sees a call as it sees one by itself", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    const said = {
      requestId: "3/5/4",
      deadlineMs: PATIENCE_MS,
      traceparent: "00-a",
      forward: "off",
      member: "n2",
      hops: 1,
    };
    pipeline.send({ calls: [callOf(1, GET, Buffer.of(5), said)] });
    const metadata = {
      "quorate-request-id": "3/5/4",
      traceparent: "00-a",
      "quorate-forward": "off",
      "quorate-member": "n2",
      "quorate-hops": "1",
    };
    void serving.unary(GET, Buffer.of(5), { metadata, deadlineMs: PATIENCE_MS });
    await held.arrived(2);
    const [one, other] = held.calls.map(({ method, body, headers, traceparent, peer, isSubmitted }) => {
      const { requestId, forward, member, hops } = headers;
      return { method, body: [...body], requestId, forward, member, hops, traceparent, peer, isSubmitted };
    });
    expect(one).toEqual(other);
    // Both waits were counted from when they were sent.
    expect(Math.abs(held.calls[0]!.deadlineMs - held.calls[1]!.deadlineMs)).toBeLessThan(PATIENCE_MS / 2);
    held.settle(0, Buffer.of(1));
    held.settle(1, Buffer.of(1));
    await pipeline.answersTo(1);
  });

  test("a failure is that of its call alone, and says all that it says of a call by itself", async () => {
    const leader = { memberId: "n3", address: "127.0.0.1:7" };
    const pipeline = await open((call) =>
      call.body[0] === 1
        ? Promise.reject(new CallFailure(ErrorReason.NOT_LEADER, "n3 leads", { leader }))
        : echo(call),
    );
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1)), callOf(2, PUT, Buffer.of(2))] });
    const answers = await pipeline.answersTo(2);
    const failed = answers.find(({ id }) => id === 1)!;
    expect(failed).toMatchObject({ code: status.UNAVAILABLE, message: "n3 leads" });
    expect(detailOf(failed)).toMatchObject({
      reason: ErrorReason.NOT_LEADER,
      outcome: Outcome.NOT_APPLIED,
      leader,
    });
    expect(answers.find(({ id }) => id === 2)).toMatchObject({ code: 0 });
  });

  test("a read that fails speaks of no outcome", async () => {
    const pipeline = await open(() => Promise.reject(new CallFailure(ErrorReason.NO_LEADER, "none")));
    pipeline.send({ calls: [callOf(1, GET, Buffer.of(1))] });
    const [answer] = await pipeline.answersTo(1);
    expect(detailOf(answer!).outcome).toBe(Outcome.UNSPECIFIED);
  });

  test("what nobody expected is INTERNAL, and one line at error", async () => {
    const pipeline = await open(() => Promise.reject(new Error("a bug")));
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    const [answer] = await pipeline.answersTo(1);
    expect(answer).toMatchObject({ code: status.INTERNAL });
    expect(serving.log.lines).toMatchObject([
      { level: "error", fields: { method: PUT, peer: expect.any(String) } },
    ]);
  });

  test.each([["/quorate.kv.v1.KvService/Nothing"], [SCAN], [""], ["/quorate.kv.v1.KvService/Pipeline"]])(
    "the method %j is UNIMPLEMENTED for that call alone",
    async (method) => {
      const pipeline = await open(echo);
      pipeline.send({ calls: [callOf(1, method, Buffer.of(1)), callOf(2, PUT, Buffer.of(2))] });
      const answers = await pipeline.answersTo(2);
      const refused = answers.find(({ id }) => id === 1)!;
      expect(refused.code).toBe(status.UNIMPLEMENTED);
      expect(detailOf(refused)).toMatchObject({
        reason: ErrorReason.UNIMPLEMENTED,
        outcome: Outcome.NOT_APPLIED,
      });
      expect(answers.find(({ id }) => id === 2)!.code).toBe(0);
    },
  );

  test("a frame that is none ends the stream, and the calls that it has brought are let go of", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    await held.arrived(1);
    pipeline.sendBytes(Buffer.of(0x0a, 200));
    expect(CallFailure.from(await pipeline.failure())).toMatchObject({
      reason: ErrorReason.MALFORMED_REQUEST,
      code: status.INVALID_ARGUMENT,
      outcome: Outcome.UNKNOWN,
    });
    expect(held.calls[0]!.aborted).toBe(true);
  });

  test("an id that is open ends the stream", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1)), callOf(1, PUT, Buffer.of(2))] });
    expect(CallFailure.from(await pipeline.failure())).toMatchObject({
      reason: ErrorReason.MALFORMED_REQUEST,
      message: expect.stringContaining("the id 1 is that of a call which is open"),
    });
    expect(held.calls).toHaveLength(1);
  });

  test("an id that was answered may be used again", async () => {
    const pipeline = await open(echo);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    await pipeline.answersTo(1);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(2))] });
    expect((await pipeline.answersTo(2)).map(({ body }) => body[0])).toEqual([1, 2]);
  });

  test("a deadline that passes is answered with what is known of the outcome, and no other call waits for it", async () => {
    const pipeline = await open((call) => {
      call.isSubmitted = call.body[0] === 1;
      return call.body[0] === 3 ? echo(call) : new Promise(() => {});
    });
    const calls = [
      callOf(1, PUT, Buffer.of(1), { deadlineMs: 200 }),
      callOf(2, PUT, Buffer.of(2), { deadlineMs: 100 }),
      callOf(3, PUT, Buffer.of(3), { deadlineMs: 2 ** 32 - 1 }),
    ];
    pipeline.send({ calls });
    const answers = await pipeline.answersTo(3);
    expect(answers[0]!.id).toBe(3);
    const [one, two, three] = answers.toSorted((left, right) => left.id - right.id);
    expect([one!.code, two!.code, three!.code]).toEqual([
      status.DEADLINE_EXCEEDED,
      status.DEADLINE_EXCEEDED,
      0,
    ]);
    expect(detailOf(one!).outcome).toBe(Outcome.UNKNOWN);
    expect(detailOf(two!).outcome).toBe(Outcome.NOT_APPLIED);
  });

  test("a call that brings no deadline gets the default one", async () => {
    const pipeline = await open(() => new Promise(() => {}), { defaultDeadlineMs: 100 });
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    const [answer] = await pipeline.answersTo(1);
    expect(answer).toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test("a stream that brings a deadline ends with it, and its calls with the stream", async () => {
    const held = new HeldCalls();
    serving = await Serving.open(serviceOf(held.unary));
    // In words that the caller does not know, who would end it, too.
    const metadata = new Metadata();
    metadata.set("grpc-timeout", "100m");
    const pipeline = new RawPipeline(serving.client, metadata);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    expect(await pipeline.failure()).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    await eventually("all are let go of", () => held.calls.every(({ aborted }) => aborted));
  });

  test("a call that is cancelled gets no answer, is one line at debug, and leaves the others alone", async () => {
    const held = new HeldCalls();
    const ended: [string, status][] = [];
    const pipeline = await open(held.unary, {
      onEnd: ({ path }: MethodRoute, code: status) => ended.push([path, code]),
    });
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1)), callOf(2, GET, Buffer.of(2))] });
    await held.arrived(2);
    pipeline.send({ cancelled: [1, 77] });
    await eventually("it is let go of", () => held.calls[0]!.aborted);
    held.settle(0, Buffer.of(1));
    held.settle(1, Buffer.of(2));
    expect((await pipeline.answersTo(1)).map(({ id }) => id)).toEqual([2]);
    expect(ended).toEqual([
      [PUT, status.CANCELLED],
      [GET, status.OK],
    ]);
    expect(serving.log.lines).toMatchObject([
      { level: "debug", fields: { method: PUT, reason: "CANCELLED" } },
    ]);
  });

  test("a caller that leaves with calls open ends them all", async () => {
    const held = new HeldCalls();
    const ended: status[] = [];
    const pipeline = await open(held.unary, { onEnd: (_, code: status) => ended.push(code) });
    pipeline.send({ calls: [1, 2, 3].map((id) => callOf(id, PUT, Buffer.of(id))) });
    await held.arrived(3);
    pipeline.stream.cancel();
    await eventually("all are let go of", () => held.calls.every(({ aborted }) => aborted));
    expect(ended).toEqual([status.CANCELLED, status.CANCELLED, status.CANCELLED]);
    // An answer that comes after all is nobody's.
    held.settle(0, Buffer.of(1));
  });

  test("a caller that has said all gets its answers before the stream ends", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    pipeline.stream.end();
    await held.arrived(1);
    held.settle(0, Buffer.of(1));
    await eventually("it has ended", () => pipeline.hasEnded);
    expect(pipeline.error).toBeNull();
    expect(pipeline.answers).toHaveLength(1);
  });

  test("no more is read of a stream while too many of its calls are open", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary, { pipelineLimits: { callsMax: 10, bytesMax: 2 ** 30 } });
    for (let id = 0; id < 100; id += 1) pipeline.send({ calls: [callOf(id, PUT, Buffer.of(id))] });
    await held.arrived(10);
    let before = 0;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = held.calls.length === before ? looks + 1 : 0;
      before = held.calls.length;
      return looks === 5;
    });
    expect(held.calls).toHaveLength(10);
    for (let nth = 0; nth < 100; nth += 1) {
      await held.arrived(nth + 1);
      held.settle(nth, Buffer.of(nth));
    }
    expect((await pipeline.answersTo(100)).map(({ id }) => id)).toEqual(
      Array.from({ length: 100 }, (_, id) => id),
    );
  });

  test("no more is read of a stream while its open calls are too large together", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary, { pipelineLimits: { callsMax: 1000, bytesMax: 100_000 } });
    for (let id = 0; id < 20; id += 1) pipeline.send({ calls: [callOf(id, PUT, Buffer.alloc(20_000))] });
    await held.arrived(5);
    let before = 0;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = held.calls.length === before ? looks + 1 : 0;
      before = held.calls.length;
      return looks === 5;
    });
    expect(held.calls).toHaveLength(5);
    for (let nth = 0; nth < 20; nth += 1) {
      await held.arrived(nth + 1);
      held.settle(nth, Buffer.of(nth));
    }
    await pipeline.answersTo(20);
  });

  test("a caller that takes no answers holds up what it sends, and gets all when it takes them", async () => {
    let served = 0;
    const answer = Buffer.alloc(50_000, 7);
    const pipeline = await open(
      () => {
        served += 1;
        return Promise.resolve(answer);
      },
      { pipelineLimits: { callsMax: 20, bytesMax: 2 ** 30 } },
    );
    pipeline.stream.pause();
    for (let id = 0; id < 400; id += 1) pipeline.send({ calls: [callOf(id, PUT, Buffer.of(1))] });
    let before = 0;
    let looks = 0;
    await eventually("it stands still", () => {
      looks = served > 0 && served === before ? looks + 1 : 0;
      before = served;
      return looks === 5;
    });
    // What 20 may hold, 16 frames in the hands of the transport at each end, and the windows of HTTP/2 between them.
    expect(served).toBeLessThan(300);
    pipeline.stream.resume();
    const answers = await pipeline.answersTo(400);
    expect(answers.every(({ body }) => answer.equals(body))).toBe(true);
  });

  test("many answers of one turn leave in frames of about 64 KiB, and a larger one by itself", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: Array.from({ length: 40 }, (_, id) => callOf(id, PUT, Buffer.of(id))) });
    await held.arrived(40);
    for (let nth = 0; nth < 40; nth += 1) held.settle(nth, Buffer.alloc(nth === 20 ? 200_000 : 6000, nth));
    const answers = await pipeline.answersTo(40);
    expect(answers.map(({ id, body }) => [id, body.length, body[0]])).toEqual(
      Array.from({ length: 40 }, (_, nth) => [nth, nth === 20 ? 200_000 : 6000, nth]),
    );
    expect(pipeline.frames).toEqual([10, 10, 1, 10, 9]);
  });

  test("a server that shuts down answers what it has taken, refuses what comes, and ends the stream well", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1)), callOf(2, PUT, Buffer.of(2))] });
    await held.arrived(2);
    const closing = serving.server.close(PATIENCE_MS);
    pipeline.send({ calls: [callOf(3, PUT, Buffer.of(3))] });
    const [refused] = await pipeline.answersTo(1);
    expect(refused!.id).toBe(3);
    expect(detailOf(refused!)).toMatchObject({
      reason: ErrorReason.SHUTTING_DOWN,
      outcome: Outcome.NOT_APPLIED,
    });
    held.settle(0, Buffer.of(10));
    await pipeline.answersTo(2);
    expect(pipeline.hasEnded).toBe(false);
    held.settle(1, Buffer.of(20));
    await eventually("it has ended", () => pipeline.hasEnded);
    expect(pipeline.error).toBeNull();
    expect(pipeline.answers.map(({ id }) => id)).toEqual([3, 1, 2]);
    expect(held.calls).toHaveLength(2);
    await closing;
  });

  test("the end that a shutdown makes overtakes no answer, however slowly they are taken", async () => {
    const held = new HeldCalls();
    const pipeline = await open(held.unary);
    pipeline.stream.pause();
    pipeline.send({ calls: Array.from({ length: 200 }, (_, id) => callOf(id, PUT, Buffer.of(1))) });
    await held.arrived(200);
    const closing = serving.server.close(PATIENCE_MS);
    for (let nth = 0; nth < 200; nth += 1) held.settle(nth, Buffer.alloc(10_000, nth));
    while (!pipeline.hasEnded) {
      pipeline.stream.resume();
      await new Promise((resolve) => setImmediate(resolve));
      pipeline.stream.pause();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pipeline.error).toBeNull();
    expect(pipeline.answers.map(({ body }) => body.length)).toEqual(new Array(200).fill(10_000));
    await closing;
  });

  test("a pipeline without calls holds up no shutdown", async () => {
    const pipeline = await open(echo);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    await pipeline.answersTo(1);
    await serving.server.close(PATIENCE_MS);
    await eventually("it has ended", () => pipeline.hasEnded);
    expect(pipeline.error).toBeNull();
  });

  test("each call is counted with how long it took, and the stream is none", async () => {
    const ended: [string, status][] = [];
    const held = new HeldCalls();
    let tookMs = 0;
    const pipeline = await open(held.unary, {
      onEnd: ({ path }, code, elapsedMs) => {
        ended.push([path, code]);
        tookMs = elapsedMs;
      },
    });
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    await held.arrived(1);
    const sinceMs = performance.now();
    await eventually("a while has passed", () => performance.now() - sinceMs > 20);
    held.settle(0, Buffer.of(1));
    await pipeline.answersTo(1);
    pipeline.stream.end();
    await eventually("it has ended", () => pipeline.hasEnded);
    expect(ended).toEqual([[PUT, status.OK]]);
    expect(tookMs).toBeGreaterThanOrEqual(20);
    expect(serving.server.openStreams).toBe(0);
  });

  test("two streams of one client have ids of their own", async () => {
    const pipeline = await open(echo);
    const other = new RawPipeline(serving.client);
    pipeline.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    other.send({ calls: [callOf(1, PUT, Buffer.of(2))] });
    expect((await pipeline.answersTo(1))[0]!.body[0]).toBe(1);
    expect((await other.answersTo(1))[0]!.body[0]).toBe(2);
  });

  test("B2: a frame far over the limit ends the stream, and the channel goes on", async () => {
    const pipeline = await open(echo, { messageBytesMax: 100_000 });
    pipeline.send({ calls: [callOf(1, PUT, Buffer.alloc(1_000_000))] });
    expect((await pipeline.failure()).code).toBe(status.RESOURCE_EXHAUSTED);
    const next = new RawPipeline(serving.client);
    next.send({ calls: [callOf(1, PUT, Buffer.of(1))] });
    await next.answersTo(1);
  });
});
