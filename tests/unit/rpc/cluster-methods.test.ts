import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import {
  AlarmKind,
  BackupRequest,
  BackupResponse,
  DropClientRequest,
  HashRequest,
  HashResponse,
  SetLogLevelRequest,
  SetLogLevelResponse,
  StatsRequest,
  StatsResponse,
  StatusResponse,
  TakeSnapshotResponse,
} from "@quorate/proto/cluster";
import { ErrorReason, Outcome, ScanResponse } from "@quorate/proto/kv";
import { CallFailure } from "@quorate/services/forward";
import { StateReplaced } from "@quorate/services/replica";
import type { ServedVerification } from "@quorate/services/rpc";
import type { VerificationStatus } from "@quorate/services/verification";
import { eventually } from "../../support/eventually";
import { ask, CLUSTER } from "./cluster-rig";
import { FakeNode, RAFT_STATUS, REPLICA_STATUS, stored } from "./fake-node";
import { get, KV, none, scan, serve } from "./node-rig";

describe("what a node tells of itself", () => {
  test("L4: Status tells of the log, the snapshot, images on their way, the configuration, alarms and the comparison", async () => {
    const node = new FakeNode();
    const receiving = { from: "n2", index: 66, bytes: 1234, resumptions: 2 };
    node.status = { ...REPLICA_STATUS, receiving };
    let observed = 0;
    const found: Partial<VerificationStatus> = {
      round: 5,
      appliedIndex: 77,
      root: new Uint8Array(32).fill(1),
      keys: 10,
      buckets: 3,
      dirtyBuckets: 1,
      agreedRound: 4,
      diverged: ["n3"],
      recordsRepaired: 6,
    };
    const context = node.context();
    const { answer } = await ask(node, "Status", none, {
      facts: { ...context.facts, diskFreeBytes: () => 9999 },
      alarms: {
        observe: () => {
          observed += 1;
        },
        list: [{ kind: "member_down", memberId: "n3", message: "n3 is down", sinceMs: 1234.5 }],
      },
      verification: { status: () => found } as unknown as ServedVerification,
    });
    expect(observed).toBe(1);
    expect(StatusResponse.decode(answer)).toMatchObject({
      snapshotIndex: 80n,
      logFirstIndex: 60n,
      logBytes: 4096n,
      diskFreeBytes: 9999n,
      alarms: [{ kind: AlarmKind.MEMBER_DOWN, memberId: "n3", message: "n3 is down", sinceMs: 1234n }],
      verification: {
        round: 5n,
        appliedIndex: 77n,
        keys: 10n,
        buckets: 3n,
        dirtyBuckets: 1n,
        agreedRound: 4n,
        diverged: ["n3"],
        recordsRepaired: 6n,
      },
      receiving: { fromMemberId: "n2", index: 66n, bytes: 1234n, resumptions: 2n },
      snapshotsSending: 1n,
      voters: ["n1", "n2"],
      votersOutgoing: [],
      learners: ["n3"],
      leases: 2n,
      lag: 2n,
    });
    const bare = StatusResponse.decode((await ask(new FakeNode(), "Status")).answer);
    expect(bare).toMatchObject({ verification: undefined, receiving: undefined, alarms: [] });
    expect(RAFT_STATUS.configuration.learners).toEqual(["n3"]);
  });

  test("L6: Stats start from zero after an answer that was asked to reset them", async () => {
    const node = new FakeNode();
    const serving = await serve(node);
    const stats = async (reset: boolean): Promise<string[]> => {
      const body = StatsRequest.encode({ reset }).finish();
      const { answer } = await serving.unary(`${CLUSTER}Stats`, body);
      const { methods } = StatsResponse.decode(answer ?? none);
      return methods.map(({ method, ok, failed }) => `${method.split("/")[1]} ${ok} ${failed}`);
    };
    await serving.unary(`${KV}Get`, get());
    expect(await stats(true)).toEqual(["Get 1 0"]);
    // The call itself ended after its answer was made.
    expect(await stats(false)).toEqual(["Stats 1 0"]);
    await serving.unary(`${KV}Get`, get({ key: none }));
    expect(await stats(false)).toEqual(["Stats 2 0", "Get 0 1"]);
  });
});

