import { afterEach, describe, expect, test } from "@jest/globals";
import {
  ErrorReason,
  type Event,
  EventCause,
  EventKind,
  Outcome,
  type WatchCreate,
  WatchRequest,
  WatchResponse,
} from "@quorate/proto/kv";
import { ByteCall, CallFailure, callerLeft, methodRoutes, NO_HEADERS } from "@quorate/services/forward";
import { compactCommand, deleteCommand, truncateCommand } from "@quorate/services/kv";
import { eventually } from "../../support/eventually";
import { ANYONE, put, settled, WatchRig } from "../watch/watch-rig";
import { FakeNode } from "./fake-node";

/** Until nothing that is expected fails any more. */
function until(holds: () => void): Promise<boolean> {
  const condition = (): boolean => {
    holds();
    return true;
  };
  return eventually("the stream tells it", condition, { intervalMs: 2 });
}

const NOTHING: WatchCreate = {
  watchId: 0n,
  namespace: "",
  key: Buffer.alloc(0),
  start: Buffer.alloc(0),
  end: Buffer.alloc(0),
  prefix: Buffer.alloc(0),
  startRevision: 0n,
  withCurrentState: false,
  withPrevious: false,
  noPut: false,
  noDelete: false,
  progressIntervalMs: 0n,
};

const PATH = "/quorate.kv.v1.WatchService/Watch";
const nodes: FakeNode[] = [];

afterEach(() => {
  for (const node of nodes.splice(0)) node.channels.close();
});

/** One stream to a node whose hub the test drives; the caller takes messages only while `isTaking`. */
class Stream {
  readonly responses: WatchResponse[] = [];
  readonly sizes: number[] = [];
  readonly ended: Promise<CallFailure | null>;
  isTaking = true;
  private readonly call: ByteCall;
  private readonly waiting: Buffer[] = [];
  private hasSaidAll = false;
  private wake: () => void = () => {};
  private release: () => void = () => {};

  constructor(rig: WatchRig) {
    const node = new FakeNode();
    nodes.push(node);
    this.call = callOfNobody();
    this.ended = node
      .service({ watches: rig.hub })
      .duplex(this.call, this.source(), { write: (message) => this.take(message) })
      .then(
        () => null,
        (error: unknown) => CallFailure.from(error),
      );
  }

  create(watchId: number, changes: Partial<WatchCreate> = {}): void {
    this.send({
      $case: "create",
      value: { ...NOTHING, watchId: BigInt(watchId), ...changes },
    });
  }

  send(request: WatchRequest["request"]): void {
    this.sendBytes(WatchRequest.encode({ request }).finish());
  }

  sendBytes(bytes: Uint8Array): void {
    this.waiting.push(Buffer.from(bytes));
    this.wake();
  }

  sayAll(): void {
    this.hasSaidAll = true;
    this.wake();
  }

  leave(): void {
    this.call.abort();
    this.wake();
    this.release();
  }

  takeAgain(): void {
    this.isTaking = true;
    this.release();
  }

  /** What is told from now on, as lines, once there are so many. */
  async lines(count: number): Promise<string[]> {
    await until(() => expect(this.responses.length).toBeGreaterThanOrEqual(count));
    return this.responses.splice(0).map(lineOf);
  }

  eventsOf(watchId: number): string {
    return this.responses
      .filter((response) => response.watchId === BigInt(watchId))
      .flatMap(({ response }) => (response?.$case === "events" ? response.value.events : []))
      .map(eventLine)
      .join(", ");
  }

  /** Requests that were not taken from the caller. */
  get unread(): number {
    return this.waiting.length;
  }

  private async take(message: Uint8Array): Promise<void> {
    while (!this.isTaking && !this.call.aborted) {
      await new Promise<void>((resolve) => {
        this.release = resolve;
      });
    }
    if (this.call.aborted) throw callerLeft();
    this.sizes.push(message.length);
    this.responses.push(WatchResponse.decode(message));
  }

