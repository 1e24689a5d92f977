import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type StatusResponse as Status, StatusResponse } from "@quorate/proto/cluster";
import { Consistency, ErrorReason, GetRequest, Outcome } from "@quorate/proto/kv";
import {
  type ByteCall,
  type ByteChannel,
  type ByteSink,
  CallFailure,
  LeaderDirectory,
  NO_HEADERS,
  SILENT_LOG,
} from "@quorate/services/forward";
import { GatewayService, type GatewayServiceOptions, StatusPoller } from "@quorate/services/gateway";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";
import { Said } from "../forward/said";
import { onceArrived, PATIENCE_MS, patientChannel, patientChannels, Serving } from "../forward/serving";

const PUT = "/quorate.kv.v1.KvService/Put";
const GET = "/quorate.kv.v1.KvService/Get";
const SCAN = "/quorate.kv.v1.KvService/Scan";
const WATCH = "/quorate.kv.v1.WatchService/Watch";
const KEEP_ALIVE = "/quorate.kv.v1.LeaseService/KeepAlive";
const STATUS = "/quorate.cluster.v1.ClusterService/Status";
const withId = { metadata: { "quorate-request-id": "1/2/1" } };

/** What a node does with the calls that reach it, one after another; the last goes on for ever. */
type Act = (call: ByteCall) => Promise<Uint8Array>;
const answer: Act = () => Promise.resolve(Uint8Array.of(1));
const hang: Act = (call) => {
  call.isSubmitted = true;
  return new Promise(() => {});
};
const fail =
  (reason: ErrorReason, extras: ConstructorParameters<typeof CallFailure>[2] = {}): Act =>
  () =>
    Promise.reject(new CallFailure(reason, `because of ${ErrorReason[reason]}`, extras));

type Duplex = (source: AsyncIterable<Buffer>, sink: ByteSink) => Promise<void>;

class FakeNode {
  readonly calls: ByteCall[] = [];
  acts: Act[] = [answer];
  streams: ((sink: ByteSink) => Promise<void>)[] = [];
  duplexes: Duplex[] = [];
  serving!: Serving;

  async open(): Promise<this> {
    this.serving = await Serving.open({
      unary: (call) => {
        this.calls.push(call);
        return this.acts[Math.min(this.calls.length, this.acts.length) - 1]!(call);
      },
      stream: (call, sink) => {
        this.calls.push(call);
        return this.streams[Math.min(this.calls.length, this.streams.length) - 1]!(sink);
      },
      duplex: (call, source, sink) => {
        this.calls.push(call);
        return this.duplexes[Math.min(this.calls.length, this.duplexes.length) - 1]!(source, sink);
      },
    });
    return this;
  }
}

const echo: Duplex = async (source, sink) => {
  for await (const message of source) await sink.write(message);
};
const noLeader: Duplex = () => Promise.reject(new CallFailure(ErrorReason.NO_LEADER, "no leader is known"));
const { signal } = new AbortController();

function outgoing(path: string) {
  const deadlineMs = Number.POSITIVE_INFINITY;
  return { path, body: Buffer.alloc(0), headers: NO_HEADERS, deadlineMs };
}

/** Says all at once, and takes one byte of each answer. */
async function exchange(channel: ByteChannel, path: string, bytes: readonly number[]): Promise<number[]> {
  const said = new Said();
  for (const byte of bytes) said.say(byte);
  said.end();
  const answers: number[] = [];
  for await (const answer of channel.duplex(outgoing(path), said, signal)) answers.push(answer[0]!);
  return answers;
}

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Two nodes, of which n1 leads, behind a gateway that is patient but where a test is about its running out of patience. */
async function cluster(timing: GatewayServiceOptions["timing"] = {}) {
  const nodes = [await new FakeNode().open(), await new FakeNode().open()] as const;
  const addresses = nodes.map(({ serving }) => serving.address);
  const directory = new LeaderDirectory(addresses.map((address, at) => [`n${at + 1}`, address] as const));
  directory.learnLeader("n1", 1);
  const channels = patientChannels();
  let refreshes = 0;
  const service = new GatewayService({
    readers: () => addresses,
    directory,
    channels,
    random: seededRandom(1),
    refreshDirectory: () => {
      refreshes += 1;
      // As a poll of the nodes would.
      directory.learnLeader("n1", 1);
    },
    timing: {
      attemptTimeoutMs: PATIENCE_MS,
      backoffMsMin: 1,
      backoffMsMax: 10,
      streamStartMsMax: PATIENCE_MS,
      ...timing,
    },
  });
  const gateway = await Serving.open(service);
  const channel = patientChannel(gateway.address);
  closing.push(
    () => channel.close(),
    () => channels.close(),
    ...nodes.map((node) => () => node.serving.close()),
    () => gateway.close(),
  );
  return { nodes, directory, channels, channel, gateway, refreshes: () => refreshes };
}

