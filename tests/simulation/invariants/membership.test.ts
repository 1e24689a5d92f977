import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  type Command,
  type ConfigurationState,
  changeMembershipCommand,
  encodeCommand,
  foundingMembership,
  type MemberInfo,
  type MembershipState,
  Refusal,
  recordStoreCommand,
  updateMemberCommand,
} from "@quorate/services/kv";
import {
  type Configuration,
  configurationOf,
  type Entry,
  type HardState,
  type Message,
} from "@quorate/services/raft";
import type { World } from "../world-contract";
import { CaughtUp } from "./caught-up";
import { CommitRule } from "./commit-rule";
import { Configurations, configurationText, isQuorum } from "./configurations";
import { Elections } from "./elections";
import { expectBroken } from "./expect-broken";
import { Ledger } from "./ledger";
import { type LogImage, MemberProgress } from "./member-progress";
import { membershipText, NaiveMembers } from "./naive-members";
import { ReadRounds } from "./read-rounds";
import { RemovedMembers } from "./removed-members";

/** From n1 n2 n3 to n1 n4 n5, half way. */
const JOINT: Configuration = { ...configurationOf(["n1", "n4", "n5"]), votersOutgoing: ["n1", "n2", "n3"] };

function infoOf(id: string): MemberInfo {
  return {
    memberId: id,
    clientAddress: `${id}:1`,
    peerAddress: `${id}:2`,
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: "",
  };
}

function changing(configuration: ConfigurationState, ...added: string[]): Command {
  return changeMembershipCommand(configuration, added.map(infoOf), 1);
}

function entryOf(index: number, configuration: ConfigurationState, term = 1): Entry {
  return { term, index, kind: "conf_change_v2", data: encodeCommand(changing(configuration)) };
}

