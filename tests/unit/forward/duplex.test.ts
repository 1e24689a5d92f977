import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason } from "@quorate/proto/kv";
import {
  ByteCall,
  type ByteChannel,
  type ByteService,
  CallFailure,
  forwardDuplex,
  methodRoutes,
  NO_HEADERS,
} from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { Said } from "./said";
import { duplexServiceOf, onceArrived, patientChannel, Serving } from "./serving";

const WATCH = "/quorate.kv.v1.WatchService/Watch";
const KIB_64 = Buffer.alloc(64 * 1024, 7);

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(duplex: ByteService["duplex"], messageBytesMax = 1024 * 1024): Promise<Serving> {
  const serving = await Serving.open(duplexServiceOf(duplex), { messageBytesMax });
  closing.push(() => serving.close());
  return serving;
}

function channelTo(serving: Serving): ByteChannel {
  const channel = patientChannel(serving.address);
  closing.push(() => channel.close());
  return channel;
}

/** A way there of one hop, or over another server that passes everything on: a follower, or a gateway. */
const ways: readonly (readonly [string, (serving: Serving) => Promise<ByteChannel>])[] = [
  ["directly", (serving) => Promise.resolve(channelTo(serving))],
  [
    "through another node",
    async (serving) => {
      const onward = channelTo(serving);
      return channelTo(await serve((call, source, sink) => forwardDuplex(onward, call, source, sink)));
    },
  ],
];

function outgoing(deadlineInMs = Number.POSITIVE_INFINITY) {
  const deadlineMs = Date.now() + deadlineInMs;
  return { path: WATCH, body: Buffer.alloc(0), headers: NO_HEADERS, deadlineMs };
}

const echo: ByteService["duplex"] = async (_call, source, sink) => {
  for await (const message of source) await sink.write(message);
};

async function* numbers(count: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < count; at += 1) {
    const message = Buffer.alloc(4);
    message.writeUInt32BE(at);
    yield message;
  }
}

async function allOf(answers: AsyncIterable<Uint8Array>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const answer of answers) all.push([...answer]);
  return all;
}

/** Looks until a number stands still for a while, once it is no longer 0. */
async function steady(look: () => number): Promise<number> {
  let before = 0;
  let looks = 0;
  await eventually("it stands still", () => {
    looks = look() === before && before > 0 ? looks + 1 : 0;
    before = look();
    return looks === 5;
  });
  return before;
}

async function failureOf(
  answers: AsyncIterable<Uint8Array>,
): Promise<{ messages: number[][]; failure: CallFailure }> {
  const messages: number[][] = [];
  try {
    for await (const answer of answers) messages.push([...answer]);
  } catch (error) {
    return { messages, failure: error as CallFailure };
  }
  throw new Error("the stream did not fail");
}

const { signal } = new AbortController();

