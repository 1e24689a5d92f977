import { beforeEach, describe, expect, it } from "@jest/globals";
import type { ConfigurationState } from "@quorate/services/kv";
import { configurationOf, type Entry, type HardState, type RoleName } from "@quorate/services/raft";
import { CommitRule, ReadRule } from "./commit-rule";
import { expectBroken } from "./expect-broken";
import { Ledger } from "./ledger";
import { type LogImage, MemberProgress } from "./member-progress";

/** A log on a disk, as plain as can be. */
class Disk implements LogImage {
  readonly after = { term: 0, index: 0 };
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  isDamaged = false;
  entries: Entry[] = [];
  syncedIndex = 0;

  get lastIndex(): number {
    return this.entries.length;
  }

  entryAt(index: number): Entry {
    return this.entries[index - 1] as Entry;
  }
}

function entry(term: number, index: number, text = `${term}/${index}`): Entry {
  return { term, index, kind: "normal", data: Uint8Array.from(text, (letter) => letter.charCodeAt(0)) };
}

/** Entries of these terms, from index 1 on. */
function log(...terms: number[]): Entry[] {
  return terms.map((term, at) => entry(term, at + 1));
}

describe("the checks of logs", () => {
  let committed: Entry[];
  let ledger: Ledger;
  let disks: Map<string, Disk>;
  /** By member whose directory is lost: up to where it had stored entries. */
  let lost: Map<string, number>;
  let members: Map<string, MemberProgress>;
  let configurations: readonly ConfigurationState[];

  beforeEach(() => {
    configurations = [configurationOf(["n1", "n2", "n3"])];
    committed = [];
    ledger = new Ledger((joined) => committed.push(joined));
    disks = new Map(["n1", "n2", "n3"].map((id) => [id, new Disk()]));
    lost = new Map();
    const rule = new CommitRule(
      ledger,
      () =>
        [...disks].map(([id, disk]) => ({
          id,
          disk,
          reach: lost.get(id) ?? disk.lastIndex,
          isLost: lost.has(id),
        })),
      () => configurations,
    );
    const claims = rule.claimed.bind(rule);
    members = new Map(["n1", "n2", "n3"].map((id) => [id, new MemberProgress(id, ledger, claims)]));
  });

  const disk = (id: string): Disk => disks.get(id) as Disk;
  const member = (id: string): MemberProgress => members.get(id) as MemberProgress;

  /** The member stores entries, replacing what is there from the first of them on. */
  const store = (
    id: string,
    entries: readonly Entry[],
    hardState: Partial<HardState> | null = null,
  ): void => {
    const first = entries[0];
    const own = disk(id);
    if (first !== undefined) own.entries = [...own.entries.slice(0, first.index - 1), ...entries];
    own.syncedIndex = own.lastIndex;
    if (hardState !== null) own.hardState = { ...own.hardState, ...hardState };
    member(id).appended(own, { entries, hardState: hardState === null ? null : own.hardState });
  };

  const stand = (id: string, role: RoleName, term: number, commit: number, appliedIndex = commit): void => {
    const { lastIndex } = disk(id);
    const last = { term: lastIndex === 0 ? 0 : disk(id).entryAt(lastIndex).term, index: lastIndex };
    member(id).stepped({ raft: { role, term, commit, last }, appliedIndex });
  };

  it("K3: finds nothing in an honest history with two leaders and a log that is given up", () => {
    ledger.elected(1);
    store("n1", log(1, 1, 1), { term: 1, vote: "n1" });
    store("n2", log(1, 1), { term: 1 });
    stand("n1", "leader", 1, 2);
    stand("n2", "follower", 1, 2);
    ledger.elected(2);
    store("n2", [entry(2, 3)], { term: 2, commit: 2 });
    store("n3", log(1, 1, 2), { term: 2, commit: 2 });
    stand("n2", "leader", 2, 3);
    store("n1", [entry(2, 3)], { term: 2, vote: null, commit: 3 });
    stand("n1", "follower", 2, 3);
    member("n1").applies(disk("n1"), { term: 2, index: 3 });
    member("n1").started(disk("n1"));
    stand("n1", "follower", 2, 3);
    expect(committed.map(({ term, index }) => `${term}/${index}`)).toEqual(["1/1", "1/2", "2/3"]);
  });

  it("K3: finds logs that hold the same id and are not equal, in the entry or before it", () => {
    store("n1", log(1, 2, 3));
    expectBroken(
      "log matching",
      "the entry 3/3 follows on term 2 in one log and on term 1 in that of n2",
      () => store("n2", log(1, 1, 3)),
    );
    expectBroken(
      "log matching",
      "the entry 1/1 holds 3 bytes of kind normal in one log and other 5 bytes",
      () => store("n3", [entry(1, 1, "other")]),
    );
  });

  it("K3: finds a leader whose first entry replaces what was committed when it was elected", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 2);
    ledger.elected(3);
    const words =
      "the leader of term 3 placed its first entry at index 2 (stored by n3), but 2 entries were committed";
    expectBroken("leader completeness", words, () => store("n3", [...log(1), entry(3, 2)]));
  });

  it("K3: takes a leader of an old term for sound, who learns late that it was elected", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 2);
    // The votes of term 2 are under way to n3 while n1 is elected in term 3, and commits.
    store("n3", log(1, 1));
    ledger.elected(3);
    store("n1", [entry(3, 3)]);
    store("n2", [entry(3, 3)]);
    stand("n1", "leader", 3, 3);
    expect(committed).toHaveLength(3);
    ledger.elected(2);
    expect(() => store("n3", [entry(2, 3)])).not.toThrow();
    expect(committed).toHaveLength(3);
  });

  it("K3: finds a leader whose log is long enough and lacks what was committed when it was elected", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 2);
    store("n3", log(1, 2, 2));
    ledger.elected(4);
    const words =
      "the log of the leader of term 4 (stored by n3) holds term 2 at index 2, where term 1 was committed";
    expectBroken("leader completeness", words, () => store("n3", [entry(4, 4)]));
  });

  it("K3: finds a new leader with a log that is too short, before it has stored anything", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 2);
    store("n3", log(1));
    expectBroken("leader completeness", "n3 leads term 2 with a log that ends at 1, but 2 entries", () =>
      stand("n3", "leader", 2, 1),
    );
  });

  it("K3: finds a committed entry that is replaced, cut off or lost in a restart", () => {
    for (const id of ["n1", "n2", "n3"]) store(id, log(1, 1, 1));
    stand("n1", "leader", 1, 3);
    for (const id of ["n1", "n2", "n3"]) store(id, [], { term: 1, commit: 3 });
    expectBroken(
      "committed prefix",
      "n2 overwrites a committed entry with 2/2, but term 1 is committed there",
      () => store("n2", [entry(2, 2), entry(2, 3)]),
    );
    expectBroken("committed prefix", "n1 cuts its log to 2 entries, but 3 of them are committed", () =>
      store("n1", [entry(1, 2)]),
    );
    disk("n3").entries.length = 1;
    expectBroken("committed prefix", "n3 restarts with 1 entries, but had stored 3 committed ones", () =>
      member("n3").started(disk("n3")),
    );
  });

  it("K3: finds a commit index that no leader has counted", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 1);
    expectBroken(
      "committed prefix",
      "n2, a follower in term 1, counts 2 entries as committed, but no leader",
      () => stand("n2", "follower", 1, 2, 1),
    );
  });

  it("K3: finds a commit that goes on from another log than the committed one", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 2);
    for (const id of ["n2", "n3"]) store(id, log(1, 2, 3));
    expectBroken("committed prefix", "n2 counts 3/3 as committed, whose log holds term 2 at index 2", () =>
      stand("n2", "leader", 3, 3),
    );
  });

  it("K3: finds what is applied and not committed, committed and not there, or applied and not stored", () => {
    store("n1", log(1, 1));
    store("n2", log(1, 1));
    stand("n1", "leader", 1, 1);
    const name = "applied <= committed <= last";
    expectBroken(name, "n1 has applied 2, committed 1, last 2", () => stand("n1", "leader", 1, 1, 2));
    expectBroken(name, "n3 has applied 1, committed 1, last 0", () => stand("n3", "follower", 1, 1));
    expectBroken(name, "n3 applies 1/1, which its stored log (up to 0) does not hold", () =>
      member("n3").applies(disk("n3"), { term: 1, index: 1 }),
    );
    expectBroken("committed prefix", "n2 applies 2/1, but term 1 is committed there", () =>
      member("n2").applies(disk("n2"), { term: 2, index: 1 }),
    );
  });

  it.each([
    ["term", 1, 2, 2],
    ["commit index", 2, 1, 1],
    ["applied index", 2, 2, 1],
  ])(
    "K3: finds a %s that falls while a process lives, and not after a restart",
    (what, term, commit, applied) => {
      store("n1", log(1, 1));
      store("n2", log(1, 1));
      stand("n1", "leader", 1, 2);
      stand("n2", "follower", 2, 2);
      expectBroken("term and commit only rise", `the ${what} of n2 fell from 2 to 1`, () =>
        stand("n2", "follower", term, commit, applied),
      );
      member("n2").started(disk("n2"));
      stand("n2", "follower", term, commit, applied);
    },
  );

  it("K3: finds a term, a vote or a commit index that a restart has forgotten, unless the directory is another", () => {
    store("n1", log(1));
    store("n2", log(1));
    stand("n1", "leader", 1, 1);
    store("n2", [], { term: 5, vote: "n1", commit: 1 });
    disk("n2").hardState = { term: 4, vote: null, commit: 1 };
    const name = "promises survive a restart";
    const words = "n2 had stored term 5 with a vote for n1, and now has term";
    expectBroken(name, `${words} 4 with a vote for nobody`, () => member("n2").started(disk("n2")));
    disk("n2").hardState = { term: 5, vote: "n3", commit: 1 };
    expectBroken(name, `${words} 5 with a vote for n3`, () => member("n2").started(disk("n2")));
    disk("n2").hardState = { term: 5, vote: "n1", commit: 0 };
    expectBroken("term and commit only rise", "the stored commit index of n2 fell from 1 to 0", () =>
      member("n2").started(disk("n2")),
    );
    member("n2").joined();
    member("n2").started(new Disk());
  });

  it("K3: finds an entry of an earlier term that is committed by counting (figure 8)", () => {
    for (const id of ["n1", "n2", "n3"]) store(id, log(1, 2));
    expectBroken(
      "commit by counting",
      "n1, leading term 4, counts index 2 as committed, whose entry is of term 2",
      () => stand("n1", "leader", 4, 2, 0),
    );
  });

  it("K3: finds a commit that a majority would not hold after a crash", () => {
    store("n1", log(1, 1));
    const words = "n1, leading term 1, counts 1/2 as committed, which only n1 would hold after a crash";
    expectBroken("commit by a durable majority", words, () => stand("n1", "leader", 1, 2, 0));
    store("n2", log(1, 1));
    disk("n2").syncedIndex = 1;
    expectBroken("commit by a durable majority", words, () => member("n1").claimed(1, 2));
    disk("n2").syncedIndex = 2;
    stand("n1", "leader", 1, 2, 0);
    expect(committed).toHaveLength(2);
  });

  it("K3: a member that lost its directory holds what it had stored, and nothing that came later", () => {
    store("n1", log(1, 1));
    lost.set("n3", 1);
    const words = "counts 1/2 as committed, which only n1 would hold after a crash";
    expectBroken("commit by a durable majority", words, () => stand("n1", "leader", 1, 2, 0));
    stand("n1", "leader", 1, 1, 0);
    expect(committed).toHaveLength(1);
  });

  it("takes the word of a leader that stepped down within the event in which it counted", () => {
    store("n1", log(1));
    store("n2", log(1));
    stand("n1", "leader", 1, 0);
    stand("n1", "follower", 2, 1);
    expect(committed).toHaveLength(1);
  });

  describe("K3: a leader answers a read", () => {
    let reads: ReadRule;
    const answer = (term: number, index: number, context = "a:1"): void =>
      reads.sent({ kind: "read_index_response", from: "n1", to: "n2", term, index, context });
    const arrive = (context = "a:1"): void =>
      reads.delivered({ kind: "read_index", from: "n2", to: "n1", term: 0, context });

    beforeEach(() => {
      reads = new ReadRule(ledger);
      for (const id of ["n1", "n2", "n3"]) store(id, log(1, 1, 2, 2));
      stand("n1", "leader", 1, 2);
    });

    it("with an index of its own term that was committed no earlier than the read came", () => {
      stand("n2", "leader", 2, 3);
      arrive();
      answer(2, 3);
      arrive("a:2");
      stand("n2", "leader", 2, 4);
      answer(2, 3, "a:2");
    });

    it("once for each copy of the question that came", () => {
      stand("n2", "leader", 2, 3);
      arrive();
      arrive();
      answer(2, 3);
      stand("n2", "leader", 2, 4);
      arrive();
      answer(2, 3);
    });

    it("and is found to do so before an entry of its own is committed", () => {
      arrive();
      expectBroken(
        "read index",
        "n1, leading term 2, answers a read with index 2, where term 1 is committed",
        () => answer(2, 2),
      );
      expectBroken("read index", "answers a read with index 3, where nothing is committed", () =>
        answer(2, 3),
      );
    });

    it("and is found to do so with less than was committed when the read came", () => {
      stand("n2", "leader", 2, 4);
      arrive();
      expectBroken(
        "read index",
        "answers a read with index 3, but 4 entries were committed when the read arrived",
        () => answer(2, 3),
      );
    });
  });
});
