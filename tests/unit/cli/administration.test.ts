import { afterEach, describe, expect, test } from "@jest/globals";
import { EXIT, withNotice } from "@quorate/cli";
import { MemberChangeKind, Role } from "@quorate/client/generated";
import { ServerError, Status } from "nice-grpc";
import { eventually } from "../../support/eventually";
import { type CapturedRun, quorate } from "./captured-terminal";
import { type FakeAnswer, type FakeNode, FakeNodes } from "./fake-nodes";
import { healthyStatus, memberDown } from "./node-answers";

let nodes: FakeNodes;

afterEach(() => nodes.stop());

async function start(answers: Readonly<Record<string, FakeAnswer>>, count = 3): Promise<void> {
  nodes = await FakeNodes.start(count, answers);
}

/** Runs a command against the fakes: patiently, where it says nothing else. */
function at(...argv: readonly string[]): Promise<CapturedRun> {
  const deadline = argv.includes("--deadline") ? [] : ["--deadline", "60"];
  return quorate([...argv, "--endpoints", nodes.endpoints, ...deadline]);
}

/** Runs a command, which waits for a node but a moment, until no machine that stalls takes a node for silent. */
function shownBy(shown: RegExp, ...argv: readonly string[]): Promise<CapturedRun> {
  return eventually(`it shows ${shown}`, async () => {
    const run = await at(...argv);
    return shown.test(run.out) && run;
  });
}

const ALL_HEALTHY = /n1 .*healthy[\s\S]*n2 .*healthy[\s\S]*n3 .*healthy/;

/** Answers a change with the members as they are. */
const done: FakeAnswer = () => ({ members: nodes.members() });

describe("quorate status", () => {
  test("L4: shows each node, with where its state is durable and what its disk has free", async () => {
    await start({ status: (_, node) => healthyStatus(node) });
    const { exitCode, out } = await shownBy(ALL_HEALTHY, "status");
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/n1 .*leader .*healthy .*120 .*120 .*100 .*80 .*8\.4 GiB/);
    expect(out).toContain("compared: all replicas agreed in round 4");
  });

  test("ends with the code for what is not well when a node raises an alarm, told once", async () => {
    await start({ status: (_, node) => ({ ...healthyStatus(node), alarms: [memberDown] }) });
    const { exitCode, out } = await shownBy(ALL_HEALTHY, "status");
    expect(exitCode).toBe(EXIT.unhealthy);
    expect(
      out.match(/ALARM member-down n3 since 2026-09-21T\d\d:\d\d:\d\d\.000Z: n3 was not heard of/g),
    ).toHaveLength(1);
  });

  test("ends with that code when a node does not answer, which hides no other", async () => {
    await start({ status: (_, node) => healthyStatus(node) });
    nodes.nodes[2]?.stop();
    const { exitCode } = await shownBy(/n1 .*healthy[\s\S]*n2 .*healthy[\s\S]*n3 .*unreachable/, "status");
    expect(exitCode).toBe(EXIT.unhealthy);
  });

  test("tells how far a learner is, and what it receives", async () => {
    const peer = { matchIndex: 60n, nextIndex: 61n, state: "snapshot", lag: 60n, recentlyActive: true };
    await start({
      status: (_, node) => ({
        ...healthyStatus(node),
        role: node.memberId === "n3" ? Role.LEARNER : healthyStatus(node).role,
        learners: ["n3"],
        peers: node.memberId === "n1" ? [{ ...peer, memberId: "n3", catchUpPercent: 50 }] : [],
        receiving:
          node.memberId === "n3"
            ? { fromMemberId: "n1", index: 100n, bytes: 2n * 1024n * 1024n, resumptions: 1n }
            : undefined,
      }),
    });
    const { out } = await shownBy(ALL_HEALTHY, "status");
    expect(out).toContain("n3 is a learner with 50 % of the log, 60 entries behind");
    expect(out).toContain("n3 receives the state of n1 at index 100: 2.0 MiB so far");
  });

  test("--watch writes one text below the other where there is no screen, and a line each time for programs", async () => {
    await start({ status: (_, node) => healthyStatus(node) });
    const twice = new RegExp(`${ALL_HEALTHY.source}[\\s\\S]*${ALL_HEALTHY.source}`);
    const text = await shownBy(twice, "status", "--watch", "--count", "2", "--interval", "10ms");
    expect(text.exitCode).toBe(EXIT.ok);
    expect(text.out.match(/^\d{4}-\d\d-\d\dT.*Z$/gm)).toHaveLength(2);
    expect(text.out).not.toContain("\u001b");
    const json = await at("status", "--watch", "--count", "2", "--interval", "10ms", "--json");
    const lines = json.out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).members.length)).toEqual([3, 3]);
  });

  test("--watch writes over what it wrote on a screen", async () => {
    await start({ status: (_, node) => healthyStatus(node) });
    const { out } = await quorate(
      ["status", "--watch", "--count", "2", "--interval", "10ms", "--endpoints", nodes.endpoints],
      {},
      "",
      { isScreen: true },
    );
    expect(out.split("\u001b[H")).toHaveLength(3);
    expect(out.startsWith("\u001b[2J")).toBe(true);
    expect(out.endsWith("\u001b[J")).toBe(true);
  });

  test("--watch goes on while the nodes do not", async () => {
    const argv = ["status", "--watch", "--count", "2", "--interval", "10ms", "--deadline", "0.3"];
    const { exitCode } = await eventually("the node answers before it is stopped", async () => {
      await start({ status: (_, node) => healthyStatus(node) }, 1);
      let shown = "";
      const run = await quorate([...argv, "--endpoints", nodes.endpoints], {}, "", {
        out: async (text) => {
          shown += String(text);
          nodes.stop();
        },
      });
      return /n1 .*healthy[\s\S]*n1 .*unreachable[\s\S]*UNAVAILABLE/.test(shown) && run;
    });
    expect(exitCode).toBe(EXIT.unhealthy);
  });
});

