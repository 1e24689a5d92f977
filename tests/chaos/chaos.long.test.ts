import { describe, it, jest } from "@jest/globals";
import { expectSurvived } from "./survived";

jest.setTimeout(300_000);

/* Each fault of `npm run chaos` once. */
describe("real processes under attack lose nothing, answer right and recover within 10 s", () => {
  it("D7: three leaders of five are killed in a row under load", () =>
    expectSurvived({ name: "d7", faults: ["kill-leader"], seed: 7, nodes: 5, steps: 3 }));

  it("E4, E5, E11: a rolling restart, a crash loop, two of three nodes one after another, all at once", () =>
    expectSurvived({
      name: "restarts",
      faults: ["rolling-restart", "crash-loop", "kill-one-by-one", "kill-all"],
      seed: 4,
    }));

  it("the leader is paused, stalls, and hands over", () =>
    expectSurvived({ name: "pauses", faults: ["pause-leader", "pause-flicker", "transfer"], seed: 5 }));

  it("E8, E9: a full disk and a damaged log end their node, are never served, and are done with when repaired", () =>
    expectSurvived({ name: "disks", faults: ["disk-full", "damaged-log", "lost-segment"], seed: 8 }));

  it("J3, J5: the leader is isolated, deaf and mute, links are cut one way, halves are split", () =>
    expectSurvived({
      name: "partitions",
      faults: ["cut-one-way", "deaf-leader", "mute-leader", "isolate-leader", "split", "ring", "bridge"],
      seed: 3,
    }));

  it("links are slow, lossy, half open, and connections never complete", () =>
    expectSurvived({
      name: "links",
      faults: ["slow-node", "throttle", "lossy", "stream-reset", "half-open", "never-connects"],
      seed: 6,
    }));

  it("G4, G5, G6: members come and go, two at once and the leader too, amid crashes, and come again with clean stores", () =>
    expectSurvived({
      name: "members",
      faults: [
        "grow-shrink",
        "replace-leader",
        "swap-two",
        "remove-rejoin",
        "crash-in-change",
        "wiped-disk",
        "priorities",
      ],
      seed: 11,
    }));

  it("F1, F2, F3: logs are cut; images of the state are broken off by the ends of both sides, and by the network", () =>
    expectSurvived({
      name: "snapshots",
      faults: ["compact", "away-long", "kill-receiver", "kill-sender", "cut-image"],
      seed: 12,
    }));

  it("E8, E9, F6, H5: a lost state, a wrong record, no space are mended; a backup taken meanwhile is restored", () =>
    expectSurvived({
      name: "replicas",
      faults: ["backup", "lost-state", "corrupt-record", "low-space"],
      seed: 14,
    }));

  it("F1, F2, G4: the leader is replaced, an image is broken off by its receiver's end", () =>
    expectSurvived({ name: "replaced", faults: ["replace-leader", "kill-receiver"], seed: 15 }));
});
