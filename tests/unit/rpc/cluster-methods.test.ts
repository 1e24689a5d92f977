import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import {
  AddMemberRequest,
  AddMemberResponse,
  AlarmKind,
  BackupRequest,
  BackupResponse,
  ChangeMembersRequest,
  DropClientRequest,
  HashRequest,
  HashResponse,
  ListMembersResponse,
  MemberChangeKind,
  PromoteMemberRequest,
  RemoveMemberRequest,
  RepairMemberRequest,
  RepairMemberResponse,
  SetLogLevelRequest,
  SetLogLevelResponse,
  StatsRequest,
  StatsResponse,
  StatusResponse,
  TakeSnapshotResponse,
  UpdateMemberRequest,
  VerifyConsistencyResponse,
} from "@quorate/proto/cluster";
import { ErrorReason, Outcome, ScanResponse } from "@quorate/proto/kv";
import { CallFailure } from "@quorate/services/forward";
import { type MembershipOutcome, StateReplaced } from "@quorate/services/replica";
import type { NodeContext, ServedVerification } from "@quorate/services/rpc";
import type { RepairMemberOutcome, VerificationStatus, VerifyOutcome } from "@quorate/services/verification";
import { eventually } from "../../support/eventually";
import { FakeNode, RAFT_STATUS, REPLICA_STATUS, stored } from "./fake-node";
import { get, KV, none, scan, serve } from "./node-rig";
import { membershipOf } from "./peer-rig";

const CLUSTER = "/quorate.cluster.v1.ClusterService/";
const EMPTY = new Uint8Array(0);

async function ask(
  node: FakeNode,
  method: string,
  body: Uint8Array = EMPTY,
  changes: Partial<NodeContext> = {},
) {
  const { error, answer } = await (await serve(node, changes)).unary(`${CLUSTER}${method}`, body);
  return {
    failure: error === null ? null : CallFailure.from(error),
    code: error?.code,
    answer: answer ?? none,
  };
}

const added: AddMemberRequest = {
  memberId: "n4",
  clientAddress: "127.0.0.1:7404",
  peerAddress: "127.0.0.1:7424",
  promoteWhenCaughtUp: false,
  replaces: "",
};
const add = (changes: Partial<AddMemberRequest> = {}): Uint8Array =>
  AddMemberRequest.encode({ ...added, ...changes }).finish();
const update = (changes: Partial<UpdateMemberRequest>): Uint8Array =>
  UpdateMemberRequest.encode({ memberId: "n2", ...changes }).finish();
const some = { kind: MemberChangeKind.LEARNER, ...added };
const change = (...changes: ChangeMembersRequest["changes"]): Uint8Array =>
  ChangeMembersRequest.encode({ changes }).finish();