describe("quorate member", () => {
  test("list shows the part of each, and what is to come", async () => {
    await start({
      listMembers: () => ({
        members: [
          ...nodes.members().slice(0, 2),
          { ...nodes.members()[2], memberId: "n4", voter: false, promoteWhenCaughtUp: true, replaces: "n3" },
        ],
      }),
    });
    const { exitCode, out } = await at("member", "list");
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/n1 .*leader/);
    expect(out).toMatch(/n2 .*voter/);
    expect(out).toMatch(/n4 .*learner .*replaces n3 when caught up/);
    const json = await at("member", "list", "--json");
    expect(JSON.parse(json.out).members).toHaveLength(3);
  });

  const addresses = ["--client", "10.0.0.4:7400", "--peer", "10.0.0.4:7420"];
  const n4 = { memberId: "n4", clientAddress: "10.0.0.4:7400", peerAddress: "10.0.0.4:7420" };

  test.each<[readonly string[], "addMember" | "promoteMember" | "removeMember" | "updateMember", object]>([
    [["add", "n4", ...addresses], "addMember", { ...n4, promoteWhenCaughtUp: true, replaces: "" }],
    [
      ["add", "n4", ...addresses, "--learner", "--priority", "0"],
      "addMember",
      { ...n4, promoteWhenCaughtUp: false, priority: 0 },
    ],
    [["replace", "n1", "n4", ...addresses, "--no-wait"], "addMember", { ...n4, replaces: "n1" }],
    [["replace", "n9", "n4", ...addresses], "addMember", { ...n4, replaces: "n9" }],
    [["replace", "n2", "n4", "--no-wait"], "addMember", { memberId: "n4", peerAddress: "127.0.0.1:2" }],
    [["promote", "n4"], "promoteMember", { memberId: "n4" }],
    [["remove", "n1"], "removeMember", { memberId: "n1" }],
    [
      ["update", "n1", "--priority", "7"],
      "updateMember",
      { memberId: "n1", priority: 7, clientAddress: undefined },
    ],
  ])("%p", async (argv, method, request) => {
    await start({ addMember: done, promoteMember: done, removeMember: done, updateMember: done });
    const { exitCode, out } = await at("member", ...argv);
    expect([exitCode, out]).toEqual([EXIT.ok, expect.stringContaining("leader")]);
    expect(nodes.requests(method)).toEqual([expect.objectContaining(request)]);
  });

  test("change makes several changes in one call", async () => {
    await start({ changeMembers: done });
    const changes = ["voter:n4=10.0.0.4:7400/10.0.0.4:7420", "learner:n2", "remove:n1"];
    const { exitCode } = await at("member", "change", ...changes);
    expect(exitCode).toBe(EXIT.ok);
    const none = { clientAddress: "", peerAddress: "" };
    expect(nodes.requests("changeMembers")).toEqual([
      {
        changes: [
          { ...n4, kind: MemberChangeKind.VOTER },
          { ...none, kind: MemberChangeKind.LEARNER, memberId: "n2" },
          { ...none, kind: MemberChangeKind.REMOVE, memberId: "n1" },
        ],
      },
    ]);
  });

  test("says what a refusal says", async () => {
    await start({
      removeMember: () => {
        throw new ServerError(Status.FAILED_PRECONDITION, "n1 is the last voter");
      },
    });
    const { exitCode, err } = await at("member", "remove", "n1");
    expect([exitCode, err]).toEqual([EXIT.failed, expect.stringContaining("n1 is the last voter")]);
  });
});

