import { beforeEach, describe, it } from "@jest/globals";
import { utf8Encode } from "@quorate/services/std";
import type { HashedRound } from "@quorate/services/verification";
import type { DamagedRecord } from "../world/record-damage";
import type { Seat } from "../world-contract";
import { Damage } from "./damage";
import { expectBroken } from "./expect-broken";

const DAMAGED: DamagedRecord = {
  namespaceId: 2,
  generation: 1,
  key: utf8Encode("k"),
  value: utf8Encode("never written"),
};

function seatOf(id: string, damagedRecords: readonly DamagedRecord[] = []): Seat {
  const seat: Pick<Seat, "id" | "condition" | "damagedRecords"> = { id, condition: "up", damagedRecords };
  return seat as Seat;
}

function roundOf(round: number, root: string, appliedIndex = 10 * round): HashedRound {
  return {
    round,
    appliedIndex,
    root: utf8Encode(root),
    keys: 1,
    buckets: 1,
    bucketsHashed: 1,
    keysHashed: 1,
    busyMs: 0,
  };
}

describe("the checks of damage", () => {
  let damage: Damage;

  beforeEach(() => {
    damage = new Damage({ comparesAll: true });
  });

  /** A member freezes its state for a round and finds that root. */
  const hash = (seat: Seat, round: number, root: string): void => {
    damage.written(seat, round);
    damage.hashed(seat, roundOf(round, root));
  };

  it("K3: finds nothing in equal roots, in roots that change, and in another root of what was damaged", () => {
    for (const id of ["n1", "n2"]) hash(seatOf(id), 1, "a");
    for (const id of ["n1", "n2"]) hash(seatOf(id), 2, "b");
    hash(seatOf("n3", [DAMAGED]), 2, "c");
    damage.heals(seatOf("n3", [DAMAGED]), "repairs records");
    damage.ended(seatOf("n3"));
  });

  it("K3: finds two roots of a round where nothing was damaged", () => {
    hash(seatOf("n1"), 1, "a");
    const words = "in round 1, where n1 found 61 at 10, and nothing of either was damaged";
    expectBroken("equal roots", words, () => hash(seatOf("n2"), 1, "b"));
    expectBroken("equal roots", "n2 finds the root 61 at index 11", () =>
      damage.hashed(seatOf("n2"), roundOf(1, "a", 11)),
    );
  });

  it("K3: finds damage that does not show, whoever is first", () => {
    const words = "n3 finds the root 61 in round 1, as those do of whom nothing was damaged";
    hash(seatOf("n1"), 1, "a");
    expectBroken("damage shows in the root", words, () => hash(seatOf("n3", [DAMAGED]), 1, "a"));
    damage = new Damage({ comparesAll: true });
    hash(seatOf("n3", [DAMAGED]), 1, "a");
    expectBroken("damage shows in the root", words, () => hash(seatOf("n1"), 1, "a"));
  });

  it("K3: asks nothing of damage that came later, went in time, or is not looked at in each round", () => {
    damage.written(seatOf("n3"), 1);
    damage.hashed(seatOf("n3", [DAMAGED]), roundOf(1, "a"));
    damage.written(seatOf("n2"), 1);
    damage.hashed(seatOf("n2"), roundOf(1, "a"));
    hash(seatOf("n3"), 2, "b");
    hash(seatOf("n2"), 2, "b");
    damage.written(seatOf("n3", [DAMAGED]), 3);
    damage.started(seatOf("n3"));
    hash(seatOf("n3"), 3, "c");
    hash(seatOf("n1"), 3, "c");
    damage = new Damage({ comparesAll: false });
    hash(seatOf("n3", [DAMAGED]), 1, "a");
    hash(seatOf("n1"), 1, "a");
  });

  it("K3: finds a member that changes what was not damaged", () => {
    const words = "n1 repairs records, of which nothing was damaged";
    expectBroken("damage is found and repaired", words, () => damage.heals(seatOf("n1"), "repairs records"));
    damage.isMarked(seatOf("n2", [DAMAGED]));
    damage.heals(seatOf("n2"), "repairs records");
    damage.joined(seatOf("n2"));
    expectBroken("damage is found and repaired", "n2 repairs records", () =>
      damage.heals(seatOf("n2"), "repairs records"),
    );
  });

  it("K3: finds damage that is left in the end", () => {
    const words = "n2 ends with another record of the key 6b than was ever written";
    expectBroken("damage is found and repaired", words, () => damage.ended(seatOf("n2", [DAMAGED])));
    damage.ended(seatOf("n1"));
  });
});