describe("changes of the membership", () => {
  test("G1: each becomes a request to the replica, and is answered with the members", async () => {
    const node = new FakeNode();
    node.membership = membershipOf(["n1", "n2"], {
      configuration: {
        voters: ["n1"],
        votersOutgoing: [],
        learners: ["n2"],
        learnersNext: [],
        autoLeave: false,
      },
    });
    const { answer } = await ask(node, "AddMember", add({ replaces: "n2", priority: 7 }));
    expect(AddMemberResponse.decode(answer).members).toMatchObject([
      {
        memberId: "n1",
        clientAddress: "n1:1",
        peerAddress: "n1:2",
        leader: true,
        voter: true,
        priority: 100,
      },
      { memberId: "n2", leader: false, voter: false },
    ]);
    await ask(node, "PromoteMember", PromoteMemberRequest.encode({ memberId: "n2" }).finish());
    await ask(node, "RemoveMember", RemoveMemberRequest.encode({ memberId: "n1" }).finish());
    await ask(node, "UpdateMember", update({ peerAddress: "host-2:9" }));
    await ask(
      node,
      "ChangeMembers",
      change(
        some,
        { ...some, kind: MemberChangeKind.VOTER, memberId: "n2", clientAddress: "", peerAddress: "" },
        {
          ...some,
          kind: MemberChangeKind.REMOVE,
          memberId: "n9",
        },
      ),
    );
    const { clientAddress, peerAddress } = added;
    expect(node.changes).toEqual([
      {
        kind: "add",
        memberId: "n4",
        clientAddress,
        peerAddress,
        priority: 7,
        promoteWhenCaughtUp: false,
        replaces: "n2",
      },
      { kind: "promote", memberId: "n2" },
      { kind: "remove", memberId: "n1" },
      { kind: "update", memberId: "n2", clientAddress: null, peerAddress: "host-2:9", priority: null },
      {
        kind: "change",
        changes: [
          { kind: "learner", memberId: "n4", clientAddress, peerAddress },
          { kind: "voter", memberId: "n2", clientAddress: "", peerAddress: "" },
          { kind: "remove", memberId: "n9", clientAddress: "", peerAddress: "" },
        ],
      },
    ]);
  });

  test.each<[string, string, Uint8Array, string]>([
    ["no id", "AddMember", add({ memberId: "" }), "member_id"],
    ["an id with spaces", "AddMember", add({ memberId: "n 4" }), "member_id"],
    ["a long id", "AddMember", add({ memberId: "n".repeat(65) }), "member_id"],
    ["no client address", "AddMember", add({ clientAddress: "" }), "client_address"],
    ["an address without a port", "AddMember", add({ clientAddress: "host" }), "client_address"],
    ["a bad port", "AddMember", add({ peerAddress: "host:70000" }), "peer_address"],
    ["port 0", "AddMember", add({ peerAddress: "host:0" }), "peer_address"],
    ["a wildcard", "AddMember", add({ peerAddress: "0.0.0.0:7424" }), "peer_address"],
    ["a malformed id to replace", "AddMember", add({ replaces: "?" }), "replaces"],
    ["a negative priority", "AddMember", add({ priority: -1 }), "priority"],
    ["a large priority", "UpdateMember", update({ priority: 1001 }), "priority"],
    ["nothing to change", "UpdateMember", update({}), "client_address"],
    ["a malformed new address", "UpdateMember", update({ clientAddress: "a b:1" }), "client_address"],
    ["a malformed id to change", "UpdateMember", update({ memberId: "/", priority: 1 }), "member_id"],
    ["a malformed id to promote", "PromoteMember", add({ memberId: "" }), "member_id"],
    ["a malformed id to remove", "RemoveMember", add({ memberId: "a:b" }), "member_id"],
    ["a malformed id to repair", "RepairMember", add({ memberId: "" }), "member_id"],
    ["no changes", "ChangeMembers", change(), "changes"],
    ["two changes of one", "ChangeMembers", change(some, some), 'more than one change of "n4"'],
    ["a change without a kind", "ChangeMembers", change({ ...some, kind: 0 }), "changes[0].kind"],
    ["a change of unknown kind", "ChangeMembers", change({ ...some, kind: 9 as never }), "changes[0].kind"],
    [
      "a new member without an address",
      "ChangeMembers",
      change({ ...some, peerAddress: "" }),
      "changes[0].peer_address",
    ],
  ])("G7: %s is INVALID_ARGUMENT and names the field", async (_name, method, body, field) => {
    const node = new FakeNode();
    const { code, failure } = await ask(node, method, body);
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(failure?.message).toContain(field);
    expect(node.changes).toEqual([]);
  });

  test.each<[MembershipOutcome, status, keyof typeof ErrorReason, keyof typeof Outcome, string]>([
    [
      { kind: "unknown_member", memberId: "n9" },
      status.NOT_FOUND,
      "UNKNOWN_MEMBER",
      "NOT_APPLIED",
      'there is no member "n9"; there are n1, n2, n3',
    ],
    [{ kind: "member_exists", memberId: "n4" }, status.ALREADY_EXISTS, "MEMBER_EXISTS", "NOT_APPLIED", "n4"],
    [
      { kind: "not_caught_up", memberId: "n3", lag: 5000 },
      status.FAILED_PRECONDITION,
      "LEARNER_NOT_READY",
      "NOT_APPLIED",
      "n3 lacks 5000 log entries",
    ],
    [
      { kind: "not_caught_up", memberId: "n4", lag: 5000 },
      status.FAILED_PRECONDITION,
      "LEARNER_NOT_READY",
      "NOT_APPLIED",
      "n4 is no member yet and has none of the 5000 log entries: add it as a learner first; there are n1, n2, n3",
    ],
    [
      { kind: "last_voter" },
      status.FAILED_PRECONDITION,
      "LAST_VOTER",
      "NOT_APPLIED",
      "add n4: no voter would be left",
    ],
    [{ kind: "changing" }, status.ABORTED, "MEMBERSHIP_CHANGING", "NOT_APPLIED", "another change"],
    [{ kind: "too_many_members" }, status.RESOURCE_EXHAUSTED, "TOO_MANY_MEMBERS", "NOT_APPLIED", "members"],
    [
      { kind: "invalid", fault: "no such step" },
      status.INVALID_ARGUMENT,
      "INVALID_ARGUMENT",
      "NOT_APPLIED",
      "no such step",
    ],
    [
      { kind: "not_applied", reason: "transferring", leaderId: null },
      status.UNAVAILABLE,
      "NO_LEADER",
      "NOT_APPLIED",
      "handed over",
    ],
    [
      { kind: "unknown", reason: "leadership_lost" },
      status.UNKNOWN,
      "LEADERSHIP_LOST",
      "UNKNOWN",
      "leadership",
    ],
  ])("B7: a change that ends as %j", async (outcome, code, reason, known, says) => {
    const node = new FakeNode();
    node.changed = outcome;
    const told = await ask(node, "AddMember", add());
    expect(told.code).toBe(code);
    expect(told.failure).toMatchObject({ reason: ErrorReason[reason], outcome: Outcome[known] });
    expect(told.failure?.message).toContain(says);
  });

  test("G7: a stranger that is given no address is UNKNOWN_MEMBER, and the members are listed", async () => {
    const node = new FakeNode();
    const stranger = { ...some, kind: MemberChangeKind.VOTER, clientAddress: "", peerAddress: "" };
    const { code, failure } = await ask(node, "ChangeMembers", change(stranger));
    expect(code).toBe(status.NOT_FOUND);
    expect(failure).toMatchObject({
      reason: ErrorReason.UNKNOWN_MEMBER,
      outcome: Outcome.NOT_APPLIED,
      message: 'there is no member "n4"; there are n1, n2, n3',
    });
    expect(node.changes).toEqual([]);
  });

  test("G7: a change that leaves no voter names what was asked", async () => {
    const node = new FakeNode();
    node.changed = { kind: "last_voter" };
    const { REMOVE, LEARNER } = MemberChangeKind;
    const all = [REMOVE, REMOVE, LEARNER].map((kind, at) => ({ ...some, kind, memberId: `n${at + 1}` }));
    const { failure } = await ask(node, "ChangeMembers", change(...all));
    expect(failure?.message).toBe(
      "remove n1, remove n2, learner n3: no voter would be left; the last voter cannot be removed",
    );
  });

  test("a change goes to the leader, once", async () => {
    const leader = new FakeNode("n2");
    leader.directory.replaceLeader("n2", 3);
    const { address } = await serve(leader, { memberId: "n2" });
    const follower = new FakeNode();
    follower.directory.learnMember("n2", address);
    follower.directory.replaceLeader("n2", 3);
    expect((await ask(follower, "AddMember", add())).failure).toBeNull();
    expect(leader.changes).toHaveLength(1);
    expect(follower.changes).toEqual([]);
    // Deposed meanwhile: the next one is told, and would go on.
    leader.changed = { kind: "not_leader", leaderId: "n3" };
    leader.directory.learnMember("n3", "127.0.0.1:3");
    leader.directory.replaceLeader("n3", 4);
    follower.directory.replaceLeader("n2", 3);
    expect((await ask(follower, "AddMember", add())).failure).toMatchObject({
      reason: ErrorReason.NOT_LEADER,
      leader: { memberId: "n3", address: "127.0.0.1:3" },
    });
  });

  test("members are listed where they are reached, which this node may know better than the cluster", async () => {
    const node = new FakeNode();
    const members = [{ id: "n2", clientAddress: "moved:1", peerAddress: "moved:2" }];
    const { answer } = await ask(node, "ListMembers", EMPTY, { members });
    const listed = ListMembersResponse.decode(answer).members.map(
      ({ memberId, clientAddress, peerAddress }) => `${memberId} ${clientAddress} ${peerAddress}`,
    );
    expect(listed).toEqual(["n1 n1:1 n1:2", "n2 moved:1 moved:2", "n3 n3:1 n3:2"]);
  });
});

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
    const { answer } = await ask(node, "Status", EMPTY, {
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
    const { messages, error } = await serving.stream(`${CLUSTER}Backup`, BackupRequest.encode({}).finish());
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

  test("a backup that a snapshot cuts is ABORTED, and one of a node that makes none UNIMPLEMENTED", async () => {
    const node = new FakeNode();
    const backup = async function* (): AsyncGenerator<Uint8Array> {
      yield Uint8Array.of(1);
      throw new StateReplaced();
    };
    const { administration } = node.context();
    const serving = await serve(node, { administration: { ...administration, backup } });
    const cut = await serving.stream(`${CLUSTER}Backup`, EMPTY);
    expect(cut.messages).toHaveLength(1);
    expect(cut.error?.code).toBe(status.ABORTED);
    const without = await (await serve(new FakeNode())).stream(`${CLUSTER}Backup`, EMPTY);
    expect(without.error?.code).toBe(status.UNIMPLEMENTED);
  });
});