function founding(...ids: string[]): MembershipState {
  return foundingMembership(ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` })));
}

describe("the check of configurations", () => {
  const three = configurationOf(["n1", "n2", "n3"]);
  const with4: Configuration = { ...three, learners: ["n4"] };
  const name = "a configuration follows on the one before";

  /** One after another, from n1 n2 n3 on. */
  const follow = (...steps: readonly ConfigurationState[]): Configurations => {
    const configurations = new Configurations(three);
    for (const [at, step] of steps.entries()) configurations.changed(10 * (at + 1), step);
    return configurations;
  };

  it("K3: finds nothing where one voter changes at a time, or a joint configuration leads to the next", () => {
    const configurations = follow(
      with4,
      configurationOf(["n1", "n2", "n3", "n4"]),
      configurationOf(["n2", "n3", "n4"]),
      { ...configurationOf(["n2", "n5", "n6"]), votersOutgoing: ["n2", "n3", "n4"], learnersNext: ["n4"] },
      { ...configurationOf(["n2", "n5", "n6"]), learners: ["n4"] },
    );
    expect(configurations.at(9)).toEqual(three);
    expect(configurations.at(10)).toEqual(with4);
    expect(configurations.at(29)).toEqual(configurationOf(["n1", "n2", "n3", "n4"]));
    expect(configurationText(configurations.at(1_000))).toBe("n2 n5 n6 + n4");
  });

  it.each<[string, string, readonly ConfigurationState[]]>([
    [
      "two voters that come at once",
      "n4, n5 change at once",
      [configurationOf(["n1", "n2", "n3", "n4", "n5"])],
    ],
    ["one voter in the place of another", "n4, n3 change at once", [configurationOf(["n1", "n2", "n4"])]],
    ["nobody left that votes", "nobody votes", [configurationOf([])]],
    ["one that votes and learns", "n3 votes and learns", [{ ...three, learners: ["n3"] }]],
    [
      "a joint configuration of other voters than there were",
      "the voters that go are not those that were there",
      [{ ...three, votersOutgoing: ["n1", "n2"] }],
    ],
    [
      "two joint configurations in a row",
      "two joint configurations follow on each other",
      [JOINT, { ...configurationOf(["n6"]), votersOutgoing: JOINT.voters }],
    ],
    [
      "voters that change as the joint configuration is left",
      "the voters change as the joint configuration is left",
      [JOINT, configurationOf(["n1", "n4"])],
    ],
    [
      "a learner that is lost as the joint configuration is left",
      "the learners change as the joint configuration is left",
      [{ ...JOINT, learnersNext: ["n3"] }, configurationOf(["n1", "n4", "n5"])],
    ],
    [
      "one that is to learn and does not vote",
      "one is to learn that does not vote now",
      [{ ...JOINT, learnersNext: ["n6"] }],
    ],
    ["one that is to learn and stays", "one that votes is to learn", [{ ...JOINT, learnersNext: ["n1"] }]],
  ])("K3: finds %s", (_, words, steps) => {
    expectBroken(name, words, () => follow(...steps));
  });

  it("K3: finds a member that acts by another configuration than what it has applied says", () => {
    const configurations = new Configurations(configurationOf(["n1", "n2"]));
    const next = { ...configurationOf(["n2", "n1"]), learners: ["n3"] };
    configurations.changed(7, next);
    configurations.actsBy("n1", configurationOf(["n2", "n1"]), [6, 6]);
    configurations.actsBy("n1", { ...next, voters: ["n1", "n2"] }, [7, 7]);
    configurations.actsBy("n1", next, [6, 7]);
    expectBroken(
      "a member knows its configuration",
      "n1, which has applied 7 entries, acts by n1 n2 in place of n2 n1 + n3",
      () => configurations.actsBy("n1", configurationOf(["n1", "n2"]), [7, 7]),
    );
  });

  it("K3: counts a majority of both halves of a joint configuration", () => {
    const counts = (...ids: string[]): boolean => isQuorum(JOINT, (id) => ids.includes(id));
    expect(counts("n1", "n2", "n4")).toBe(true);
    expect(counts("n2", "n3", "n4", "n5")).toBe(true);
    expect(counts("n1", "n2", "n3")).toBe(false);
    expect(counts("n1", "n4", "n5")).toBe(false);
    expect(isQuorum(with4, (id) => id === "n4" || id === "n1")).toBe(false);
  });
});

describe("what a joint configuration decides", () => {
  it("K3: finds a leader with a majority of one half only", () => {
    const own: HardState = { term: 4, vote: "n1", commit: 0 };
    const elections = new Elections({
      configurationsOf: () => [JOINT],
      storeOf: () => "first",
      hardStateOf: () => own,
      onElected: () => undefined,
    });
    const grant = (from: string): void => {
      const message: Message = { kind: "vote_response", from, to: "n1", term: 4, rejected: false };
      elections.sent(message);
      elections.delivered(message);
    };
    elections.stored("n1", own);
    grant("n2");
    grant("n3");
    expectBroken("elected by a majority", "n1 leads term 4 by the votes of n1, n2, n3, no majority", () =>
      elections.leads("n1", 4),
    );
  });

  it("K3: finds nothing in a leader with a majority of both halves", () => {
    const own: HardState = { term: 4, vote: "n1", commit: 0 };
    const elections = new Elections({
      configurationsOf: () => [JOINT],
      storeOf: () => "first",
      hardStateOf: () => own,
      onElected: () => undefined,
    });
    elections.stored("n1", own);
    for (const from of ["n2", "n5"]) {
      const message: Message = { kind: "vote_response", from, to: "n1", term: 4, rejected: false };
      elections.sent(message);
      elections.delivered(message);
    }
    elections.leads("n1", 4);
  });

  it("K3: finds a read that was answered by one half only", () => {
    const rounds = new ReadRounds(() => [JOINT]);
    const answer = (context: string, ...confirming: string[]): void => {
      rounds.delivered({ kind: "read_index", from: "n2", to: "n1", term: 0, context });
      const asked = {
        kind: "heartbeat",
        from: "n1",
        term: 4,
        commit: 1,
        readSequence: context.length,
      } as const;
      for (const from of confirming) {
        rounds.sent({ ...asked, to: from });
        const { term, readSequence } = asked;
        rounds.delivered({
          kind: "heartbeat_response",
          from,
          to: "n1",
          term,
          readSequence,
          lowOnSpace: false,
        });
      }
      rounds.sent({ kind: "read_index_response", from: "n1", to: "n2", term: 4, index: 1, context });
    };
    answer("a", "n2", "n4");
    expectBroken("read quorum", "only n1, n4, n5 said that it leads", () => answer("aa", "n4", "n5"));
  });
});

/** A log on a disk, as plain as can be. */
class Disk implements LogImage {
  after = { term: 0, index: 0 };
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  isDamaged = false;
  entries: Entry[] = [];

  get lastIndex(): number {
    return this.after.index + this.entries.length;
  }

  get syncedIndex(): number {
    return this.lastIndex;
  }

  entryAt(index: number): Entry {
    return this.entries[index - this.after.index - 1] as Entry;
  }
}

describe("the checks of logs, where members come and go", () => {
  let ledger: Ledger;
  let disks: Map<string, Disk>;
  let configuration: ConfigurationState;
  let members: Map<string, MemberProgress>;

  beforeEach(() => {
    const ids = ["n1", "n2", "n3", "n4", "n5"];
    configuration = configurationOf(["n1", "n2", "n3"]);
    ledger = new Ledger(() => undefined);
    disks = new Map(ids.map((id) => [id, new Disk()]));
    const rule = new CommitRule(
      ledger,
      () => [...disks].map(([id, disk]) => ({ id, disk, reach: disk.lastIndex, isLost: false })),
      () => [configuration],
    );
    const claims = rule.claimed.bind(rule);
    members = new Map(ids.map((id) => [id, new MemberProgress(id, ledger, claims)]));
  });

  const disk = (id: string): Disk => disks.get(id) as Disk;
  const member = (id: string): MemberProgress => members.get(id) as MemberProgress;
  const plain = (index: number): Entry => ({ term: 1, index, kind: "normal", data: new Uint8Array([index]) });
  const store = (id: string, ...entries: Entry[]): void => {
    disk(id).entries.push(...entries);
    member(id).appended(disk(id), { entries, hardState: null });
  };
  const promise = (id: string, hardState: HardState): void => {
    disk(id).hardState = hardState;
    member(id).appended(disk(id), { entries: [], hardState });
  };
  const commits = (id: string, commit: number, appliedIndex = commit): void => {
    const last = { term: 1, index: disk(id).lastIndex };
    member(id).stepped({ raft: { role: "leader", term: 1, commit, last }, appliedIndex });
  };

  it("K3: finds a commit that only one half of a joint configuration holds", () => {
    configuration = JOINT;
    for (const id of ["n1", "n4", "n5"]) store(id, plain(1));
    const words = "which only n1, n4, n5 would hold after a crash, where n1 n4 n5 (was n1 n2 n3) vote";
    expectBroken("commit by a durable majority", words, () => commits("n1", 1));
    store("n3", plain(1));
    commits("n1", 1);
  });

  it("K3: finds a commit that counts a learner", () => {
    configuration = { ...configuration, learners: ["n4"] };
    for (const id of ["n1", "n4"]) store(id, plain(1));
    expectBroken("commit by a durable majority", "which only n1, n4 would hold", () => commits("n1", 1));
  });

  it("K3: finds a change of the configuration before the one before it is committed", () => {
    const [first, second] = [entryOf(1, JOINT), entryOf(3, JOINT)];
    for (const id of ["n1", "n2"]) store(id, first, plain(2));
    expectBroken(
      "one change of the configuration at a time",
      "1/3 (stored by n1) changes the configuration, and so does 1/1 before it, where only 0 entries are committed",
      () => store("n1", second),
    );
  });

  it("K3: finds nothing in a change of the configuration once the one before it is committed", () => {
    for (const id of ["n1", "n2"]) store(id, entryOf(1, JOINT), plain(2));
    commits("n1", 1);
    store("n1", entryOf(3, JOINT));
  });

  it("K3: finds a log that is cut before what a crash leaves of the state", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2), plain(3));
    commits("n1", 3);
    member("n1").cut(2, 2);
    expectBroken(
      "the log is cut behind the checkpoint",
      "n1 cuts its log up to 3, but a crash leaves its state at 2",
      () => member("n1").cut(3, 2),
    );
  });

  it("K3: finds a state that is installed and not newer, unless the one before was known to be wrong", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2));
    commits("n1", 2);
    const at2 = { term: 1, index: 2 };
    member("n3").installed(at2, 1, false);
    member("n3").installed(at2, 2, true);
    const name = "a snapshot leads forward";
    const words = "n3 installs a state at 1/2, where 2 entries were applied";
    expectBroken(name, words, () => member("n3").installed(at2, 2, false));
    expectBroken(name, "where 3 entries were applied", () => member("n3").installed(at2, 3, true));
  });

  it("K3: finds a state that is installed and not of the committed log", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2));
    commits("n1", 1);
    const name = "committed prefix";
    expectBroken(name, "n3 installs a state at 1/2, but only 1 entries are committed", () =>
      member("n3").installed({ term: 1, index: 2 }, 0, false),
    );
    expectBroken(name, "n3 installs a state at 2/1, but term 1 is committed there", () =>
      member("n3").installed({ term: 2, index: 1 }, 0, false),
    );
  });

  it("K3: finds a log that goes on before what the member had stored as committed, or after what is not", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2), plain(3));
    commits("n1", 3);
    promise("n2", { term: 1, vote: null, commit: 3 });
    const reset = (id: string, index: number, checkpointIndex = index): void => {
      disk(id).after = { term: 1, index };
      disk(id).entries = [];
      member(id).reset(disk(id), { term: 1, index }, checkpointIndex);
    };
    expectBroken("committed prefix", "n2 resets its log to 1/2, but had 3 committed entries", () =>
      reset("n2", 2),
    );
    expectBroken("the log is cut behind the checkpoint", "a crash leaves its state at 1", () =>
      reset("n3", 3, 1),
    );
    expectBroken("committed prefix", "n3 resets its log to 1/4, but only 3", () => reset("n3", 4));
    reset("n3", 3);
    store("n3", plain(4));
  });

  it("K3: finds promises that a log loses as it is reset", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2));
    commits("n1", 2);
    promise("n3", { term: 5, vote: "n1", commit: 0 });
    disk("n3").hardState = { term: 5, vote: null, commit: 0 };
    expectBroken("promises survive a restart", "n3 had stored term 5 with a vote for n1", () =>
      member("n3").reset(disk("n3"), { term: 1, index: 2 }, 2),
    );
  });

  it("K3: of a member with an empty directory nothing is expected", () => {
    for (const id of ["n1", "n2"]) store(id, plain(1), plain(2));
    commits("n1", 2);
    promise("n2", { term: 5, vote: "n1", commit: 2 });
    disks.set("n2", new Disk());
    expectBroken("promises survive a restart", "n2 had stored term 5", () =>
      member("n2").started(disk("n2")),
    );
    member("n2").joined();
    member("n2").started(disk("n2"));
  });
});

describe("the check that a voter has caught up", () => {
  const three = configurationOf(["n1", "n2", "n3"]);
  const name = "a voter has caught up";
  const check = (lastIndex: number, entry: Entry, before: ConfigurationState = three): void => {
    const caughtUp = new CaughtUp((id) => (id === "n4" ? lastIndex : 1_000));
    caughtUp.appended([entry], () => before);
  };
  const four = configurationOf(["n1", "n2", "n3", "n4"]);

  it("K3: finds one that lacks much when it is made a voter", () => {
    expectBroken(name, "1/1000 makes a voter of n4, which lacks 900 entries", () =>
      check(100, entryOf(1_000, four)),
    );
  });

  it("K3: finds one that comes in with a joint configuration", () => {
    expectBroken(name, "makes a voter of n4, which lacks 1000 entries", () =>
      check(0, entryOf(1_000, JOINT)),
    );
  });

  it("K3: finds nothing in one that has caught up, in one that votes already, and in learners", () => {
    check(900, entryOf(1_000, four));
    check(0, entryOf(1_000, JOINT), JOINT);
    check(0, entryOf(1_000, { ...three, learners: ["n4"] }));
    check(0, { term: 1, index: 1_000, kind: "conf_change_v2", data: new Uint8Array() });
    check(0, { term: 1, index: 1_000, kind: "normal", data: encodeCommand(changing(four)) });
  });

  it("K3: judges an entry when it is stored first, not when others store it", () => {
    let lastIndex = 1_000;
    const caughtUp = new CaughtUp(() => lastIndex);
    caughtUp.appended([entryOf(1_000, four)], () => three);
    lastIndex = 0;
    caughtUp.appended([entryOf(1_000, four)], () => three);
    expectBroken(name, "2/1000 makes a voter of n4", () =>
      caughtUp.appended([entryOf(1_000, four, 2)], () => three),
    );
  });
});

describe("the check that a removed member is not listened to", () => {
  const worldOf = (retiredStores: readonly string[]): Pick<World, "seat"> => ({
    seat: (id) =>
      ({ storeId: `store-${id}-1`, replica: { membership: { ...founding("n1"), retiredStores } } }) as never,
  });
  const ask = (kind: "vote" | "pre_vote"): Message =>
    ({
      kind,
      from: "n4",
      to: "n1",
      term: 7,
      last: { term: 1, index: 1 },
      transfer: false,
    }) as never;

  it.each(["vote", "pre_vote"] as const)("K3: finds a %s that reaches one who knows better", (kind) => {
    const check = new RemovedMembers(worldOf(["store-n4-1"]));
    expectBroken(
      "a removed member is not listened to",
      `n1, which knows that store-n4-1 is out, hears n4 ask for a ${kind} in term 7`,
      () => check.delivered(ask(kind)),
    );
  });

  it("K3: finds nothing where nobody has told it, where another store was removed, and in what it answers", () => {
    new RemovedMembers(worldOf([])).delivered(ask("vote"));
    new RemovedMembers(worldOf(["store-n4-0"])).delivered(ask("vote"));
    const answer: Message = { kind: "append_response", from: "n4", to: "n1", term: 7 } as never;
    new RemovedMembers(worldOf(["store-n4-1"])).delivered(answer);
  });
});

describe("the model of members", () => {
  let members: NaiveMembers;

  beforeEach(() => {
    members = new NaiveMembers(founding("n1", "n2", "n3"));
  });

  const apply = (command: Command): unknown => members.apply(command.operation as never);

  it("K3: begins as the cluster does, and tells a member of another store from it", () => {
    expect(members.text).toBe(membershipText(founding("n1", "n2", "n3")));
    expect(apply(recordStoreCommand("n1", "one", 1))).toEqual({});
    expect(apply(recordStoreCommand("n1", "one", 1))).toEqual({});
    expect(apply(recordStoreCommand("n1", "two", 1))).toBe(Refusal.STORE_MISMATCH);
    expect(apply(recordStoreCommand("n9", "one", 1))).toBe(Refusal.UNKNOWN_MEMBER);
    expect(members.text).not.toBe(membershipText(founding("n1", "n2", "n3")));
  });

  it("K3: retires the stores of those that go, and no other may bring them back", () => {
    apply(recordStoreCommand("n3", "three", 1));
    apply(changing(configurationOf(["n1", "n2"])));
    expect(members.text).toContain("1: n1 n2 |  |  | ;");
    expect(members.text).toContain("retired three");
    apply(changing({ ...configurationOf(["n1", "n2"]), learners: ["n3"] }, "n3"));
    expect(apply(recordStoreCommand("n3", "three", 1))).toBe(Refusal.STORE_MISMATCH);
    expect(apply(recordStoreCommand("n3", "three again", 1))).toEqual({});
  });

  it("K3: keeps those that go until the joint configuration is left", () => {
    apply(recordStoreCommand("n3", "three", 1));
    const joint = {
      ...configurationOf(["n1", "n2", "n4"]),
      votersOutgoing: ["n1", "n2", "n3"],
      autoLeave: true,
    };
    apply(changing(joint, "n4"));
    expect(members.text).toContain("1: n1 n2 n4 | n1 n2 n3 |  |  auto;");
    expect(members.text).toContain("n3 n3:1 n3:2 100  three");
    apply(changing(configurationOf(["n1", "n2", "n4"])));
    expect(members.text).toContain("2: n1 n2 n4 |  |  | ;");
    expect(members.text).not.toContain("n3 n3:1");
    expect(members.text).toContain("retired three");
  });

  it("K3: refuses those of whom nothing is known, and tells where a member is reached now", () => {
    expect(apply(changing(configurationOf(["n1", "n2", "n3", "n4"])))).toBe(Refusal.UNKNOWN_MEMBER);
    expect(apply(updateMemberCommand(infoOf("n4"), 1))).toBe(Refusal.UNKNOWN_MEMBER);
    expect(apply(updateMemberCommand({ ...infoOf("n2"), peerAddress: "elsewhere:2" }, 1))).toEqual({});
    expect(members.text).toContain("n2 n2:1 elsewhere:2 100  unbound");
    expect(members.text).not.toBe(membershipText(founding("n1", "n2", "n3")));
  });
});