describe("quorate cluster, of the nodes that --endpoints names", () => {
  test.each<[readonly string[], string]>([
    [["transfer", "n2"], "n2"],
    [["step-down"], ""],
  ])("%p asks the leader once", async (argv, memberId) => {
    await start({ transferLeadership: () => ({ leaderId: "n2", term: 4n }) });
    expect(await at("cluster", ...argv)).toEqual({ exitCode: EXIT.ok, out: "n2 leads in term 4\n", err: "" });
    expect(nodes.requests("transferLeadership")).toEqual([{ memberId }]);
  });

  const snapshot: FakeAnswer = (_, { memberId }: FakeNode) => ({
    memberId,
    snapshotIndex: 120n,
    logFirstIndex: 100n,
  });

  test("snapshot is for each node, and a node that does not answer is named", async () => {
    await start({ takeSnapshot: snapshot });
    nodes.nodes[1]?.stop();
    const others = /n1 .*120 .*100[\s\S]*n3 .*120 .*100/;
    const { exitCode, err } = await shownBy(others, "cluster", "snapshot", "--deadline", "0.5");
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toMatch(/^n2: UNAVAILABLE/);
  });

  test("snapshot --member is for one, and says which there are", async () => {
    await start({ takeSnapshot: snapshot });
    const { out } = await at("cluster", "snapshot", "--member", "n2", "--json");
    expect(JSON.parse(out)).toEqual({
      members: [{ memberId: "n2", snapshotIndex: 120, logFirstIndex: 100 }],
    });
    const { exitCode, err } = await at("cluster", "snapshot", "--member", "n9");
    expect([exitCode, err]).toEqual([EXIT.failed, expect.stringContaining("there are n1, n2, n3")]);
  });

  test("L6: log-level changes what is logged, and says what was before", async () => {
    await start({ setLogLevel: () => ({ previous: "info" }) });
    const { out } = await at("cluster", "log-level", "debug");
    expect(out).toBe([1, 2, 3].map((node) => `n${node} logs debug; before: info\n`).join(""));
    expect(nodes.requests("setLogLevel")).toEqual(Array(3).fill({ level: "debug" }));
  });

  const connected: FakeAnswer = (_, { memberId }: FakeNode) => ({
    memberId,
    clients: [
      { address: `10.0.0.${memberId.slice(1)}:50`, connectedMs: 5000n, bytesReceived: 10n, bytesSent: 2048n },
    ],
  });

  test("L6: clients shows the connections of each node", async () => {
    await start({ listClients: connected });
    const { out } = await at("cluster", "clients");
    expect(out).toMatch(/n2 .*10\.0\.0\.2:50 .*5 s .*10 B .*2\.0 KiB/);
  });

  test("L6: drop-client finds the node that has the connection", async () => {
    await start({ listClients: connected, dropClient: () => ({}) });
    const { exitCode, out } = await at("cluster", "drop-client", "10.0.0.2:50");
    expect([exitCode, out]).toEqual([EXIT.ok, "n2 cut the connection from 10.0.0.2:50\n"]);
    expect(nodes.nodes[1]?.requests.at(-1)).toEqual({
      method: "dropClient",
      request: { address: "10.0.0.2:50" },
    });
    const unknown = await at("cluster", "drop-client", "10.0.0.9:50");
    expect([unknown.exitCode, unknown.err]).toEqual([EXIT.failed, expect.stringContaining("10.0.0.9:50")]);
  });

  test("L6: stats --reset lets the counters begin anew", async () => {
    await start({
      stats: (_, { memberId }: FakeNode) => ({
        memberId,
        methods: [{ method: "quorate.kv.v1.KvService/Put", ok: 7n, failed: memberId === "n2" ? 1n : 0n }],
        forwarded: 3n,
        keys: 5n,
        bytes: 4096n,
      }),
    });
    const { out } = await at("cluster", "stats", "--reset");
    expect(out).toMatch(/KvService\/Put .*7 .*7, 1 failed .*7/);
    expect(nodes.requests("stats")).toEqual(Array(3).fill({ reset: true }));
    await at("cluster", "stats");
    expect(nodes.requests("stats")).toContainEqual({ reset: false });
  });
});

