import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import {
  AddMemberRequest,
  AddMemberResponse,
  ChangeMembersRequest,
  ListMembersResponse,
  MemberChangeKind,
  PromoteMemberRequest,
  RemoveMemberRequest,
  UpdateMemberRequest,
} from "@quorate/proto/cluster";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import type { MembershipOutcome } from "@quorate/services/replica";
import { ask } from "./cluster-rig";
import { FakeNode } from "./fake-node";
import { none, serve } from "./node-rig";
import { membershipOf } from "./peer-rig";

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
    [
      { kind: "quorum_at_risk", silent: ["n3"] },
      status.FAILED_PRECONDITION,
      "QUORUM_AT_RISK",
      "NOT_APPLIED",
      "add n4: no majority would be left, since n3 is not heard of; start it, or remove it first",
    ],
    [
      { kind: "quorum_at_risk", silent: ["n2", "n3"] },
      status.FAILED_PRECONDITION,
      "QUORUM_AT_RISK",
      "NOT_APPLIED",
      "since n2, n3 are not heard of; start them, or remove them first",
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
    const { answer } = await ask(node, "ListMembers", none, { members });
    const listed = ListMembersResponse.decode(answer).members.map(
      ({ memberId, clientAddress, peerAddress }) => `${memberId} ${clientAddress} ${peerAddress}`,
    );
    expect(listed).toEqual(["n1 n1:1 n1:2", "n2 moved:1 moved:2", "n3 n3:1 n3:2"]);
  });
});