  private async *source(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      if (this.call.aborted) throw callerLeft();
      const message = this.waiting.shift();
      if (message !== undefined) {
        yield message;
      } else if (this.hasSaidAll) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}

function callOfNobody(): ByteCall {
  return new ByteCall({
    method: methodRoutes.get(PATH)!,
    body: Buffer.alloc(0),
    headers: NO_HEADERS,
    connection: { getPeer: () => "test" },
    deadlineMs: Number.POSITIVE_INFINITY,
  });
}

function lineOf({ watchId, header, response }: WatchResponse): string {
  const start = `${watchId} ${response?.$case} ${header?.revision}`;
  switch (response?.$case) {
    case "events":
      return `${start}: ${response.value.events.map(eventLine).join(", ")}${response.value.more ? " …" : ""}`;
    case "current":
      return `${start}: ${response.value.records.map(({ key }) => key.toString()).join(" ")}`;
    case "ended": {
      const { error, resumeRevision } = response.value;
      return `${watchId} ended ${ErrorReason[error?.reason ?? 0]}, resume ${resumeRevision}`;
    }
    default:
      return start;
  }
}

function eventLine({ kind, revision, record, previous }: Event): string {
  const before = previous === undefined ? "" : ` was ${Buffer.from(previous.value)}`;
  return `${revision} ${EventKind[kind]} ${Buffer.from(record?.key ?? [])}${before}`;
}

const bytes = (text: string) => Buffer.from(text);

describe("a stream of watches", () => {
  test("I6: many watches, each with its key, prefix, filter or previous records, in one stream", async () => {
    const rig = new WatchRig();
    await rig.put("old");
    const stream = new Stream(rig);
    stream.create(1, { key: bytes("a") });
    stream.create(2, { prefix: bytes("a"), noDelete: true });
    stream.create(3, { start: bytes("b"), end: bytes("c"), withPrevious: true });
    stream.create(4, { withCurrentState: true, noPut: true });
    expect((await stream.lines(5)).sort()).toEqual([
      "1 created 1",
      "2 created 1",
      "3 created 1",
      "4 created 1",
      "4 current 1: old",
    ]);
    await rig.apply(put("a=1"), put("ab=1"), put("b=1"), put("b=2"));
    await rig.apply(
      deleteCommand(ANYONE, { key: bytes("a"), returnPrevious: false, expectedModRevision: null }),
      truncateCommand(ANYONE),
    );
    await until(() => {
      expect([1, 2, 3, 4].map((watchId) => stream.eventsOf(watchId))).toEqual([
        "2 PUT a, 6 DELETE a, 7 TRUNCATED ",
        "2 PUT a, 3 PUT ab, 7 TRUNCATED ",
        "4 PUT b, 5 PUT b was 1, 7 TRUNCATED ",
        "6 DELETE a, 7 TRUNCATED ",
      ]);
    });
    stream.leave();
    expect((await stream.ended)?.reason).toBe(ErrorReason.CANCELLED);
    expect(rig.hub.size).toBe(0);
  });

  test("I1: an event on the wire", async () => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.create(1, { withPrevious: true });
    await stream.lines(1);
    await rig.apply(put("a=1"), put("a=2"));
    await until(() => expect(stream.responses.length).toBe(1));
    const [response] = stream.responses;
    expect(response?.header).toMatchObject({ clusterId: "c", memberId: "n1", term: 2n, revision: 2n });
    expect(response?.response?.$case === "events" && response.response.value.events[1]).toEqual({
      kind: EventKind.PUT,
      cause: EventCause.PUT,
      revision: 2n,
      record: {
        key: bytes("a"),
        value: bytes("2"),
        createRevision: 1n,
        modRevision: 2n,
        version: 2n,
        leaseId: 0n,
      },
      previous: {
        key: bytes("a"),
        value: bytes("1"),
        createRevision: 1n,
        modRevision: 1n,
        version: 1n,
        leaseId: 0n,
      },
      requestId: "",
      wallTimeMs: 1000n,
    });
    stream.leave();
  });

  test("I6: a cancelled watch ends, the others go on, and its number is free", async () => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.create(1);
    stream.create(2);
    await stream.lines(2);
    stream.send({ $case: "cancel", value: { watchId: 1n } });
    stream.send({ $case: "cancel", value: { watchId: 77n } });
    expect(await stream.lines(1)).toEqual(["1 ended CANCELLED, resume 1"]);
    await rig.put("a");
    expect(await stream.lines(1)).toEqual(["2 events 1: 1 PUT a"]);
    stream.create(1);
    expect(await stream.lines(1)).toEqual(["1 created 1"]);
    stream.send({ $case: "progress", value: { watchId: 2n } });
    expect(await stream.lines(1)).toEqual(["2 progressed 1"]);
    stream.leave();
  });

