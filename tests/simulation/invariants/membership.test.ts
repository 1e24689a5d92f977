import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  type Command,
  type ConfigurationState,
  encodeCommand,
  foundingMembership,
  type MembershipState,
  Refusal,
  recordStoreCommand,
  updateMemberCommand,
} from "@quorate/services/kv";
import { configurationOf, type Entry, type Message } from "@quorate/services/raft";
import type { Seat, World } from "../world-contract";
import { CaughtUp, lastKnownIndex } from "./caught-up";
import { expectBroken } from "./expect-broken";
import { changing, entryOf, infoOf, JOINT } from "./membership-samples";
import { membershipText, NaiveMembers } from "./naive-members";
import { RemovedMembers } from "./removed-members";

function founding(...ids: string[]): MembershipState {
  return foundingMembership(ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` })));
}

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

  it("K3: counts what was held before a wipe, until the others can know of it", () => {
    const seat = { replica: {}, isStrange: false, logDisk: { lastIndex: 7 } } as unknown as Seat;
    expect(lastKnownIndex(seat, 1_000)).toBe(7);
    expect(lastKnownIndex({ ...seat, replica: null }, 1_000)).toBe(1_000);
    // It runs again, on an empty directory that nobody listens to.
    expect(lastKnownIndex({ ...seat, isStrange: true }, 1_000)).toBe(1_000);
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