describe("a replacement that is not done in time", () => {
  const addresses = ["--client", "127.0.0.1:7404", "--peer", "127.0.0.1:7424"];

  test("says what was done, and how it is looked at and taken back", async () => {
    const n4 = { memberId: "n4", storeId: "", voter: false, replaces: "n1" };
    const answer: FakeAnswer = () => ({
      members: [...nodes.members(), { ...nodes.members()[0], leader: false, ...n4 }],
    });
    await start({ addMember: answer, listMembers: answer });
    const { exitCode, err } = await eventually("it is added in that time", async () => {
      const run = await at("member", "replace", "n1", "n4", ...addresses, "--wait", "400ms");
      return run.err.includes("n4 was added") && run;
    });
    expect(exitCode).toBe(EXIT.failed);
    expect(err.trimEnd().split("\n").at(-1)).toBe(
      "DEADLINE_EXCEEDED: n4 was added, and its node has not come yet: it is to be started; n1 is a member until then, and the replacement goes on by itself: quorate status tells how far n4 is, quorate member list whether it is done; quorate member remove n4 takes it back",
    );
  });

  test("a member that is not there has no place to be taken", async () => {
    await start({});
    const { exitCode, err } = await at("member", "replace", "n9", "n4");
    expect([exitCode, err]).toEqual([
      EXIT.failed,
      "NOT_FOUND (UNKNOWN_MEMBER): there is no member n9: there are n1, n2, n3\n",
    ]);
  });
});