  test("goes on after its caller has said all, until the last watch has ended", async () => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.create(1);
    stream.sayAll();
    await stream.lines(1);
    await rig.put("a");
    expect(await stream.lines(1)).toEqual(["1 events 1: 1 PUT a"]);
    rig.hub.close();
    expect(await stream.lines(1)).toEqual(["1 ended SHUTTING_DOWN, resume 2"]);
    expect(await stream.ended).toBeNull();
  });

  test("I5: a compacted start names the first revision that can be told", async () => {
    const rig = new WatchRig();
    await rig.put("a", "b", "c");
    await rig.apply(compactCommand(ANYONE, 2));
    const stream = new Stream(rig);
    stream.create(1, { startRevision: 1n });
    await until(() => expect(stream.responses.length).toBe(1));
    expect(stream.responses[0]?.response).toEqual({
      $case: "ended",
      value: {
        error: {
          reason: ErrorReason.COMPACTED,
          retryable: false,
          outcome: Outcome.UNSPECIFIED,
          leader: undefined,
          oldestRevision: 3n,
        },
        message: expect.stringContaining("begins at revision 3"),
        resumeRevision: 0n,
      },
    });
    stream.leave();
  });
});

describe("what cannot be", () => {
  test.each([
    ["watch_id of 0", 0, {}, /watch_id is 0/],
    ["a negative watch_id", -1, {}, /watch_id is -1/],
    ["a key and a prefix", 1, { key: bytes("a"), prefix: bytes("b") }, /key cannot be combined/],
    ["a prefix and a start", 1, { prefix: bytes("a"), start: bytes("b") }, /prefix cannot be combined/],
    ["a start behind the end", 1, { start: bytes("b"), end: bytes("a") }, /start must be below end/],
    ["a key that is too long", 1, { key: Buffer.alloc(5000, 1) }, /key is 5000 bytes long.*4096/],
    ["a negative start_revision", 1, { startRevision: -1n }, /start_revision must not be negative/],
    [
      "the present state as of a revision",
      1,
      { startRevision: 1n, withCurrentState: true },
      /start_revision must be 0/,
    ],
    ["a short interval", 1, { progressIntervalMs: 99n }, /progress_interval_ms is 99.*100/],
    ["a long namespace", 1, { namespace: "n".repeat(256) }, /namespace is 256 characters long.*255/],
  ])(
    "%s ends that watch with INVALID_ARGUMENT, and nothing else",
    async (_name, watchId, changes, message) => {
      const rig = new WatchRig();
      const stream = new Stream(rig);
      stream.create(watchId, changes);
      stream.create(2);
      await until(() => expect(stream.responses.length).toBe(2));
      const [refused, created] = stream.responses;
      expect(refused?.watchId).toBe(BigInt(watchId));
      expect(refused?.response).toMatchObject({
        $case: "ended",
        value: { error: { reason: ErrorReason.INVALID_ARGUMENT }, message: expect.stringMatching(message) },
      });
      expect(created?.response?.$case).toBe("created");
      stream.leave();
    },
  );

  test("a caller that leaves takes its watches with it, whatever it said before and though nothing happens", async () => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.create(1);
    await stream.lines(1);
    stream.sayAll();
    await rig.put("a");
    expect(await stream.lines(1)).toHaveLength(1);
    stream.leave();
    expect((await stream.ended)?.reason).toBe(ErrorReason.CANCELLED);
    expect(rig.hub.size).toBe(0);
  });

  test("B7: one watch too many hears of the limit", async () => {
    const rig = new WatchRig({ watchesMax: 1 });
    const stream = new Stream(rig);
    stream.create(1);
    await stream.lines(1);
    stream.create(2);
    await until(() => expect(stream.responses.length).toBe(1));
    expect(stream.responses[0]?.response).toMatchObject({
      $case: "ended",
      value: {
        error: { reason: ErrorReason.TOO_MANY_WATCHES, retryable: true },
        message: "the node serves as many watches as it may; the limit is 1",
      },
    });
    stream.leave();
  });

  test.each([
    ["a message that is none", bytes("\xff\xff"), ErrorReason.MALFORMED_REQUEST],
    ["a message without a request", Buffer.alloc(0), ErrorReason.INVALID_ARGUMENT],
    [
      "a number that another watch of the stream has",
      WatchRequest.encode({
        request: { $case: "create", value: { ...NOTHING, watchId: 1n } },
      }).finish(),
      ErrorReason.INVALID_ARGUMENT,
    ],
  ])("%s ends the stream and its watches", async (_name, message, reason) => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.create(1);
    await stream.lines(1);
    stream.sendBytes(message);
    expect((await stream.ended)?.reason).toBe(reason);
    expect(rig.hub.size).toBe(0);
  });
});

