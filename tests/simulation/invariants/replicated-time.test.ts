import { beforeEach, describe, it } from "@jest/globals";
import { expectBroken } from "./expect-broken";
import { ReplicatedTime } from "./replicated-time";

describe("the check of replicated time", () => {
  let clocks: number[];
  let time: ReplicatedTime;

  beforeEach(() => {
    clocks = [5_000, 0];
    time = new ReplicatedTime(() => [...clocks]);
  });

  it("K3: grants each leader what passed on its own clock", () => {
    clocks = [6_000, 2_000];
    time.committed(1, 2_000);
    time.leaderChanged();
    clocks = [9_000, 2_500];
    time.committed(2, 5_000);
  });

  it("K3: finds time that was counted twice", () => {
    clocks = [6_000, 1_000];
    time.committed(1, 1_000);
    time.leaderChanged();
    clocks = [7_000, 2_000];
    expectBroken("replicated time keeps to a clock", "entry 2 makes the replicated time 2001 ms", () =>
      time.committed(2, 2_001),
    );
  });
});
