import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, jest, test } from "@jest/globals";
import { ErrorReason, LeaseServiceKeepAliveRequest, LeaseServiceKeepAliveResponse } from "@quorate/proto/kv";
import { Refusal } from "@quorate/proto/log";
import { CallFailure } from "@quorate/services/forward";
import type { SubmitOutcome } from "@quorate/services/replica";
import { eventually } from "../../support/eventually";
import { applied, FakeNode } from "./fake-node";
import { serve } from "./node-rig";

const KEEP_ALIVE = "/quorate.kv.v1.LeaseService/KeepAlive";

/** A caller's stream, and what came back on it. */
class Stream {
  readonly answers: LeaseServiceKeepAliveResponse[] = [];
  ending: ServiceError | "ended" | null = null;
  private readonly call: ClientDuplexStream<Buffer, Buffer>;

  private constructor(call: ClientDuplexStream<Buffer, Buffer>) {
    this.call = call;
    call.on("data", (message: Buffer) => this.answers.push(LeaseServiceKeepAliveResponse.decode(message)));
    call.on("end", () => {
      this.ending ??= "ended";
    });
    call.on("error", (failure: ServiceError) => {
      this.ending = failure;
    });
  }

  static async to(node: FakeNode): Promise<Stream> {
    const { client } = await serve(node);
    const asIs = (bytes: Buffer): Buffer => bytes;
    return new Stream(client.makeBidiStreamRequest(KEEP_ALIVE, asIs, asIs));
  }

  renew(leaseId: bigint, namespace = ""): void {
    this.send(LeaseServiceKeepAliveRequest.encode({ namespace, leaseId }).finish());
  }

  send(message: Uint8Array): void {
    this.call.write(Buffer.from(message));
  }

  end(): void {
    this.call.end();
  }

  get told(): [bigint, bigint][] {
    return this.answers.map(({ leaseId, ttlMs }) => [leaseId, ttlMs]);
  }

  answered(count: number): Promise<boolean> {
    return eventually(`${count} answers`, () => this.answers.length === count);
  }

  async failure(): Promise<CallFailure> {
    await eventually("the stream has failed", () => this.ending instanceof Error);
    return CallFailure.from(this.ending);
  }
}

/** The leases that a node was asked to renew, one list for each command. */
function commandsOf(node: FakeNode): bigint[][] {
  return node.commands.map(({ operation }) => {
    if (operation?.$case !== "renewLeases") throw new Error("only renewals are expected");
    return operation.value.leaseIds;
  });
}

/** Renews all leases of the newest command to 3,000 ms, but 9, which is gone. */
const renewed = (node: FakeNode) => (): SubmitOutcome =>
  applied({
    renewals: commandsOf(node)
      .at(-1)!
      .map((leaseId) => ({ leaseId, ttlMs: leaseId === 9n ? 0n : 3000n })),
  });

const refused = (refusal: Refusal): SubmitOutcome => ({
  kind: "applied",
  answer: {
    revision: 8n,
    result: { $case: "refused", value: { refusal, message: "no", oldestRevision: 0n } },
  },
  entry: { term: 2, index: 10 },
});

/** A node whose first command waits until it is let go. */
function holding(node: FakeNode): { letGo: () => void } {
  const held = { letGo: (): void => {} };
  const first = new Promise<void>((resolve) => {
    held.letGo = resolve;
  });
  node.submitted = async () => {
    const answer = renewed(node)();
    await first;
    return answer;
  };
  return held;
}