describe("backpressure", () => {
  test("I6: a reader that takes nothing fills only its own watches: they end as slow, others miss nothing", async () => {
    const rig = new WatchRig({ eventsMax: 16 });
    const [slow, fast] = [new Stream(rig), new Stream(rig)];
    for (const stream of [slow, fast]) {
      stream.create(1);
      stream.create(2);
      await stream.lines(2);
    }
    slow.isTaking = false;
    const seen: string[] = [];
    for (let at = 1; at <= 60; at += 1) {
      await rig.put(`k${at}`);
      seen.push(...(await fast.lines(2)));
    }
    expect(seen.length).toBe(120);
    expect(seen.every((line) => line.includes(" events "))).toBe(true);
    slow.takeAgain();
    await until(() => {
      const ended = slow.responses.filter(({ response }) => response?.$case === "ended");
      expect(ended.length).toBe(2);
    });
    for (const { response, watchId } of slow.responses) {
      if (response?.$case !== "ended") continue;
      expect(response.value.error?.reason).toBe(ErrorReason.SLOW_WATCHER);
      const told = slow.responses
        .filter((other) => other.watchId === watchId)
        .flatMap((other) => (other.response?.$case === "events" ? other.response.value.events : []));
      expect(response.value.resumeRevision).toBe(BigInt(told.length + 1));
    }
    slow.leave();
    fast.leave();
  });

  test("watches of one stream take turns, and no message is larger than 1 MiB", async () => {
    const rig = new WatchRig();
    for (let at = 0; at < 24; at += 1) await rig.put(`k${at}=${"x".repeat(200_000)}`);
    const stream = new Stream(rig);
    stream.isTaking = false;
    stream.create(1, { startRevision: 1n });
    stream.create(2, { startRevision: 1n });
    await settled();
    stream.takeAgain();
    await until(() => {
      const events = stream.responses.flatMap(({ response }) =>
        response?.$case === "events" ? response.value.events : [],
      );
      expect(events.length).toBe(48);
    });
    expect(Math.max(...stream.sizes)).toBeLessThanOrEqual(1024 * 1024);
    const order = stream.responses
      .filter(({ response }) => response?.$case === "events")
      .map(({ watchId }) => watchId);
    const firstHalf = order.slice(0, order.length / 2);
    expect(firstHalf.filter((id) => id === 1n).length).toBeGreaterThan(firstHalf.length / 4);
    expect(firstHalf.filter((id) => id === 2n).length).toBeGreaterThan(firstHalf.length / 4);
    stream.leave();
  });

  test("a create that is under way when its stream ends opens no watch", async () => {
    const rig = new WatchRig();
    const node = new FakeNode();
    nodes.push(node);
    const call = callOfNobody();
    let arrive: () => void = () => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    async function* source(): AsyncGenerator<Buffer, void, undefined> {
      await arrived;
      const request = { $case: "create" as const, value: { ...NOTHING, watchId: 1n } };
      yield Buffer.from(WatchRequest.encode({ request }).finish());
    }
    const sink = { write: () => Promise.resolve() };
    const ended = node.service({ watches: rig.hub }).duplex(call, source(), sink);
    call.abort();
    await expect(ended).rejects.toBeInstanceOf(CallFailure);
    arrive();
    await settled();
    expect(rig.hub.size).toBe(0);
  });

  test("a flood of requests is read no faster than it is answered", async () => {
    const rig = new WatchRig();
    const stream = new Stream(rig);
    stream.isTaking = false;
    for (let at = 0; at < 2500; at += 1) stream.create(0);
    await settled();
    expect(stream.unread).toBeGreaterThan(1400);
    stream.takeAgain();
    await until(() => expect(stream.responses.length).toBe(2500));
    expect(stream.unread).toBe(0);
    stream.leave();
  });
});
