import { describe, it, jest } from "@jest/globals";
import { expectSurvived } from "./survived";

jest.setTimeout(300_000);

/** How soon they recover is judged in chaos.long.test.ts: this machine may have more to do. */
const RECOVERY_MS_MAX = 60_000;

describe("real processes under attack lose nothing, answer right and recover", () => {
  it("G4: the leader is replaced", () =>
    expectSurvived({
      name: "short",
      faults: ["replace-leader"],
      seed: 15,
      opsPerSecond: 100,
      recoveryMsMax: RECOVERY_MS_MAX,
    }));
});