describe("quorate verify", () => {
  const root = new Uint8Array(32).fill(7);
  const other = new Uint8Array(32).fill(8);

  function report(...wrong: readonly string[]): object {
    return {
      round: 9n,
      appliedIndex: 400n,
      consistent: wrong.length === 0,
      members: ["n1", "n2", "n3"].map((memberId) => ({
        memberId,
        answered: true,
        agrees: !wrong.includes(memberId),
        differs: wrong.includes(memberId),
        root: wrong.includes(memberId) ? other : root,
        keys: 10n,
      })),
      diverged: wrong.map((memberId) => ({
        memberId,
        namespace: "default",
        key: Uint8Array.from([0x61, 0xff]),
        difference: "different",
      })),
      divergedCount: BigInt(wrong.length),
      bytesMoved: 5000n,
    };
  }

  test("says that the replicas agree", async () => {
    await start({ verifyConsistency: () => report() });
    const { exitCode, out } = await at("verify");
    expect([exitCode, out]).toEqual([EXIT.ok, expect.stringContaining("agree at log index 400 (round 9)")]);
  });

  test("H5: names the keys that differ, and ends with a code of its own", async () => {
    await start({ verifyConsistency: () => report("n2") });
    const { exitCode, out } = await at("verify");
    expect(exitCode).toBe(EXIT.inconsistent);
    expect(out).toMatch(
      /THE REPLICAS DIFFER at log index 400 \(round 9\), in 1 key:\n {2}n2 {2}default {2}0x61ff {2}different/,
    );
    expect(nodes.requests("repairMember")).toEqual([]);
    const json = await at("verify", "--json");
    expect(JSON.parse(json.out).diverged).toEqual([
      { memberId: "n2", namespace: "default", key: "0x61ff", difference: "different" },
    ]);
  });

  test.each([[["verify"]], [["verify", "--repair"]]])(
    "says of one that alone answered neither that it differs nor to repair it: %j",
    async (words) => {
      const silent = { answered: false, agrees: false, root: new Uint8Array(), keys: 0n };
      const { members, ...rest } = report() as { members: readonly object[] };
      const [first, ...others] = members;
      const told = [{ ...first, agrees: false }, ...others.map((member) => ({ ...member, ...silent }))];
      await start({ verifyConsistency: () => ({ ...rest, consistent: false, members: told }) });
      const { exitCode, out } = await at(...words);
      expect(exitCode).toBe(EXIT.unhealthy);
      expect(out).toMatch(/n1 .*not compared[\s\S]*n2 .*did not answer[\s\S]*n3 .*did not answer/);
      expect(out).toContain(
        "the replicas were not compared at log index 400 (round 9): too few members answered",
      );
      expect(out).not.toMatch(/differ|repair/i);
      expect(nodes.requests("repairMember")).toEqual([]);
    },
  );

  test.each([[["verify"]], [["verify", "--repair"]]])(
    "says of one that missed a part of the comparison neither that it agrees nor that it differs: %j",
    async (words) => {
      const { members, ...rest } = report() as { members: readonly object[] };
      const told = members.map((member, place) => ({ ...member, agrees: place < 2 }));
      await start({ verifyConsistency: () => ({ ...rest, members: told }) });
      const { exitCode, out } = await at(...words);
      expect(exitCode).toBe(EXIT.unhealthy);
      expect(out).toMatch(/n1 .*agrees[\s\S]*n2 .*agrees[\s\S]*n3 .*not compared/);
      expect(nodes.requests("repairMember")).toEqual([]);
    },
  );

  test("says of two without a majority that they differ", async () => {
    const { members, ...rest } = report("n2") as { members: readonly object[] };
    const silent = { answered: false, root: new Uint8Array(), keys: 0n };
    const told = members.map((member, place) => ({
      ...member,
      agrees: false,
      differs: place < 2,
      ...(place === 2 ? silent : {}),
    }));
    const undiverged = { ...rest, members: told, diverged: [], divergedCount: 0n };
    await start({ verifyConsistency: () => undiverged });
    const { exitCode, out } = await at("verify");
    expect([exitCode, out]).toEqual([EXIT.inconsistent, expect.stringContaining("THE REPLICAS DIFFER")]);
  });

  test("H5: --repair repairs whoever differs, and compares again", async () => {
    const repaired: FakeAnswer = () => ({ recordsRepaired: 3n, stateReplaced: false, bytesMoved: 900n });
    await start({
      verifyConsistency: () => report(...(nodes.requests("repairMember").length === 0 ? ["n2"] : [])),
      repairMember: repaired,
    });
    const { exitCode, out } = await at("verify", "--repair");
    expect(exitCode).toBe(EXIT.ok);
    expect(nodes.requests("repairMember")).toEqual([{ memberId: "n2" }]);
    expect(out).toMatch(/DIFFER[\s\S]*n2 had 3 records put right, 900 B moved[\s\S]*the replicas agree/);
  });

  test("says within seconds that nobody answers, and where it asked", async () => {
    await start({}, 2);
    const { endpoints } = nodes;
    nodes.stop();
    const { exitCode, out, err } = await quorate(["verify", "--endpoints", endpoints, "--deadline", "2"]);
    expect([exitCode, out]).toEqual([EXIT.failed, ""]);
    const [waiting, failed] = err.split("\n");
    expect(waiting).toBe(`waiting for an answer from ${endpoints} …`);
    expect(failed).toContain(`UNAVAILABLE: no answer from ${endpoints}: cannot reach 127.0.0.1:`);
  });

  test("says that it waits for a leader, but not to programs", async () => {
    await start({
      listMembers: () => ({ members: nodes.members().map((member) => ({ ...member, leader: false })) }),
      verifyConsistency: () => report(),
    });
    const { exitCode, err } = await at("verify");
    // On a machine that stalls it may also say what takes seconds.
    const isOfSlowness = (line: string) =>
      /^(waiting for an answer|the replicas are being compared)/.test(line);
    expect([exitCode, ...err.split("\n").filter((line) => !isOfSlowness(line))]).toEqual([
      EXIT.ok,
      `no leader is known at ${nodes.endpoints}: waiting for one, up to 60 s; --deadline SECONDS for another time …`,
      "",
    ]);
    expect((await at("verify", "--json")).err).toBe("");
  });

  test("says that the comparison takes long, once it does", async () => {
    let compared = (): void => undefined;
    const said: string[] = [];
    const waited = new Promise<string>((resolve) => {
      compared = () => resolve("agree");
    });
    const terminal = {
      err(line: string): void {
        said.push(line);
        compared();
      },
    };
    expect(await withNotice(terminal, { delayMs: 1, line: "slow" }, waited)).toBe("agree");
    expect(await withNotice(terminal, { delayMs: 60_000, line: "never" }, waited)).toBe("agree");
    expect(said).toEqual(["slow"]);
  });

  test("tells a member that did not answer from one that differs", async () => {
    await start({
      verifyConsistency: () => {
        const whole = report() as { members: object[] };
        whole.members[2] = { ...whole.members[2], answered: false, root: new Uint8Array() };
        return whole;
      },
    });
    const { exitCode, out } = await at("verify");
    expect([exitCode, out]).toEqual([EXIT.unhealthy, expect.stringMatching(/n3 .*did not answer/)]);
  });
});
