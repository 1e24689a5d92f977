import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { RepairMemberRequest, RepairMemberResponse, VerifyConsistencyResponse } from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import type { NodeContext } from "@quorate/services/rpc";
import type { RepairMemberOutcome, VerificationStatus, VerifyOutcome } from "@quorate/services/verification";
import { ask } from "./cluster-rig";
import { FakeNode } from "./fake-node";
import { none } from "./node-rig";

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
      members: [{ member: "n3", isVoter: true, answered: true, agrees: false, differs: true, root, keys: 7 }],
      diverged: [
        { member: "n3", namespaceId: 1, generation: 1, key, difference: "missing" },
        { member: "n3", namespaceId: 4, generation: 1, key, difference: "added" },
      ],
      divergedCount: 2,
      wholeState: [],
      bytesMoved: 333,
    };
    const { answer } = await ask(node, "VerifyConsistency", none, comparing({ verify }));
    expect(VerifyConsistencyResponse.decode(answer)).toMatchObject({
      round: 8n,
      appliedIndex: 99n,
      consistent: false,
      members: [{ memberId: "n3", answered: true, agrees: false, differs: true, keys: 7n }],
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
    ["VerifyConsistency", none, { verification: null }, status.UNIMPLEMENTED, "UNIMPLEMENTED"],
    ["VerifyConsistency", none, comparing({}), status.ABORTED, "SUPERSEDED"],
    [
      "VerifyConsistency",
      none,
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
