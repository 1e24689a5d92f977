import { describe, expect, test } from "@jest/globals";
import type { AddMemberRequest, Member } from "@quorate/proto/cluster";
import { admission, type ClusterView, type SeedOutcome } from "@quorate/services/node";

const CONFIG = {
  id: "n4",
  clusterId: null,
  advertiseClient: "127.0.0.1:4",
  advertisePeer: "127.0.0.1:24",
};

function member(memberId: string, changes: Partial<Member> = {}): Member {
  const number = memberId.slice(1);
  return {
    memberId,
    clientAddress: `127.0.0.1:${number}`,
    peerAddress: `127.0.0.1:2${number}`,
    storeId: `store of ${memberId}`,
    leader: memberId === "n1",
    voter: true,
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: "",
    ...changes,
  };
}

const founders = [member("n1"), member("n2"), member("n3")];
const newcomer = member("n4", { voter: false, storeId: "" });

function view(members: readonly Member[] = founders): SeedOutcome<ClusterView> {
  return { kind: "answered", value: { clusterId: "c", members } };
}

/** A cluster that gives these answers in turn. */
function seeds(views: SeedOutcome<ClusterView>[], added?: SeedOutcome<readonly Member[]>) {
  const requests: AddMemberRequest[] = [];
  return {
    requests,
    view: async () => views.shift() as SeedOutcome<ClusterView>,
    add: async (request: AddMemberRequest) => {
      requests.push(request);
      return added as SeedOutcome<readonly Member[]>;
    },
  };
}

const ready = async (): Promise<null> => null;

describe("a node that joins", () => {
  test.each([
    ["voter", true],
    ["learner", false],
  ] as const)("is added as a %s that says where it is reached", async (as, promoteWhenCaughtUp) => {
    const cluster = seeds([view()], { kind: "answered", value: [...founders, newcomer] });
    expect(await admission(CONFIG, as, cluster, ready)).toEqual({
      kind: "admitted",
      view: { clusterId: "c", members: [...founders, newcomer] },
    });
    expect(cluster.requests).toEqual([
      {
        memberId: "n4",
        clientAddress: "127.0.0.1:4",
        peerAddress: "127.0.0.1:24",
        promoteWhenCaughtUp,
        replaces: "",
        priority: undefined,
      },
    ]);
  });

  test("is not added twice where an operator, or an earlier start, had it added", async () => {
    const cluster = seeds([view([...founders, newcomer])]);
    expect(await admission(CONFIG, "voter", cluster, ready)).toMatchObject({ kind: "admitted" });
    expect(cluster.requests).toEqual([]);
  });

  test("goes on where it was added though the answer was lost", async () => {
    const cluster = seeds([view(), view([...founders, newcomer])], { kind: "refused", why: "it exists" });
    expect(await admission(CONFIG, "voter", cluster, ready)).toMatchObject({ kind: "admitted" });
  });

  test.each<[string, string, Parameters<typeof seeds>, object]>([
    [
      "nobody answers",
      "join: no node of the cluster could be asked to take this one in: x: no; check the addresses",
      [[{ kind: "unanswered", why: "x: no" }]],
      {},
    ],
    ["the cluster says no", "join: too many", [[view(), view()], { kind: "refused", why: "too many" }], {}],
    [
      "it is another cluster",
      "cluster-id: the nodes given to join belong to cluster c, not d",
      [[view()]],
      { clusterId: "d" },
    ],
    [
      "it is a member whose data is elsewhere or lost",
      "data-dir: n2 is a member already, and its data is not here",
      [[view()]],
      { id: "n2" },
    ],
    [
      "it is a voter that never started",
      "join: n4 is a voter from the beginning of the cluster that never started",
      [[view([...founders, member("n4", { storeId: "" })])]],
      {},
    ],
  ])("is refused in words where %s", async (_, said, answers, changes) => {
    const outcome = await admission({ ...CONFIG, ...changes }, "voter", seeds(...answers), ready);
    expect(outcome.kind).toBe("refused");
    if (outcome.kind !== "refused") return;
    const line = `${outcome.setting}: ${outcome.message}`;
    expect(line.startsWith(said)).toBe(true);
    expect(line).not.toContain("\n");
  });

  test("is not added where its own disk is in the way", async () => {
    const cluster = seeds([view()]);
    const refusal = { kind: "refused", setting: "data-dir", message: "it holds files" } as const;
    expect(await admission(CONFIG, "voter", cluster, async () => refusal)).toEqual(refusal);
    expect(cluster.requests).toEqual([]);
  });

  test("is broken off at a Ctrl-C", async () => {
    expect(await admission(CONFIG, "voter", seeds([{ kind: "aborted" }]), ready)).toEqual({
      kind: "aborted",
    });
    expect(await admission(CONFIG, "voter", seeds([view()], { kind: "aborted" }), ready)).toEqual({
      kind: "aborted",
    });
  });
});