describe.each(ways)("a stream both ways, %s", (_name, wayTo) => {
  test("keeps the order of a thousand messages, and ends when both have said all", async () => {
    const channel = await wayTo(await serve(echo));
    const heard: number[] = [];
    for await (const answer of channel.duplex(outgoing(), numbers(1000), signal))
      heard.push(answer.readUInt32BE());
    expect(heard).toEqual(Array.from({ length: 1000 }, (_, at) => at));
  });

  test("answers go on after the caller has said all", async () => {
    const channel = await wayTo(
      await serve(async (_call, source, sink) => {
        let count = 0;
        for await (const message of source) count += message.length;
        for (let at = 0; at < 3; at += 1) await sink.write(Buffer.of(count + at));
      }),
    );
    expect(await allOf(channel.duplex(outgoing(), numbers(2), signal))).toEqual([[8], [9], [10]]);
  });

  test("the server may end it while the caller still has something to say, who is let go then", async () => {
    const channel = await wayTo(await serve(async (_call, _source, sink) => sink.write(Buffer.of(1))));
    const said = new Said();
    expect(await allOf(channel.duplex(outgoing(), said, signal))).toEqual([[1]]);
    expect(said.isLetGo).toBe(true);
  });

  test("a server that reads slowly holds up the caller, with a bounded number of messages between the two", async () => {
    let isReading: () => void = () => {};
    const channel = await wayTo(
      await serve(async (_call, source, sink) => {
        await new Promise<void>((resolve) => {
          isReading = resolve;
        });
        let bytes = 0;
        for await (const message of source) bytes += message.length;
        const answer = Buffer.alloc(4);
        answer.writeUInt32BE(bytes);
        await sink.write(answer);
      }),
    );
    let taken = 0;
    async function* many() {
      for (; taken < 400; taken += 1) yield KIB_64;
    }
    const answered = allOf(channel.duplex(outgoing(), many(), signal));
    const held = await steady(() => taken);
    expect(held).toBeGreaterThan(0);
    // Windows of HTTP/2, and 16 messages read ahead by each server on the way.
    expect(held).toBeLessThan(100);
    isReading();
    expect(await answered).toEqual([[...Buffer.from([0x01, 0x90, 0, 0])]]);
  });

  test("a caller that reads slowly holds up the server", async () => {
    let written = 0;
    const channel = await wayTo(
      await serve(async (_call, _source, sink) => {
        for (; written < 400; written += 1) await sink.write(KIB_64);
      }),
    );
    const answers = channel.duplex(outgoing(), new Said(), signal)[Symbol.asyncIterator]();
    await answers.next();
    expect(await steady(() => written)).toBeLessThan(150);
    let count = 1;
    while ((await answers.next()).done !== true) count += 1;
    expect(count).toBe(400);
  });

  test("a caller that leaves ends the server's reading and writing", async () => {
    const calls: ByteCall[] = [];
    const failures: unknown[] = [];
    const channel = await wayTo(
      await serve(async (call, source, sink) => {
        calls.push(call);
        await sink.write(Buffer.of(1));
        try {
          // Where the caller's HTTP/2 is that of Node, the end of its requests comes just before its leaving.
          for await (const message of source) await sink.write(message);
          for (;;) await sink.write(Buffer.of(2));
        } catch (error) {
          failures.push(error);
          throw error;
        }
      }),
    );
    const leaving = new AbortController();
    const said = new Said();
    const ended = failureOf(channel.duplex(outgoing(), said, leaving.signal));
    await eventually("the call is there", () => calls.length === 1);
    leaving.abort();
    expect((await ended).failure).toMatchObject({ reason: ErrorReason.CANCELLED });
    await eventually("the server knows", () => calls[0]!.aborted && failures.length === 1);
    expect(failures[0]).toMatchObject({ reason: ErrorReason.CANCELLED });
    expect(said.isLetGo).toBe(true);
  });

  test("to stop taking answers is to leave", async () => {
    const calls: ByteCall[] = [];
    const channel = await wayTo(
      await serve((call, source, sink) => {
        calls.push(call);
        return echo(call, source, sink);
      }),
    );
    const said = new Said();
    said.say(1);
    for await (const answer of channel.duplex(outgoing(), said, signal)) {
      expect([...answer]).toEqual([1]);
      break;
    }
    await eventually("the server knows", () => calls[0]!.aborted);
  });

  test("a failure comes behind the messages before it, with its detail", async () => {
    const leader = { memberId: "n2", address: "127.0.0.1:9" };
    const channel = await wayTo(
      await serve(async (_call, source, sink) => {
        for await (const message of source) {
          await sink.write(message);
          if (message[0] === 3) throw new CallFailure(ErrorReason.NOT_LEADER, "n2 is", { leader });
        }
      }),
    );
    const said = new Said();
    for (const byte of [1, 2, 3, 4]) said.say(byte);
    const { messages, failure } = await failureOf(channel.duplex(outgoing(), said, signal));
    expect(messages).toEqual([[1], [2], [3]]);
    expect(failure).toMatchObject({
      reason: ErrorReason.NOT_LEADER,
      message: "n2 is",
      leader,
      retryable: true,
    });
  });

  test("what the source throws ends the call at the server, and reaches whoever takes the answers", async () => {
    const calls: ByteCall[] = [];
    const channel = await wayTo(
      await serve((call, source, sink) => {
        calls.push(call);
        return echo(call, source, sink);
      }),
    );
    async function* failing() {
      yield Buffer.of(1);
      await eventually("the call is there", () => calls.length === 1);
      throw new CallFailure(ErrorReason.DATA_LOSS, "nothing more can be said");
    }
    const { failure } = await failureOf(channel.duplex(outgoing(), failing(), signal));
    expect(failure).toMatchObject({ reason: ErrorReason.DATA_LOSS });
    await eventually("the server knows", () => calls[0]!.aborted);
  });

  test("a deadline that passes ends it", async () => {
    const channel = await wayTo(await serve(echo));
    let answered = false;
    const { messages, failure } = await onceArrived(
      (deadlineMs) => {
        const said = new Said();
        said.say(1);
        return failureOf(channel.duplex(outgoing(deadlineMs), said, signal)).then((ended) => {
          answered = ended.messages.length > 0;
          return ended;
        });
      },
      () => answered,
    );
    expect(messages).toEqual([[1]]);
    expect(failure).toMatchObject({ reason: ErrorReason.DEADLINE_EXCEEDED });
  });

  test("a server that shuts down ends its streams with a word, without waiting out the time to drain", async () => {
    const serving = await serve(echo);
    const channel = await wayTo(serving);
    const said = new Said();
    said.say(1);
    const answers = channel.duplex(outgoing(), said, signal);
    await answers.next();
    // Longer than the whole test may take.
    const closed = serving.server.close(10 * 60_000);
    const { failure } = await failureOf(answers);
    expect(failure).toMatchObject({ reason: ErrorReason.SHUTTING_DOWN, retryable: true });
    await closed;
  });

  test("a server that is cut loses the connection", async () => {
    const serving = await serve(echo);
    const channel = await wayTo(serving);
    const said = new Said();
    said.say(1);
    const answers = channel.duplex(outgoing(), said, signal);
    await answers.next();
    await serving.server.close(0);
    // Before a probe of the connection would have found it out: the first is later than the end of the whole test.
    const { failure } = await failureOf(answers);
    expect(failure).toMatchObject({ reason: ErrorReason.CONNECTION_LOST, retryable: true });
  });
});