describe("comparing replicas", () => {
  const comparing = (outcomes: {
    readonly verify?: VerifyOutcome;
    readonly repair?: RepairMemberOutcome;
    readonly isSplit?: boolean;
  }): Partial<NodeContext> => ({
    verification: {
      status: () => ({ isSplit: outcomes.isSplit ?? false }) as unknown as VerificationStatus,
      verify: () => Promise.resolve(outcomes.verify ?? { kind: "failed", why: "no answer here" }),
      repairMember: () => Promise.resolve(outcomes.repair ?? { kind: "failed", why: "no answer here" }),
    },
  });
  const repair = RepairMemberRequest.encode({ memberId: "n3" }).finish();

  test("H5: VerifyConsistency tells who differs and in which keys, by the names of their namespaces", async () => {
    const node = new FakeNode();
    node.namespaces = [{ id: 1, name: "default" }] as unknown as FakeNode["namespaces"];
    const root = new Uint8Array(32).fill(5);
    const key = Uint8Array.of(1);
    const verify: VerifyOutcome = {
      kind: "compared",
      round: 8,
      appliedIndex: 99,
      consistent: false,
      isSplit: false,
      members: [{ member: "n3", isVoter: true, answered: true, agrees: false, root, keys: 7 }],
      diverged: [
        { member: "n3", namespaceId: 1, generation: 1, key, difference: "missing" },
        { member: "n3", namespaceId: 4, generation: 1, key, difference: "added" },
      ],
      divergedCount: 2,
      wholeState: [],
      bytesMoved: 333,
    };
    const { answer } = await ask(node, "VerifyConsistency", EMPTY, comparing({ verify }));
    expect(VerifyConsistencyResponse.decode(answer)).toMatchObject({
      round: 8n,
      appliedIndex: 99n,
      consistent: false,
      members: [{ memberId: "n3", answered: true, agrees: false, keys: 7n }],
      diverged: [
        { memberId: "n3", namespace: "default", difference: "missing" },
        { memberId: "n3", namespace: "", difference: "added" },
      ],
      divergedCount: 2n,
      bytesMoved: 333n,
    });
  });

  test("H5: RepairMember tells how much was put right", async () => {
    const repaired = { kind: "repaired" as const, records: 4, stateReplaced: false, bytesMoved: 55 };
    const { answer } = await ask(new FakeNode(), "RepairMember", repair, comparing({ repair: repaired }));
    expect(RepairMemberResponse.decode(answer)).toEqual({
      recordsRepaired: 4n,
      stateReplaced: false,
      bytesMoved: 55n,
    });
  });

  test.each<[string, Uint8Array, Partial<NodeContext>, status, keyof typeof ErrorReason]>([
    ["VerifyConsistency", EMPTY, { verification: null }, status.UNIMPLEMENTED, "UNIMPLEMENTED"],
    ["VerifyConsistency", EMPTY, comparing({}), status.ABORTED, "SUPERSEDED"],
    [
      "VerifyConsistency",
      EMPTY,
      comparing({ verify: { kind: "not_leader", leaderId: null } }),
      status.UNAVAILABLE,
      "NO_LEADER",
    ],
    ["RepairMember", repair, { verification: null }, status.UNIMPLEMENTED, "UNIMPLEMENTED"],
    ["RepairMember", repair, comparing({}), status.ABORTED, "SUPERSEDED"],
    ["RepairMember", repair, comparing({ isSplit: true }), status.FAILED_PRECONDITION, "NO_MAJORITY"],
    [
      "RepairMember",
      repair,
      comparing({ repair: { kind: "unknown_member" } }),
      status.NOT_FOUND,
      "UNKNOWN_MEMBER",
    ],
    [
      "RepairMember",
      repair,
      comparing({ repair: { kind: "not_leader", leaderId: null } }),
      status.UNAVAILABLE,
      "NO_LEADER",
    ],
  ])("B7: %s that comes to nothing is told why (%#)", async (method, body, changes, code, reason) => {
    const told = await ask(new FakeNode(), method, body, changes);
    expect(told.code).toBe(code);
    expect(told.failure?.reason).toBe(ErrorReason[reason]);
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
