import { describe, expect, test } from "@jest/globals";
import { QuorateError } from "@quorate/client";
import { MemberChangeKind } from "@quorate/client/generated";
import { type Attempt, connectionLost, noLeader, ScriptedEndpoints } from "./scripted-endpoints";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";

const notSent = new QuorateError("cannot reach it", {
  code: "UNAVAILABLE",
  retryable: true,
  outcome: "not_applied",
});

const exists = new QuorateError("there is a member n4", {
  code: "ALREADY_EXISTS",
  reason: "MEMBER_EXISTS",
  outcome: "not_applied",
});

const n4 = { memberId: "n4", clientAddress: "10.0.0.4:7400", peerAddress: "10.0.0.4:7420" };

function row(memberId: string, more: object = {}): object {
  return { ...n4, memberId, storeId: "", leader: false, voter: true, priority: 100, replaces: "", ...more };
}

/** Endpoints whose answers to one method are given in order; ListMembers tells these members. */
function scripted(method: string, answers: readonly (object | QuorateError)[], members: readonly object[]) {
  const ends: ScriptedEndpoints = new ScriptedEndpoints(`${A},${B}`, (attempt: Attempt) => {
    if (attempt.method === "ListMembers") return { members };
    return answers[ends.of(method).length - 1] ?? new QuorateError("not expected", { code: "UNIMPLEMENTED" });
  });
  return ends;
}

describe("a change of the members", () => {
  test("goes to another endpoint where nothing was sent, and where no leader is known", async () => {
    const ends = scripted("AddMember", [notSent, noLeader, { members: [row("n4")] }], []);
    const members = await ends.timing.drive(ends.client.cluster.addMember(n4));
    expect(members.map(({ memberId }) => memberId)).toEqual(["n4"]);
    expect(ends.of("AddMember").map(({ address }) => address)).toEqual([A, B, A]);
  });

  test("waits for another change that is under way", async () => {
    const changing = new QuorateError("another change is under way", {
      code: "ABORTED",
      reason: "MEMBERSHIP_CHANGING",
      retryable: true,
      outcome: "not_applied",
    });
    const ends = scripted("AddMember", [changing, changing, { members: [row("n4")] }], []);
    expect(await ends.timing.drive(ends.client.cluster.addMember(n4))).toHaveLength(1);
    expect(ends.of("AddMember").map(({ address }) => address)).toEqual([A, A, A]);
  });

  test("waits until a majority is heard of, and says in the end who is silent", async () => {
    const atRisk = new QuorateError("remove n2: no majority would be left, since n3 is not heard of", {
      code: "FAILED_PRECONDITION",
      reason: "QUORUM_AT_RISK",
      retryable: true,
      outcome: "not_applied",
    });
    const ends = scripted("RemoveMember", [atRisk, atRisk, { members: [row("n1")] }], []);
    expect(await ends.timing.drive(ends.client.cluster.removeMember("n2"))).toHaveLength(1);
    const dead = new ScriptedEndpoints(A, () => atRisk);
    expect(await dead.failure(dead.client.cluster.removeMember("n2"))).toMatchObject({
      reason: "QUORUM_AT_RISK",
      outcome: "not_applied",
      message: expect.stringContaining("n3 is not heard of"),
    });
    expect(dead.of("RemoveMember").length).toBeGreaterThan(5);
  });

  test("is not sent again after its answer was lost, and is found among the members", async () => {
    const ends = scripted("AddMember", [connectionLost], [row("n4", { voter: false })]);
    const members = await ends.timing.drive(ends.client.cluster.addMember(n4));
    expect(members).toHaveLength(1);
    expect(ends.of("AddMember")).toHaveLength(1);
  });

  test("has an unknown outcome where it is not found: it may still come", async () => {
    const ends = scripted("AddMember", [connectionLost], [row("n4", { clientAddress: "other:1" })]);
    const error = await ends.failure(ends.client.cluster.addMember(n4));
    expect([error.outcome, ends.of("AddMember").length]).toEqual(["unknown", 1]);
  });

  test("that is refused is not looked for", async () => {
    const ends = scripted("AddMember", [exists], []);
    const error = await ends.failure(ends.client.cluster.addMember(n4));
    expect([error.reason, error.outcome]).toEqual(["MEMBER_EXISTS", "not_applied"]);
    expect(ends.attempts).toHaveLength(1);
  });

  test.each<[string, (ends: ScriptedEndpoints) => Promise<unknown>, readonly object[]]>([
    ["PromoteMember", ({ client }) => client.cluster.promoteMember("n4"), [row("n4")]],
    ["RemoveMember", ({ client }) => client.cluster.removeMember("n4"), [row("n1")]],
    [
      "UpdateMember",
      ({ client }) => client.cluster.updateMember("n4", { priority: 7 }),
      [row("n4", { priority: 7 })],
    ],
    [
      "ChangeMembers",
      ({ client }) =>
        client.cluster.changeMembers([
          { kind: "voter", memberId: "n4" },
          { kind: "remove", memberId: "n1" },
        ]),
      [row("n4")],
    ],
  ])("%s: a lost answer is made good by what the members are", async (method, call, members) => {
    const ends = scripted(method, [connectionLost], members);
    expect(await ends.timing.drive(call(ends))).toHaveLength(1);
    const before = scripted(
      method,
      [connectionLost],
      [row("n1", { voter: true }), row("n4", { voter: false })],
    );
    expect((await before.failure(call(before))).outcome).toBe("unknown");
  });

  test("is sent as it was asked for", async () => {
    const ends = scripted("ChangeMembers", [{ members: [] }], []);
    await ends.timing.drive(
      ends.client.cluster.changeMembers([
        { kind: "voter", ...n4 },
        { kind: "learner", memberId: "n2" },
        { kind: "remove", memberId: "n3" },
      ]),
    );
    expect(ends.attempts[0]?.request).toEqual({
      changes: [
        { kind: MemberChangeKind.VOTER, ...n4 },
        { kind: MemberChangeKind.LEARNER, memberId: "n2", clientAddress: "", peerAddress: "" },
        { kind: MemberChangeKind.REMOVE, memberId: "n3", clientAddress: "", peerAddress: "" },
      ],
    });
  });

  test("leaves out what is not to be changed, so that priority 0 can be told from none", async () => {
    const ends = scripted("UpdateMember", [{ members: [] }, { members: [] }], []);
    await ends.timing.drive(ends.client.cluster.updateMember("n4", { priority: 0 }));
    await ends.timing.drive(ends.client.cluster.updateMember("n4", { peerAddress: "h:1" }));
    expect(ends.attempts.map(({ request }) => request)).toEqual([
      { memberId: "n4", clientAddress: undefined, peerAddress: undefined, priority: 0 },
      { memberId: "n4", clientAddress: undefined, peerAddress: "h:1", priority: undefined },
    ]);
  });
});

