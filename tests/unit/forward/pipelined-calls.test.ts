import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import {
  ByteChannel,
  CallFailure,
  NO_HEADERS,
  type OutgoingCall,
  outgoingCall,
} from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { Link } from "../../support/link";
import { PUT, RawPipelineServer } from "./raw-pipeline-server";
import { onceArrived, PATIENCE_MS, PATIENT_OPTIONS, patientChannel, Serving, serviceOf } from "./serving";

const SCAN = "/quorate.kv.v1.KvService/Scan";
/** Of a caller who does not leave. */
const never = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };

function putOf(body: Uint8Array, more: Partial<OutgoingCall> = {}): OutgoingCall {
  return {
    path: PUT,
    body: Buffer.from(body),
    headers: NO_HEADERS,
    deadlineMs: Date.now() + PATIENCE_MS,
    ...more,
  };
}

async function failureOf(call: Promise<Buffer>): Promise<CallFailure> {
  return call.then(
    () => {
      throw new Error("it was answered");
    },
    (failure: CallFailure) => failure,
  );
}

describe("calls that share a stream to a node", () => {
  const closing: (() => void | Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  function channelTo(address: string): ByteChannel {
    const channel = patientChannel(address, true);
    closing.push(() => channel.close());
    return channel;
  }

  async function serve(
    unary: Parameters<typeof serviceOf>[0],
  ): Promise<{ serving: Serving; channel: ByteChannel }> {
    const serving = await Serving.open(serviceOf(unary));
    closing.push(() => serving.close());
    return { serving, channel: channelTo(serving.address) };
  }

  async function raw(
    options: ConstructorParameters<typeof RawPipelineServer>[0] = {},
  ): Promise<{ server: RawPipelineServer; channel: ByteChannel }> {
    const server = new RawPipelineServer(options);
    await server.listen();
    closing.push(() => server.close());
    return { server, channel: channelTo(server.address) };
  }

  /** A channel whose stream is open already. */
  async function warm(): Promise<{ server: RawPipelineServer; channel: ByteChannel }> {
    const { server, channel } = await raw();
    const first = channel.unary(putOf(Buffer.of(0)), never);
    await server.arrived(1);
    server.answer({ id: server.calls[0]!.id });
    await first;
    server.calls.length = 0;
    server.frames.length = 0;
    return { server, channel };
  }

  async function answered(channel: ByteChannel): Promise<void> {
    const answer = await eventually("it is connected", () =>
      channel.unary(putOf(Buffer.of(2), { deadlineMs: Date.now() + 1000 }), never),
    );
    expect(answer).toEqual(Buffer.of(6));
  }

  /** A channel that probes its connection, which is open, with its stream. */
  async function behindLink(): Promise<{ link: Link; channel: ByteChannel }> {
    const { server } = await raw();
    const link = await Link.listen();
    closing.push(() => link.close());
    link.targetPort = Number(server.address.split(":")[1]);
    const options = {
      ...PATIENT_OPTIONS,
      keepalive: { timeMs: 1000, timeoutMs: 1000 },
      connectTimeoutMs: 500,
      pipelining: true,
    };
    const channel = new ByteChannel(`127.0.0.1:${link.port}`, options);
    closing.push(() => channel.close());
    const answering = setInterval(() => {
      for (const { id } of server.calls.splice(0)) server.answer({ id, body: Buffer.of(6) });
    }, 10);
    closing.push(() => clearInterval(answering));
    await answered(channel);
    return { link, channel };
  }

  test("what many callers send in one turn leaves in one frame, and each gets its own answer", async () => {
    const { server, channel } = await warm();
    const answers = [1, 2, 3].map((byte) => channel.unary(putOf(Buffer.of(byte)), never));
    await server.arrived(3);
    expect(server.frames).toEqual([3]);
    server.answer(...server.calls.map(({ id, body }) => ({ id, body: Buffer.of(body[0]! * 10) })).reverse());
    expect((await Promise.all(answers)).map((answer) => answer[0])).toEqual([10, 20, 30]);
    expect(server.streams).toHaveLength(1);
    expect(server.alone).toEqual([]);
  });

  test("a call arrives with its path, headers, deadline and bytes", async () => {
    const { server, channel } = await warm();
    const headers = { requestId: "3/5/4", forward: "off", member: "n2", hops: 1, traceparent: "00-a" };
    const sent = channel.unary(putOf(Buffer.of(1, 2), { headers }), never);
    await server.arrived(1);
    const [{ id, deadlineMs, body, ...rest }] = server.calls as [(typeof server.calls)[0]];
    expect(rest).toEqual({ method: PUT, ...headers });
    expect([...body]).toEqual([1, 2]);
    expect(deadlineMs).toBeGreaterThan(0);
    expect(deadlineMs).toBeLessThanOrEqual(PATIENCE_MS);
    server.answer({ id });
    await sent;
  });

  test("a call without a deadline says so", async () => {
    const { server, channel } = await warm();
    const sent = channel.unary(putOf(Buffer.of(1), { deadlineMs: Number.POSITIVE_INFINITY }), never);
    await server.arrived(1);
    expect(server.calls[0]!.deadlineMs).toBe(0);
    server.answer({ id: server.calls[0]!.id });
    await sent;
  });

  test("a failure says what the node said, to the byte", async () => {
    const leader = { memberId: "n3", address: "127.0.0.1:7" };
    const refused = new CallFailure(ErrorReason.NOT_LEADER, "n3 leads", { leader });
    const { serving, channel } = await serve(() => Promise.reject(refused));
    const failure = await failureOf(channel.unary(putOf(Buffer.of(1)), never));
    expect(failure).toMatchObject({ reason: ErrorReason.NOT_LEADER, message: "n3 leads", leader });
    expect(failure.statusDetails).toEqual(refused.statusDetails);
    expect(serving.log.lines).toEqual([]);
  });

  test("a failure without a detail speaks by its code", async () => {
    const { server, channel } = await warm();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1)), never));
    await server.arrived(1);
    server.answer({ id: server.calls[0]!.id, code: status.RESOURCE_EXHAUSTED, message: "no" });
    expect(await sent).toMatchObject({ reason: ErrorReason.TOO_LARGE, outcome: Outcome.UNKNOWN });
  });

  test("calls that were written when the connection breaks are of unknown outcome, and the next one goes on", async () => {
    let calls = 0;
    const serving = await Serving.open(
      serviceOf(() => {
        calls += 1;
        return new Promise(() => {});
      }),
    );
    closing.push(() => serving.client.close());
    const channel = channelTo(serving.address);
    const sent = [1, 2].map((byte) => failureOf(channel.unary(putOf(Buffer.of(byte)), never)));
    await eventually("they have arrived", () => calls === 2);
    await serving.server.close(0);
    for (const failure of await Promise.all(sent)) {
      expect(failure).toMatchObject({ reason: ErrorReason.CONNECTION_LOST, outcome: Outcome.UNKNOWN });
    }
    const again = new Serving(serviceOf((call) => Promise.resolve(Buffer.from(call.body))));
    await again.server.listen(serving.address);
    closing.push(() => again.server.close(100));
    const answered = eventually("it is connected", () => channel.unary(putOf(Buffer.of(7)), never));
    expect(await answered).toEqual(Buffer.of(7));
  });

  test("a call that waits for its place when the connection breaks was not sent", async () => {
    const { server, channel } = await warm();
    server.newest.pause();
    // More than the transport takes while nobody reads.
    const body = Buffer.alloc(60_000);
    const sent = Array.from({ length: 100 }, () => failureOf(channel.unary(putOf(body), never)));
    // What is written is on its way before the connection goes.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    server.close();
    const reasons = (await Promise.all(sent)).map(({ reason, outcome }) => [reason, outcome]);
    expect(reasons[0]).toEqual([ErrorReason.CONNECTION_LOST, Outcome.UNKNOWN]);
    expect(reasons.at(-1)).toEqual([ErrorReason.UNREACHABLE, Outcome.NOT_APPLIED]);
  });

  test("a node that knows no pipeline gets each call by itself, and is not asked again for a while", async () => {
    const { server, channel } = await raw({ knowsPipelines: false });
    const answers = await Promise.all([1, 2].map((byte) => channel.unary(putOf(Buffer.of(byte)), never)));
    expect(answers.map((answer) => answer[0])).toEqual([1, 2]);
    expect(await channel.unary(putOf(Buffer.of(3)), never)).toEqual(Buffer.of(3));
    const alone = server.alone.map((body) => body[0] as number);
    // Calls by themselves that are under way together may overtake each other.
    expect([alone.slice(0, 2).sort(), alone.slice(2)]).toEqual([[1, 2], [3]]);
  });

  test("a call whose caller leaves before it is written is not sent", async () => {
    const { server, channel } = await warm();
    const leaving = new AbortController();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1)), leaving.signal));
    const other = channel.unary(putOf(Buffer.of(2)), never);
    leaving.abort();
    expect(await sent).toMatchObject({ reason: ErrorReason.CANCELLED, outcome: Outcome.NOT_APPLIED });
    await server.arrived(1);
    server.answer({ id: server.calls[0]!.id });
    await other;
    expect(server.calls.map(({ body }) => body[0])).toEqual([2]);
    expect(server.cancelled).toEqual([]);
  });

  test("a call whose caller leaves afterwards is called off, and its answer is nobody's", async () => {
    const { server, channel } = await warm();
    const leaving = new AbortController();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1)), leaving.signal));
    await server.arrived(1);
    leaving.abort();
    expect(await sent).toMatchObject({ reason: ErrorReason.CANCELLED, outcome: Outcome.UNKNOWN });
    const { id } = server.calls[0]!;
    await eventually("it is called off", () => server.cancelled.includes(id));
    server.answer({ id });
    const next = channel.unary(putOf(Buffer.of(2)), never);
    await server.arrived(2);
    server.answer({ id: server.calls[1]!.id, body: Buffer.of(9) });
    expect(await next).toEqual(Buffer.of(9));
  });

  test("a deadline that the node lets pass ends the call here, and calls it off there", async () => {
    const { server, channel } = await warm();
    const other = channel.unary(putOf(Buffer.of(1)), never);
    const hasArrived = (): boolean => server.calls.some(({ body }) => body[0] === 2);
    const failure = await onceArrived(
      (ms) => failureOf(channel.unary(putOf(Buffer.of(2), { deadlineMs: Date.now() + ms }), never)),
      hasArrived,
    );
    expect(failure).toMatchObject({ reason: ErrorReason.DEADLINE_EXCEEDED, outcome: Outcome.UNKNOWN });
    const first = server.calls.find(({ body }) => body[0] === 1);
    const second = server.calls.find(({ body }) => body[0] === 2);
    await eventually("it is called off", () => server.cancelled.includes(second!.id));
    server.answer({ id: first!.id, body: Buffer.of(5) });
    expect(await other).toEqual(Buffer.of(5));
  });

  test("a deadline before the answer is told by the node, which knows what became of the call", async () => {
    const { channel } = await serve(() => new Promise(() => {}));
    // On a machine that stands still just then it comes too late.
    const told = await eventually("the node's word was in time", async () => {
      const call = putOf(Buffer.of(1), { deadlineMs: Date.now() + 200 });
      const failure = await failureOf(channel.unary(call, never));
      return failure.outcome === Outcome.NOT_APPLIED && failure;
    });
    expect(told).toMatchObject({
      reason: ErrorReason.DEADLINE_EXCEEDED,
      message: expect.stringContaining("taken up"),
    });
  });

  test("a stream on which nothing comes, though it should, is left to itself", async () => {
    const { server, channel } = await warm();
    const stuck = failureOf(channel.unary(putOf(Buffer.of(1), { deadlineMs: Date.now() + 1500 }), never));
    await stuck;
    const next = channel.unary(putOf(Buffer.of(2)), never);
    await eventually("there is another stream", () => server.streams.length === 2);
    await server.arrived(2);
    server.answer({ id: server.calls[1]!.id, body: Buffer.of(3) });
    expect(await next).toEqual(Buffer.of(3));
  });

  test("calls go by themselves while more is open than one stream is to hold", async () => {
    const { server, channel } = await warm();
    const open = Array.from({ length: 2048 }, () => channel.unary(putOf(Buffer.of(1)), never));
    expect(await channel.unary(putOf(Buffer.of(2)), never)).toEqual(Buffer.of(2));
    await server.arrived(2048);
    expect(server.alone.map((body) => body[0])).toEqual([2]);
    server.answer(...server.calls.map(({ id }) => ({ id })));
    await Promise.all(open);
  });

  test("a large call goes by itself", async () => {
    const { server, channel } = await warm();
    const body = Buffer.alloc(300_000, 7);
    expect((await channel.unary(putOf(body), never)).equals(body)).toBe(true);
    expect(server.alone).toHaveLength(1);
  });

  test("methods that are not public go by themselves", async () => {
    const { server, channel } = await warm();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1), { path: SCAN }), never));
    expect(await sent).toMatchObject({ reason: ErrorReason.UNIMPLEMENTED });
    expect(server.calls).toEqual([]);
  });

  test("a node that shuts down answers what it took, and says that it took nothing else", async () => {
    const release: (() => void)[] = [];
    const { serving, channel } = await serve(
      (call) =>
        new Promise((resolve) => {
          const answer = Buffer.from(call.body);
          release.push(() => resolve(answer));
        }),
    );
    const taken = channel.unary(putOf(Buffer.of(1)), never);
    await eventually("it was taken", () => release.length === 1);
    const closed = serving.server.close(PATIENCE_MS);
    const refused = await failureOf(channel.unary(putOf(Buffer.of(2)), never));
    expect(refused).toMatchObject({ reason: ErrorReason.SHUTTING_DOWN, outcome: Outcome.NOT_APPLIED });
    release[0]!();
    expect(await taken).toEqual(Buffer.of(1));
    await closed;
  });

  test("what was written and not answered when a stream ends well was not taken", async () => {
    const { server, channel } = await warm();
    const sent = [1, 2].map((byte) => channel.unary(putOf(Buffer.of(byte)), never));
    await server.arrived(2);
    server.answer({ id: server.calls[0]!.id, body: Buffer.of(4) });
    server.newest.end();
    expect(await sent[0]).toEqual(Buffer.of(4));
    expect(await failureOf(sent[1]!)).toMatchObject({
      reason: ErrorReason.SHUTTING_DOWN,
      outcome: Outcome.NOT_APPLIED,
    });
  });

  test("a stream that fails leaves open what became of its calls", async () => {
    const { server, channel } = await warm();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1)), never));
    await server.arrived(1);
    server.newest.emit("error", { code: status.RESOURCE_EXHAUSTED, details: "too large" });
    expect(await sent).toMatchObject({ reason: ErrorReason.CONNECTION_LOST, outcome: Outcome.UNKNOWN });
  });

  test("answers that cannot be read end the stream, and the outcome of its calls is unknown", async () => {
    const { server, channel } = await warm();
    const sent = failureOf(channel.unary(putOf(Buffer.of(1)), never));
    await server.arrived(1);
    server.newest.write(Buffer.of(0x0a, 200));
    expect(await sent).toMatchObject({ reason: ErrorReason.CONNECTION_LOST, outcome: Outcome.UNKNOWN });
    const next = channel.unary(putOf(Buffer.of(2)), never);
    await server.arrived(2);
    server.answer({ id: server.calls[1]!.id });
    await next;
    expect(server.streams).toHaveLength(2);
  });

  test.each([
    ["cut", { kind: "cut" }],
    ["open at this end alone", { kind: "half_open", gone: "target" }],
  ] as const)(
    "a connection that is %s is given up with its calls, and the next one goes on",
    async (_, fault) => {
      const { link, channel } = await behindLink();
      await link.impose(fault);
      const sent = failureOf(channel.unary(putOf(Buffer.of(1)), never));
      expect(await sent).toMatchObject({ reason: ErrorReason.CONNECTION_LOST, outcome: Outcome.UNKNOWN });
      await link.heal();
      await answered(channel);
    },
  );

  test("a channel that is closed lets its calls end, and then its connection", async () => {
    const release: (() => void)[] = [];
    const { serving, channel } = await serve(
      () => new Promise((resolve) => release.push(() => resolve(Buffer.of(1)))),
    );
    const sent = channel.unary(putOf(Buffer.of(1)), never);
    await eventually("it was taken", () => release.length === 1);
    channel.close();
    release[0]!();
    expect(await sent).toEqual(Buffer.of(1));
    await eventually("the connection is gone", () => serving.server.connectionCount === 0);
  });

  test("a call that was passed on says so, and what it is traced under", async () => {
    const seen: unknown[] = [];
    const { channel } = await serve(async (call) => {
      seen.push(call.headers.hops, call.traceparent);
      if (seen.length === 2) await channel.unary(outgoingCall(call), call);
      return Buffer.of(1);
    });
    await channel.unary(putOf(Buffer.of(1), { headers: { ...NO_HEADERS, traceparent: "00-a" } }), never);
    expect(seen).toEqual([0, "00-a", 1, "00-a"]);
  });
});
