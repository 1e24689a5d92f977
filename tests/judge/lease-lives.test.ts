import { describe, expect, it } from "@jest/globals";
import { LeaseCheck, type LeaseEvent, type LeaseFault } from "./lease-lives";

function at(clockMs: number, storeMs = clockMs) {
  return { at: { clockMs, storeMs } };
}

const granted: LeaseEvent = { kind: "granted", leaseId: 1, ttlMs: 1_000, ...at(0) };
const tick = (clockMs: number, storeMs = clockMs): LeaseEvent => ({ kind: "tick", ...at(clockMs, storeMs) });
const renewed = (clockMs: number): LeaseEvent => ({
  kind: "renewed",
  leaseId: 1,
  ttlMs: 1_000,
  ...at(clockMs),
});
const ended = (clockMs: number, revision = 9, isRevoked = false): LeaseEvent => ({
  kind: "ended",
  leaseId: 1,
  isRevoked,
  revision,
  ...at(clockMs),
});
const attached = (key: string, leaseId = 1): LeaseEvent => ({ kind: "attached", leaseId, key });
const deleted = (key: string, revision = 9, byLease = true): LeaseEvent => ({
  kind: "deleted",
  key,
  revision,
  byLease,
});

function judge(events: readonly LeaseEvent[]): LeaseFault | null {
  const check = new LeaseCheck({ slackMs: 0, lateTicksMax: 0 });
  for (const event of events) {
    const fault = check.take(event);
    if (fault !== null) return fault;
  }
  return check.finish();
}

describe("what leases promise", () => {
  it.each<[string, readonly LeaseEvent[]]>([
    [
      "a life as long as its time to live, counted from the next tick",
      [granted, tick(500), ended(1_500), tick(1_500)],
    ],
    [
      "one that is renewed",
      [granted, tick(500), tick(1_000), renewed(1_400), tick(1_600), tick(2_500), ended(2_600)],
    ],
    ["a revocation at any time", [granted, tick(500), ended(600, 9, true)]],
    ["a store whose time stands still", [granted, tick(500), tick(9_000, 600), tick(20_000, 1_400)]],
    [
      "keys that go together",
      [granted, attached("a"), attached("b"), tick(500), ended(1_500), deleted("a"), deleted("b")],
    ],
    [
      "a key that went to no lease, and one that was deleted before",
      [
        granted,
        attached("a"),
        attached("a", 0),
        attached("b"),
        deleted("b", 7, false),
        tick(500),
        ended(1_500),
      ],
    ],
    [
      "keys that went with everything",
      [granted, attached("a"), { kind: "truncated" }, tick(500), ended(1_500)],
    ],
  ])("accepts %s", (_, events) => {
    expect(judge(events)).toBeNull();
  });

  it.each<[string, readonly LeaseEvent[]]>([
    ["too early", [granted, tick(500), ended(999)]],
    ["too early", [granted, tick(500), renewed(900), ended(1_500)]],
    ["too early", [ended(1_000)]],
    ["too late", [granted, tick(500), tick(1_500)]],
    [
      "not together",
      [granted, attached("a"), attached("b"), tick(500), ended(1_500), deleted("a"), deleted("b", 10)],
    ],
    ["not together", [granted, attached("a"), tick(500), ended(1_500)]],
    ["not its own", [granted, attached("a"), attached("b", 2), ended(1_500), deleted("a"), deleted("b")]],
  ])("finds: %s", (rule, events) => {
    expect(judge(events)).toMatchObject({ rule });
  });
});
