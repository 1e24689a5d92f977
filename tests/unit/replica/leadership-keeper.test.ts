import { describe, expect, test } from "@jest/globals";
import type { MembershipState } from "@quorate/services/kv";
import type { ProgressStatus } from "@quorate/services/raft";
import { LeadershipKeeper } from "../../../services/replica/leadership-keeper";

const INTERVAL_TICKS = 5;
const LAST = 1000;

interface Peer {
  readonly priority?: number;
  readonly isLow?: boolean;
  readonly lag?: number;
  readonly isSilent?: boolean;
  readonly isLearner?: boolean;
}

interface Situation {
  readonly isLow?: boolean;
  readonly priority?: number;
  readonly isTransferring?: boolean;
  readonly peers?: Readonly<Record<string, Peer>>;
}

function member(memberId: string, priority = 100) {
  return {
    memberId,
    clientAddress: "",
    peerAddress: "",
    priority,
    promoteWhenCaughtUp: false,
    storeId: null,
  };
}

/** To whom the leader "a" hands over when it looks next; null: to nobody. */
function due(keeper: LeadershipKeeper, { isLow = false, priority, isTransferring, peers = {} }: Situation) {
  const others = Object.entries(peers);
  const membership = {
    members: [member("a", priority), ...others.map(([id, peer]) => member(id, peer.priority))],
    configuration: { voters: ["a", ...others.filter(([, { isLearner }]) => !isLearner).map(([id]) => id)] },
  } as unknown as MembershipState;
  const progress = others.map(([id, { lag = 0, isSilent = false, isLow: isLowOnSpace = false }]) => {
    return { id, match: LAST - lag, isRecentlyActive: !isSilent, isLowOnSpace } as unknown as ProgressStatus;
  });
  return keeper.due({ id: "a", isLowOnSpace: isLow }, membership, () => ({
    progress: [{ id: "a", match: LAST, isRecentlyActive: true, isLowOnSpace: isLow } as never, ...progress],
    last: { index: LAST, term: 1 },
    transferTarget: isTransferring === true ? "b" : null,
  }));
}

/** At the first tick at which it looks. */
function dueAtOnce(situation: Situation) {
  return due(new LeadershipKeeper(1), situation);
}

describe("a leader that looks who should lead", () => {
  test.each([
    ["nobody has a reason to", { peers: { b: {}, c: {} } }, null],
    ["it has little space, to one that has some", { isLow: true, peers: { b: { isLow: true }, c: {} } }, "c"],
    ["all have little space", { isLow: true, peers: { b: { isLow: true }, c: { isLow: true } } }, null],
    ["both others have little space", { peers: { b: { isLow: true }, c: { isLow: true } } }, null],
    ["another has a higher priority", { peers: { b: { priority: 101 }, c: { priority: 102 } } }, "c"],
    ["another has a lower priority", { peers: { b: { priority: 99 } } }, null],
    ["one of a higher priority has little space", { peers: { b: { priority: 1000, isLow: true } } }, null],
    [
      "space counts more than any priority",
      { isLow: true, priority: 1000, peers: { b: { priority: 0 }, c: { priority: 1000, isLow: true } } },
      "b",
    ],
    ["the better one lags behind", { isLow: true, peers: { b: { lag: 65 } } }, null],
    ["the better one lacks a few entries", { isLow: true, peers: { b: { lag: 64 } } }, "b"],
    ["the better one is silent", { isLow: true, peers: { b: { isSilent: true } } }, null],
    ["the better one is a learner", { isLow: true, peers: { b: { isLearner: true } } }, null],
    ["it is handing over already", { isLow: true, isTransferring: true, peers: { b: {} } }, null],
  ] as const)("E9: %s", (_, situation, target) => {
    expect(dueAtOnce(situation)).toBe(target);
  });

  test("looks only now and then, so that leadership does not go to and fro", () => {
    const keeper = new LeadershipKeeper(INTERVAL_TICKS);
    const situation = { isLow: true, peers: { b: {} } };
    const looks = () => Array.from({ length: INTERVAL_TICKS }, () => due(keeper, situation));
    const once = [...Array<null>(INTERVAL_TICKS - 1).fill(null), "b"];
    expect(looks()).toEqual(once);
    expect(looks()).toEqual(once);
    expect(due(keeper, situation)).toBeNull();
    keeper.reset();
    expect(looks()).toEqual(once);
  });
});
