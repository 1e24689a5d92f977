import { beforeEach, describe, expect, it } from "@jest/globals";
import { type MembershipState, PRIORITY_DEFAULT } from "@quorate/services/kv";
import { Participation } from "../../../services/replica/participation";

const ELECTION_TICKS = 10;
/** So long no leader is heard. */
const SILENT_TICKS = 100;

function membership(storeIds: Readonly<Record<string, string | null>>, retiredStores: string[] = []) {
  const voters = Object.keys(storeIds);
  return {
    epoch: 0,
    configuration: { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
    members: Object.entries(storeIds).map(([memberId, storeId]) => ({
      memberId,
      clientAddress: "",
      peerAddress: "",
      storeId,
      priority: PRIORITY_DEFAULT,
      promoteWhenCaughtUp: false,
      replaces: "",
    })),
    retiredStores,
  } satisfies MembershipState;
}

const UNBOUND = membership({ n1: null, n2: "other" });
const WITHOUT = membership({ n2: "other" });

describe("whether a member takes part", () => {
  let own: Participation;

  function ticks(count: number): boolean {
    return Array.from({ length: count }, () => own.tick()).includes(true);
  }

  beforeEach(() => {
    own = new Participation({ id: "n1", storeId: "own", electionTicks: ELECTION_TICKS }, UNBOUND);
  });

  it("knows at once that it was removed where its directory was bound to it", () => {
    expect(own.changed(membership({ n1: "own", n2: "other" }), false)).toBe(false);
    expect(own.changed(membership({ n2: "other" }, ["own"]), false)).toBe(true);
    expect(ticks(2 * SILENT_TICKS)).toBe(false);
  });

  it("knows at once that it was removed where it leads", () => {
    expect(own.changed(WITHOUT, true)).toBe(true);
  });

  it("takes the removal of one that was never bound for its own only when no leader speaks to it", () => {
    expect(own.changed(WITHOUT, false)).toBe(false);
    expect(ticks(SILENT_TICKS - 1)).toBe(false);
    own.leaderHeard();
    expect(ticks(SILENT_TICKS - 1)).toBe(false);
    expect(own.changed(WITHOUT, false)).toBe(false);
    expect(own.tick()).toBe(true);
    expect(ticks(2 * SILENT_TICKS)).toBe(false);
  });

  it("takes part again when the change comes that added it anew", () => {
    expect(own.changed(WITHOUT, false)).toBe(false);
    expect(own.changed(UNBOUND, false)).toBe(false);
    expect(ticks(2 * SILENT_TICKS)).toBe(false);
  });

  it("knows nothing of its removal by the binding and the removal of a former directory", () => {
    expect(own.changed(membership({ n1: "former", n2: "other" }), false)).toBe(false);
    expect(own.changed(membership({ n2: "other" }, ["former"]), false)).toBe(false);
    expect(own.changed(membership({ n1: "own", n2: "other" }, ["former"]), false)).toBe(false);
    expect(ticks(2 * SILENT_TICKS)).toBe(false);
    expect(own.changed(membership({ n2: "other" }, ["former", "own"]), false)).toBe(true);
  });

  it("says nothing where it was none from the beginning", () => {
    own = new Participation({ id: "n1", storeId: "own", electionTicks: ELECTION_TICKS }, WITHOUT);
    expect(own.changed(WITHOUT, false)).toBe(false);
    expect(ticks(2 * SILENT_TICKS)).toBe(false);
  });
});
