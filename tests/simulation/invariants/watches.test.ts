import { describe, expect, it } from "@jest/globals";
import { utf8Encode } from "@quorate/services/std";
import type { WatchFrame, WatchSpec } from "@quorate/services/watch";
import type { CommittedChange } from "../../judge/watch-events";
import { expectBroken } from "./expect-broken";
import { Watches } from "./watches";

const NAME = "a watch tells the committed order";
const SPEC: WatchSpec = {
  namespace: "",
  range: { start: utf8Encode("a"), end: null },
  startRevision: 1,
  withCurrentState: false,
  withPrevious: false,
  puts: true,
  deletes: true,
  progressIntervalMs: 0,
};
const RECORD = {
  key: utf8Encode("a"),
  value: utf8Encode("1"),
  valueBytes: 1,
  createRevision: 1,
  modRevision: 1,
  version: 1,
  leaseId: 0,
};
const EVENT = {
  kind: "put",
  revision: 1,
  record: RECORD,
  previous: null,
  origin: { cause: "put", wallTimeMs: 0, requestId: null },
} as const;

/** A committed log with one put, of which something was given up before revision 1. */
function watches(): Watches {
  const changes: readonly CommittedChange[] = [
    { kind: "put", revision: 1, key: "61", record: "31@1/1/1/0", previous: null },
  ];
  return new Watches({ changes: () => changes, revision: 1, firstRevisionEver: () => 1 });
}

function told(frame: WatchFrame, spec = SPEC): () => void {
  const checks = watches();
  checks.wrote(1);
  checks.begins({ client: "w", spec });
  return () => {
    checks.watched({ client: "w", member: "n1", spec, frame });
    checks.taken({ client: "w", frame });
  };
}

const ended = { kind: "ended", resumeRevision: 0, oldestRevision: 0 } as const;

describe("the check of watches", () => {
  it("accepts what is committed, and names where to go on", () => {
    const checks = watches();
    checks.begins({ client: "w", spec: SPEC });
    expect(checks.nextRevision("w")).toBeNull();
    checks.taken({ client: "w", frame: { kind: "created", revision: 0 } });
    checks.taken({ client: "w", frame: { kind: "events", revision: 1, events: [EVENT], more: false } });
    expect(checks.nextRevision("w")).toBe(2);
    checks.forget("w");
    expect(checks.nextRevision("w")).toBeNull();
  });

  it("judges what is told of a watch that its client has left by when that one was asked for", () => {
    const checks = watches();
    const [left, next] = [
      { ...SPEC, startRevision: 0 },
      { ...SPEC, startRevision: 0 },
    ];
    const created: WatchFrame = { kind: "created", revision: 0 };
    checks.begins({ client: "w", spec: left });
    checks.wrote(1);
    checks.begins({ client: "w", spec: next });
    checks.watched({ client: "w", member: "n1", spec: left, frame: created });
    expectBroken(NAME, "1 was acknowledged before", () =>
      checks.watched({ client: "w", member: "n1", spec: next, frame: created }),
    );
  });

  it.each<[string, string, WatchFrame, WatchSpec]>([
    ["what is not committed", "only 1 is committed", { kind: "progress", revision: 2 }, SPEC],
    [
      "events before the beginning",
      "before the beginning is over",
      { kind: "events", revision: 1, events: [EVENT], more: false },
      SPEC,
    ],
    [
      "a beginning before what was acknowledged",
      "1 was acknowledged before",
      { kind: "created", revision: 0 },
      { ...SPEC, startRevision: 0 },
    ],
    [
      "more given up than ever was",
      "no more than up to 1",
      { ...ended, reason: "compacted", oldestRevision: 2 },
      SPEC,
    ],
    [
      "a revision yet to come that was acknowledged",
      "is yet to come",
      { ...ended, reason: "future_revision" },
      SPEC,
    ],
  ])("finds %s", (_, words, frame, spec) => {
    expectBroken(NAME, words, told(frame, spec));
  });
});