describe("KeepAlive", () => {
  test("A22: a stream renews several leases, and says of one that is gone that it has no time left", async () => {
    const node = new FakeNode();
    node.submitted = renewed(node);
    const stream = await Stream.to(node);
    stream.renew(5n);
    await stream.answered(1);
    stream.renew(9n);
    await stream.answered(2);
    stream.end();
    await eventually("the stream ends", () => stream.ending === "ended");
    expect(stream.told).toEqual([
      [5n, 3000n],
      [9n, 0n],
    ]);
    expect(stream.answers[0]?.header).toMatchObject({ memberId: "n1", term: 2n, revision: 8n });
    expect(node.commands.every(({ requestId }) => requestId === undefined)).toBe(true);
  });

  test("what arrives while a command is under way goes into one, and is answered in order", async () => {
    const node = new FakeNode();
    const held = holding(node);
    const stream = await Stream.to(node);
    const taken = jest.spyOn(LeaseServiceKeepAliveRequest, "decode");
    stream.renew(1n);
    await eventually("the first is under way", () => node.commands.length === 1);
    for (const leaseId of [4n, 2n, 9n, 2n]) stream.renew(leaseId);
    stream.end();
    await eventually("all have arrived", () => taken.mock.calls.length === 5);
    held.letGo();
    await stream.answered(5);
    expect(stream.told.map(([leaseId]) => leaseId)).toEqual([1n, 4n, 2n, 9n, 2n]);
    expect(stream.told[3]).toEqual([9n, 0n]);
    expect(commandsOf(node)).toEqual([[1n], [4n, 2n, 9n]]);
    await eventually("the stream ends", () => stream.ending === "ended");
    taken.mockRestore();
  });

  test("each command is of one namespace, and one that is gone takes none of the others along", async () => {
    const node = new FakeNode();
    const held = holding(node);
    const stream = await Stream.to(node);
    stream.renew(1n);
    await eventually("the first is under way", () => node.commands.length === 1);
    node.submitted = () =>
      node.commands.at(-1)?.namespace === "gone" ? refused(Refusal.UNKNOWN_NAMESPACE) : renewed(node)();
    stream.renew(2n, "gone");
    stream.renew(3n, "other");
    held.letGo();
    await stream.answered(3);
    expect(stream.told).toEqual([
      [1n, 3000n],
      [2n, 0n],
      [3n, 3000n],
    ]);
    expect(node.commands.map(({ namespace }) => namespace)).toEqual(["", "gone", "other"]);
  });

  test("more than may wait are all answered, with no more in a command than may wait", async () => {
    const node = new FakeNode();
    const held = holding(node);
    const stream = await Stream.to(node);
    for (let leaseId = 1n; leaseId <= 1300n; leaseId += 1n) stream.renew(leaseId);
    await eventually("the first is under way", () => node.commands.length === 1);
    held.letGo();
    await stream.answered(1300);
    expect(stream.told.map(([leaseId]) => leaseId)).toEqual(
      Array.from({ length: 1300 }, (_, at) => BigInt(at + 1)),
    );
    for (const leaseIds of commandsOf(node)) expect(leaseIds.length).toBeLessThanOrEqual(1024);
  });

  test.each<[string, SubmitOutcome, ErrorReason]>([
    [
      "leadership goes elsewhere",
      { kind: "not_applied", reason: "not_leader", leaderId: "n2" },
      ErrorReason.NOT_LEADER,
    ],
    [
      "leadership is lost meanwhile",
      { kind: "unknown", reason: "leadership_lost" },
      ErrorReason.LEADERSHIP_LOST,
    ],
    [
      "the log is full",
      { kind: "not_applied", reason: "backlog_full", leaderId: null },
      ErrorReason.BACKLOG_FULL,
    ],
  ])("the stream ends with the reason when %s", async (_name, outcome, reason) => {
    const node = new FakeNode();
    node.submitted = renewed(node);
    const stream = await Stream.to(node);
    stream.renew(1n);
    await stream.answered(1);
    node.submitted = () => {
      node.directory.replaceLeader("n2", 3);
      return outcome;
    };
    stream.renew(1n);
    expect(await stream.failure()).toMatchObject({ reason, retryable: true });
  });

  test.each<[string, Uint8Array, ErrorReason, string]>([
    ["a malformed message", Buffer.of(0xff), ErrorReason.MALFORMED_REQUEST, "well-formed"],
    [
      "a negative lease",
      LeaseServiceKeepAliveRequest.encode({ namespace: "", leaseId: -1n }).finish(),
      ErrorReason.INVALID_ARGUMENT,
      "lease_id",
    ],
    [
      "a message over the limit",
      LeaseServiceKeepAliveRequest.encode({ namespace: "x".repeat(2_200_000), leaseId: 1n }).finish(),
      ErrorReason.TOO_LARGE,
      "limit",
    ],
  ])("%s ends the stream once what came before it is answered", async (_name, message, reason, named) => {
    const node = new FakeNode();
    node.submitted = renewed(node);
    const stream = await Stream.to(node);
    stream.renew(1n);
    stream.renew(2n);
    stream.send(message);
    const failure = await stream.failure();
    expect(failure).toMatchObject({ reason });
    expect(failure.message).toContain(named);
    expect(stream.told.map(([leaseId]) => leaseId)).toEqual([1n, 2n]);
  });

  test("C2: a follower passes both ways on to the leader", async () => {
    const leader = new FakeNode("n1");
    leader.submitted = renewed(leader);
    const serving = await serve(leader);
    const node = new FakeNode("n2");
    node.directory.learnMember("n1", serving.address);
    const stream = await Stream.to(node);
    stream.renew(1n);
    await stream.answered(1);
    stream.renew(2n);
    await stream.answered(2);
    stream.end();
    await eventually("the stream ends", () => stream.ending === "ended");
    expect(commandsOf(leader)).toEqual([[1n], [2n]]);
    expect(node.counters.forwarded).toBe(1);
    expect(stream.answers[0]?.header?.memberId).toBe("n1");
  });

  test("a node that knows no leader refuses", async () => {
    const node = new FakeNode();
    node.directory.replaceLeader(null, 3);
    const stream = await Stream.to(node);
    stream.renew(1n);
    const failure = await stream.failure();
    expect(failure).toMatchObject({ reason: ErrorReason.NO_LEADER, code: status.UNAVAILABLE });
  });
});