describe("a replacement", () => {
  test("resolves when the old member has left", async () => {
    const ends: ScriptedEndpoints = new ScriptedEndpoints(A, ({ method }) => {
      const isOver = ends.timing.nowMs() > 30_000;
      const members = isOver ? [row("n4")] : [row("n1"), row("n4", { voter: false, replaces: "n1" })];
      return method === "AddMember" || method === "ListMembers" ? { members } : noLeader;
    });
    const members = await ends.timing.drive(ends.client.cluster.replaceMember("n1", n4));
    expect(members.map(({ memberId }) => memberId)).toEqual(["n4"]);
    expect(ends.of("AddMember")[0]?.request).toMatchObject({ replaces: "n1", promoteWhenCaughtUp: true });
  });

  test.each([
    ["", "n4 was added, and its node has not come yet: it is to be started; n1 is a member until then"],
    ["store-4", "n4 was added, and its node came and has not caught up yet; n1 is a member until then"],
  ])(
    "says after its deadline what was done, of store %j, and that it goes on by itself",
    async (storeId, said) => {
      const ends = new ScriptedEndpoints(A, () => ({ members: [row("n1"), row("n4", { storeId })] }));
      const error = await ends.failure(ends.client.cluster.replaceMember("n1", n4, { deadlineMs: 20_000 }));
      expect([error.code, error.outcome]).toEqual(["DEADLINE_EXCEEDED", "unknown"]);
      expect(error.message).toBe(`${said}, and the replacement goes on by itself`);
    },
  );

  test("says the same where the members cannot be looked at in the last moment", async () => {
    const ends: ScriptedEndpoints = new ScriptedEndpoints(A, ({ method }) =>
      method === "AddMember" || ends.of("ListMembers").length < 3
        ? { members: [row("n1"), row("n4")] }
        : "silence",
    );
    const error = await ends.failure(ends.client.cluster.replaceMember("n1", n4, { deadlineMs: 20_000 }));
    expect(error.message).toContain("n4 was added");
  });

  test("fails where the new member is taken away before", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => ({
      members: method === "AddMember" ? [row("n1"), row("n4")] : [row("n1")],
    }));
    const error = await ends.failure(ends.client.cluster.replaceMember("n1", n4));
    expect([error.code, error.outcome]).toEqual(["ABORTED", "not_applied"]);
  });
});

describe("a backup", () => {
  const part = (text: string): object => ({ data: new TextEncoder().encode(text) });

  async function textOf(ends: ScriptedEndpoints): Promise<string> {
    let text = "";
    for await (const data of ends.client.cluster.backup()) text += Buffer.from(data).toString();
    return text;
  }

  test("is taken from another endpoint where the first has not begun", async () => {
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address }) =>
      address === A ? connectionLost : [part("whole "), part("state")],
    );
    expect(await ends.timing.drive(textOf(ends))).toBe("whole state");
  });

  test("fails where it breaks off, for the rest of another would not fit", async () => {
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address }) =>
      address === A ? [part("half "), connectionLost] : [part("whole "), part("state")],
    );
    expect((await ends.failure(textOf(ends))).code).toBe("UNAVAILABLE");
    expect(ends.attempts).toHaveLength(1);
  });
});

describe("counters that begin anew", () => {
  test("are not asked for twice where an answer was lost: the second would be empty", async () => {
    const ends = scripted("Stats", [connectionLost], []);
    const error = await ends.failure(ends.client.cluster.stats({ reset: true }));
    expect([error.outcome, ends.of("Stats").length]).toEqual(["unknown", 1]);
  });
});

test("what a comparison found has roots in hexadecimal and numbers of JavaScript", async () => {
  const key = Uint8Array.from([0xff, 0x00]);
  const ends = new ScriptedEndpoints(A, () => ({
    round: 7n,
    appliedIndex: 900n,
    consistent: false,
    members: [
      {
        memberId: "n1",
        answered: true,
        agrees: false,
        differs: true,
        root: Uint8Array.from([1, 255]),
        keys: 3n,
      },
    ],
    diverged: [{ memberId: "n1", namespace: "default", key, difference: "missing" }],
    divergedCount: 1n,
    bytesMoved: 4000n,
  }));
  expect(await ends.timing.drive(ends.client.cluster.verifyConsistency())).toEqual({
    round: 7,
    appliedIndex: 900,
    consistent: false,
    members: [{ memberId: "n1", answered: true, agrees: false, differs: true, root: "01ff", keys: 3 }],
    diverged: [{ memberId: "n1", namespace: "default", key, difference: "missing" }],
    divergedCount: 1,
    bytesMoved: 4000,
  });
});