describe("what an operator does to a node", () => {
  test("F1: a snapshot is taken, and answered with what the state and the log hold", async () => {
    const { answer } = await ask(new FakeNode(), "TakeSnapshot");
    expect(TakeSnapshotResponse.decode(answer)).toEqual({
      memberId: "n1",
      snapshotIndex: 70n,
      logFirstIndex: 60n,
    });
  });

  test("L6: a client's connection is dropped by its address; one that is not there is told", async () => {
    const node = new FakeNode();
    node.connections = ["10.0.0.1:99"];
    const drop = (address: string) => ask(node, "DropClient", DropClientRequest.encode({ address }).finish());
    expect((await drop("10.0.0.1:99")).failure).toBeNull();
    expect(node.connections).toEqual([]);
    const again = await drop("10.0.0.1:99");
    expect(again.code).toBe(status.NOT_FOUND);
    expect(again.failure).toMatchObject({ reason: ErrorReason.UNKNOWN_CLIENT, outcome: Outcome.NOT_APPLIED });
    expect((await drop("")).code).toBe(status.INVALID_ARGUMENT);
  });

  test("the log level is changed, and an unknown one refused by name", async () => {
    const node = new FakeNode();
    const set = (level: string) => ask(node, "SetLogLevel", SetLogLevelRequest.encode({ level }).finish());
    expect(SetLogLevelResponse.decode((await set("debug")).answer).previous).toBe("info");
    expect(node.logLevel).toBe("debug");
    const refused = await set("loud");
    expect(refused.code).toBe(status.INVALID_ARGUMENT);
    expect(refused.failure?.message).toContain("debug, info, warn, error, silent");
    expect(node.logLevel).toBe("debug");
  });

  test("F6: a backup is streamed piece by piece; what it holds is let go of when its caller leaves", async () => {
    const node = new FakeNode();
    let isOpen = false;
    async function* backup(): AsyncGenerator<Uint8Array> {
      isOpen = true;
      try {
        for (let at = 0; at < 100; at += 1) yield new Uint8Array(100_000).fill(at);
      } finally {
        isOpen = false;
      }
    }
    const { administration } = node.context();
    const serving = await serve(node, { administration: { ...administration, backup } });
    const { messages, error } = await serving.stream(`${CLUSTER}Backup`, none);
    expect(error).toBeNull();
    const pieces = messages.map((message) => BackupResponse.decode(message).data);
    expect(pieces.map((piece) => piece[0])).toEqual(Array.from({ length: 100 }, (_, at) => at));
    const asIs = (bytes: Buffer): Buffer => bytes;
    const stream = serving.client.makeServerStreamRequest(`${CLUSTER}Backup`, asIs, asIs, none);
    for await (const _ of stream) {
      expect(isOpen).toBe(true);
      break;
    }
    stream.on("error", () => {});
    stream.cancel();
    await eventually("it is let go of", () => !isOpen);
  });

  test("F6: a backup begins when the node has all that was acknowledged; a stale one at once", async () => {
    const node = new FakeNode();
    node.read = { kind: "no_leader" };
    const { administration } = node.context();
    const backup = async function* (): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(1);
    };
    const serving = await serve(node, { administration: { ...administration, backup } });
    const refused = await serving.stream(`${CLUSTER}Backup`, none);
    expect(refused.messages).toEqual([]);
    expect(CallFailure.from(refused.error)).toMatchObject({ reason: ErrorReason.NO_LEADER, retryable: true });
    expect(node.reads).toEqual([expect.objectContaining({ consistency: "linearizable", revision: 0 })]);
    const stale = await serving.stream(`${CLUSTER}Backup`, BackupRequest.encode({ stale: true }).finish());
    expect([stale.messages.length, stale.error]).toEqual([1, null]);
    expect(node.reads).toHaveLength(1);
  });

  test("a backup that a snapshot cuts is ABORTED, and one of a node that makes none UNIMPLEMENTED", async () => {
    const node = new FakeNode();
    const backup = async function* (): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(1);
      throw new StateReplaced();
    };
    const { administration } = node.context();
    const serving = await serve(node, { administration: { ...administration, backup } });
    const cut = await serving.stream(`${CLUSTER}Backup`, none);
    expect(cut.messages).toHaveLength(1);
    expect(cut.error?.code).toBe(status.ABORTED);
    const without = await (await serve(new FakeNode())).stream(`${CLUSTER}Backup`, none);
    expect(without.error?.code).toBe(status.UNIMPLEMENTED);
  });
});

describe("a state that a snapshot replaces under a read", () => {
  const names = Array.from({ length: 8 }, (_, at) => `k${at}`);

  test("B7: a scan ends ABORTED behind what was read, with the cursor to go on from", async () => {
    const node = new FakeNode();
    node.records = names.map((name) => stored(name));
    node.scanFails = { error: new StateReplaced(), afterChunks: 2 };
    const serving = await serve(node);
    const { messages, error } = await serving.stream(`${KV}Scan`, scan());
    expect(error?.code).toBe(status.ABORTED);
    expect(CallFailure.from(error)).toMatchObject({ reason: ErrorReason.SCAN_CUT, retryable: true });
    const parts = messages.map((message) => ScanResponse.decode(message));
    const keysOf = (of: readonly ScanResponse[]) =>
      of.flatMap(({ records }) => records.map(({ key }) => `${key}`));
    expect(keysOf(parts)).toEqual(names.slice(0, 6));
    const { more, nextCursor } = parts.at(-1)!;
    expect(more).toBe(true);
    const rest = await serving.stream(`${KV}Scan`, scan({ cursor: Buffer.from(nextCursor) }));
    expect(keysOf(rest.messages.map((message) => ScanResponse.decode(message)))).toEqual(names.slice(6));
  });

  test("a scan that had read nothing has no cursor", async () => {
    const node = new FakeNode();
    node.records = names.map((name) => stored(name));
    node.scanFails = { error: new StateReplaced(), afterChunks: 0 };
    const { messages, error } = await (await serve(node)).stream(`${KV}Scan`, scan());
    expect(messages).toEqual([]);
    expect(error?.code).toBe(status.ABORTED);
  });

  test("a hash begins anew in the new state", async () => {
    const hashOf = async (node: FakeNode): Promise<HashResponse> => {
      node.records = names.map((name) => stored(name));
      const body = HashRequest.encode({ namespace: "", prefix: none, revision: 0n }).finish();
      return HashResponse.decode((await ask(node, "Hash", body)).answer);
    };
    const cut = new FakeNode();
    cut.scanFails = { error: new StateReplaced(), afterChunks: 1 };
    const hash = await hashOf(cut);
    expect(hash).toEqual(await hashOf(new FakeNode()));
    expect(hash.count).toBe(8n);
  });
});