describe("a stream both ways", () => {
  test("a message over the limit of the server ends it, and nothing else", async () => {
    const serving = await serve(echo, 100_000);
    const sent = begin(serving);
    const other = begin(serving);
    sent.stream.write(Buffer.alloc(1_000_000));
    await eventually("it has failed", () => sent.failure() !== null);
    expect(sent.failure()).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(sent.failure()!.details).toContain("100000");
    other.stream.write(Buffer.of(5));
    await eventually("the other goes on", () => other.messages.length === 1);
    other.stream.end();
  });

  test("the end of a call is counted once, with its code", async () => {
    const ended: status[] = [];
    const hangsAtTheEnd: ByteService["duplex"] = async (call, source, sink) => {
      await echo(call, source, sink);
      if (ended.length > 0) await new Promise(() => {});
    };
    const serving = await Serving.open(duplexServiceOf(hangsAtTheEnd), {
      onEnd: (_method, code) => ended.push(code),
    });
    closing.push(() => serving.close());
    const channel = channelTo(serving);
    await allOf(channel.duplex(outgoing(), numbers(2), signal));
    const said = new Said();
    said.say(1);
    for await (const answer of channel.duplex(outgoing(), said, signal)) {
      expect([...answer]).toEqual([1]);
      break;
    }
    await eventually("both ended", () => ended.length === 2);
    expect(ended).toEqual([status.OK, status.CANCELLED]);
  });

  test("says that nothing was sent where nobody listens", async () => {
    const serving = await serve(echo);
    await serving.close();
    const said = new Said();
    const { failure } = await failureOf(channelTo(serving).duplex(outgoing(), said, signal));
    expect(failure).toMatchObject({ reason: ErrorReason.UNREACHABLE });
    expect(said.taken).toBe(0);
  });

  test("a call that is forwarded says so", async () => {
    const hops: number[] = [];
    const serving = await serve(async (call) => {
      hops.push(call.headers.hops);
    });
    const call = new ByteCall({
      method: methodRoutes.get(WATCH)!,
      body: Buffer.alloc(0),
      headers: NO_HEADERS,
      connection: { getPeer: () => "" },
      deadlineMs: Number.POSITIVE_INFINITY,
    });
    await forwardDuplex(channelTo(serving), call, numbers(0), { write: () => Promise.resolve() });
    expect(hops).toEqual([1]);
  });
});

/** A stream of a client that knows nothing of ours. */
function begin(serving: Serving) {
  const asIs = (bytes: Buffer): Buffer => bytes;
  const stream: ClientDuplexStream<Buffer, Buffer> = serving.client.makeBidiStreamRequest(WATCH, asIs, asIs);
  const messages: Buffer[] = [];
  let failure: ServiceError | null = null;
  stream.on("data", (message: Buffer) => messages.push(message));
  stream.on("error", (error: ServiceError) => {
    failure = error;
  });
  return { stream, messages, failure: (): ServiceError | null => failure };
}