const stale = GetRequest.encode({
  namespace: "",
  key: Buffer.from("k"),
  consistency: Consistency.STALE,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
}).finish();

describe("the gateway", () => {
  test("passes a write to the leader with its metadata, one hop on", async () => {
    const { nodes, gateway } = await cluster();
    expect((await gateway.unary(PUT, Uint8Array.of(5), withId)).answer).toEqual(Buffer.of(1));
    expect(nodes[1].calls).toEqual([]);
    const [call] = nodes[0].calls;
    expect([...call!.body]).toEqual([5]);
    expect(call!.headers).toMatchObject({ requestId: "1/2/1", hops: 1 });
  });

  test("stale reads go around, default reads to the leader", async () => {
    const { nodes, gateway } = await cluster();
    for (let count = 0; count < 4; count += 1) await gateway.unary(GET, stale);
    expect(nodes.map(({ calls }) => calls.length)).toEqual([2, 2]);
    for (let count = 0; count < 4; count += 1) await gateway.unary(GET, Uint8Array.of());
    expect(nodes.map(({ calls }) => calls.length)).toEqual([6, 2]);
  });

  test("a call for a member goes to it", async () => {
    const { nodes, gateway } = await cluster();
    await gateway.unary(STATUS, Uint8Array.of(), { metadata: { "quorate-member": "n2" } });
    expect(nodes.map(({ calls }) => calls.length)).toEqual([0, 1]);
    const { error } = await gateway.unary(STATUS, Uint8Array.of(), { metadata: { "quorate-member": "n9" } });
    expect(error?.code).toBe(status.NOT_FOUND);
  });

  test("follows a not-leader hint", async () => {
    const { nodes, gateway, directory } = await cluster();
    const leader = { memberId: "n2", address: nodes[1].serving.address };
    nodes[0].acts = [fail(ErrorReason.NOT_LEADER, { leader })];
    expect((await gateway.unary(PUT, Uint8Array.of(5))).error).toBeNull();
    expect(nodes.map(({ calls }) => calls.length)).toEqual([1, 1]);
    expect(directory.leader).toEqual(leader);
  });

  test.each<[string, string, object, Act, number, Outcome | null]>([
    [
      "a write without a request id of unknown outcome",
      PUT,
      {},
      fail(ErrorReason.LEADERSHIP_LOST),
      1,
      Outcome.UNKNOWN,
    ],
    ["a write without a request id that was not applied", PUT, {}, fail(ErrorReason.SUPERSEDED), 2, null],
    ["a write with a request id of unknown outcome", PUT, withId, fail(ErrorReason.LEADERSHIP_LOST), 2, null],
    ["a read", GET, {}, fail(ErrorReason.STORE_LOST), 2, null],
    ["what can never succeed", PUT, withId, fail(ErrorReason.CONDITION_FAILED), 1, Outcome.NOT_APPLIED],
  ])(
    "C10: of %s there are as many attempts as the rule allows",
    async (_name, path, options, act, attempts, outcome) => {
      const { nodes, gateway } = await cluster();
      nodes[0].acts = [act, answer];
      const { error } = await gateway.unary(path, Uint8Array.of(), options);
      const calls = nodes[0].calls.length + nodes[1].calls.length;
      expect(calls).toBe(attempts);
      expect(error === null ? null : CallFailure.from(error).outcome).toBe(outcome);
    },
  );

  test("a node that hangs is left for short calls that may be repeated", async () => {
    const { nodes, gateway } = await cluster({ attemptTimeoutMs: 100 });
    nodes[0].acts = [hang, answer];
    expect((await gateway.unary(PUT, Uint8Array.of(), withId)).error).toBeNull();
    expect(nodes[1].calls).toEqual([]);
    nodes[0].acts = [hang];
    expect((await gateway.unary(GET, Uint8Array.of())).error).toBeNull();
    expect(nodes[1].calls.length).toBeGreaterThan(0);
  });

  test("a write without a request id waits out its deadline at a node that hangs, and its outcome is unknown", async () => {
    const { nodes, gateway } = await cluster({ attemptTimeoutMs: 10 });
    nodes[0].acts = [hang];
    let attempts = 0;
    // The n-th call says so: each is sent on once, if at all.
    const arrived = () => nodes[0].calls.filter(({ body }) => body[0] === attempts).length;
    const { error } = await onceArrived(
      (deadlineMs) => {
        attempts += 1;
        return gateway.unary(PUT, Uint8Array.of(attempts), { deadlineMs });
      },
      () => arrived() > 0,
    );
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(CallFailure.from(error).outcome).toBe(Outcome.UNKNOWN);
    expect(arrived()).toBe(1);
  });

  test("an unknown outcome stays unknown when later attempts are turned away", async () => {
    const { nodes, gateway } = await cluster();
    nodes[0].acts = [fail(ErrorReason.LEADERSHIP_LOST), fail(ErrorReason.SESSION_EXPIRED)];
    const { error } = await gateway.unary(PUT, Uint8Array.of(), withId);
    expect(CallFailure.from(error)).toMatchObject({
      reason: ErrorReason.SESSION_EXPIRED,
      outcome: Outcome.UNKNOWN,
    });
  });

  test("J8: without a leader a write fails by its deadline, not applied", async () => {
    // So long before the deadline it gives up, that no attempt is cut short however slow the machine is.
    const { nodes, gateway, refreshes } = await cluster({ attemptMsMin: PATIENCE_MS - 300 });
    nodes[0].acts = [fail(ErrorReason.NO_LEADER)];
    const { error } = await gateway.unary(PUT, Uint8Array.of(), { deadlineMs: PATIENCE_MS });
    expect(CallFailure.from(error)).toMatchObject({
      reason: ErrorReason.NO_LEADER,
      outcome: Outcome.NOT_APPLIED,
    });
    expect(refreshes()).toBe(nodes[0].calls.length);
  });

  test("a write goes to any node while no leader is known, and at once on to the one that it names", async () => {
    const { nodes, directory, gateway } = await cluster({
      backoffMsMin: PATIENCE_MS,
      backoffMsMax: PATIENCE_MS,
    });
    directory.replaceLeader(null, 2);
    // Whichever is asked first names the other, which answers.
    const [first, second] = nodes;
    const asked = (): number => first.calls.length + second.calls.length;
    const naming = (memberId: string, { serving }: FakeNode): Act => {
      const named = fail(ErrorReason.NOT_LEADER, { leader: { memberId, address: serving.address } });
      return (call) => (asked() === 1 ? named(call) : answer(call));
    };
    first.acts = [naming("n2", second)];
    second.acts = [naming("n1", first)];
    expect((await gateway.unary(PUT, Uint8Array.of())).error).toBeNull();
    expect(asked()).toBe(2);
  });

  test("a write waits for a leader", async () => {
    const { nodes, gateway, refreshes } = await cluster();
    nodes[0].acts = [fail(ErrorReason.NO_LEADER), fail(ErrorReason.NO_LEADER), answer];
    expect((await gateway.unary(PUT, Uint8Array.of())).error).toBeNull();
    expect(refreshes()).toBe(2);
  });

  test("a scan begins anew only while nothing of it was handed on", async () => {
    const { nodes, gateway } = await cluster();
    const cut = new CallFailure(ErrorReason.STORE_LOST, "the node's store failed");
    nodes[0].streams = [() => Promise.reject(cut)];
    nodes[1].streams = [
      async (sink) => sink.write(Uint8Array.of(1)),
      async (sink) => sink.write(Uint8Array.of(1)),
    ];
    expect(await gateway.stream(SCAN, Uint8Array.of())).toMatchObject({ messages: [{}], error: null });
    nodes[0].streams = [
      async (sink) => {
        await sink.write(Uint8Array.of(1));
        throw cut;
      },
    ];
    const { messages, error } = await gateway.stream(SCAN, Uint8Array.of());
    expect(messages).toHaveLength(1);
    expect(CallFailure.from(error).reason).toBe(ErrorReason.STORE_LOST);
  });

  test("watches go around, keep-alives to the leader", async () => {
    const { nodes, channel } = await cluster();
    for (const node of nodes) node.duplexes = [echo];
    for (let count = 0; count < 4; count += 1) expect(await exchange(channel, WATCH, [1, 2])).toEqual([1, 2]);
    expect(nodes.map(({ calls }) => calls.length)).toEqual([2, 2]);
    for (let count = 0; count < 4; count += 1) expect(await exchange(channel, KEEP_ALIVE, [3])).toEqual([3]);
    expect(nodes.map(({ calls }) => calls.length)).toEqual([6, 2]);
    expect(nodes[0].calls.at(-1)!.headers).toMatchObject({ hops: 1 });
  });

  test("a stream that nobody has answered begins anew elsewhere, with all that its caller has said", async () => {
    const { nodes, channel } = await cluster();
    const leader = { memberId: "n2", address: nodes[1].serving.address };
    const heard: number[] = [];
    nodes[0].duplexes = [
      async (source) => {
        for await (const message of source) {
          heard.push(message[0]!);
          if (heard.length === 2) throw new CallFailure(ErrorReason.NOT_LEADER, "n2 leads", { leader });
        }
      },
    ];
    nodes[1].duplexes = [echo];
    expect(await exchange(channel, KEEP_ALIVE, [1, 2, 3])).toEqual([1, 2, 3]);
    expect(heard).toEqual([1, 2]);
    expect(nodes.map(({ calls }) => calls.length)).toEqual([1, 1]);
  });

  test("a stream whose node cannot be reached begins at another before its caller has said anything", async () => {
    const { nodes, channel } = await cluster();
    for (const node of nodes) node.duplexes = [echo];
    await nodes[0].serving.close();
    for (let count = 0; count < 2; count += 1) expect(await exchange(channel, WATCH, [1])).toEqual([1]);
  });

  test("a stream that was answered ends with the failure of its node", async () => {
    const { nodes, channel } = await cluster();
    nodes[0].duplexes = [
      async (source, sink) => {
        for await (const message of source) {
          await sink.write(message);
          throw new CallFailure(ErrorReason.SHUTTING_DOWN, "the server is shutting down");
        }
      },
    ];
    nodes[1].duplexes = [echo];
    const said = new Said();
    said.say(7);
    const answers = channel.duplex(outgoing(KEEP_ALIVE), said, signal)[Symbol.asyncIterator]();
    expect([...(await answers.next()).value!]).toEqual([7]);
    await expect(answers.next()).rejects.toMatchObject({
      reason: ErrorReason.SHUTTING_DOWN,
      retryable: true,
    });
    expect(nodes.map(({ calls }) => calls.length)).toEqual([1, 0]);
  });

  test("a stream whose caller has said more than is kept is not begun anew", async () => {
    const { nodes, channel } = await cluster();
    let heard = 0;
    nodes[0].duplexes = [
      async (source) => {
        for await (const message of source) {
          heard += message.length;
          if (heard > 80_000) throw new CallFailure(ErrorReason.NO_LEADER, "no leader is known");
        }
      },
    ];
    const said = new Said();
    for (let count = 0; count < 9; count += 1) said.tell(Buffer.alloc(10_000));
    const answers = channel.duplex(outgoing(KEEP_ALIVE), said, signal)[Symbol.asyncIterator]();
    await expect(answers.next()).rejects.toMatchObject({ reason: ErrorReason.NO_LEADER });
    expect(nodes[0].calls).toHaveLength(1);
  });

  test("a stream finds no leader within its time to begin", async () => {
    const { nodes, channel, refreshes } = await cluster({ streamStartMsMax: 300 });
    nodes[0].duplexes = [noLeader];
    const answers = channel.duplex(outgoing(KEEP_ALIVE), new Said(), signal)[Symbol.asyncIterator]();
    await expect(answers.next()).rejects.toMatchObject({ reason: ErrorReason.NO_LEADER });
    expect(refreshes()).toBe(nodes[0].calls.length);
  });

  test("a stream waits for a leader", async () => {
    const { nodes, channel, refreshes } = await cluster();
    nodes[0].duplexes = [noLeader, noLeader, echo];
    expect(await exchange(channel, KEEP_ALIVE, [1, 2])).toEqual([1, 2]);
    expect(refreshes()).toBe(2);
  });

  test("a caller that leaves a stream ends it at the node", async () => {
    const { nodes, channel } = await cluster();
    nodes[0].duplexes = [echo];
    const leaving = new AbortController();
    const said = new Said();
    said.say(1);
    const answers = channel.duplex(outgoing(KEEP_ALIVE), said, leaving.signal)[Symbol.asyncIterator]();
    await answers.next();
    leaving.abort();
    await expect(answers.next()).rejects.toMatchObject({ reason: ErrorReason.CANCELLED });
    await eventually("the node knows", () => nodes[0].calls[0]!.aborted);
  });

  test("learns who leads from the nodes' status", async () => {
    const { nodes, channels } = await cluster();
    const directory = new LeaderDirectory();
    let leaderId = "n2";
    nodes.forEach(({ serving }, at) => {
      nodes[at]!.acts = [
        async (call) =>
          call.method.path === STATUS
            ? StatusResponse.encode(
                statusOf({ memberId: `n${at + 1}`, leaderId, term: leaderId === "n2" ? 1n : 2n }),
              ).finish()
            : Uint8Array.of(),
      ];
      expect(serving.address).not.toBe("");
    });
    const poller = new StatusPoller({
      nodes: nodes.map(({ serving }) => serving.address),
      directory,
      channels,
      log: SILENT_LOG,
      onAnswer: () => {},
      intervalMs: 20,
      searchIntervalMs: 10,
    });
    closing.push(() => poller.stop());
    poller.start();
    await eventually("n2 is known to lead", () => directory.leader?.address === nodes[1].serving.address);
    leaderId = "n1";
    await eventually("n1 is known to lead", () => directory.leader?.address === nodes[0].serving.address);
  });
});

function statusOf(changes: Partial<Status>): Status {
  return { ...StatusResponse.decode(new Uint8Array(0)), ...changes };
}
