import { beforeEach, describe, it } from "@jest/globals";
import type { ConfigurationState } from "@quorate/services/kv";
import { configurationOf, type Entry, type HardState } from "@quorate/services/raft";
import { CommitRule } from "./commit-rule";
import { expectBroken } from "./expect-broken";
import { Ledger } from "./ledger";
import { type LogImage, MemberProgress } from "./member-progress";
import { entryOf, JOINT } from "./membership-samples";

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
