import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  type Command,
  type CommandSource,
  encodeCommand,
  grantLeaseCommand,
  putCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  tickCommand,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { expectBroken } from "./expect-broken";
import { FastestClock } from "./fastest-clock";
import { LeaseChecks } from "./lease-checks";
import { Reference, type ReferenceStep } from "./reference";

const SOURCE: CommandSource = { namespace: "", requestId: null, wallTimeMs: 0 };

let nowMs: number;
let reference: Reference;
let checks: LeaseChecks;

beforeEach(() => {
  nowMs = 0;
  reference = new Reference();
  checks = new LeaseChecks(new FastestClock(() => [nowMs, nowMs / 2]));
});

function put(key: string, leaseId: bigint): Command {
  const bytes = { key: utf8Encode(key), value: utf8Encode("v") };
  return putCommand(SOURCE, { ...bytes, leaseId, returnPrevious: false, expectedModRevision: null });
}

function commit(command: Command, tamper = (step: ReferenceStep): ReferenceStep => step): void {
  const data = encodeCommand(command);
  const step = reference.apply({ term: 1, index: reference.index + 1, kind: "normal", data });
  checks.committed(tamper(step as ReferenceStep), data);
}

/** A lease with two keys, whose time counts since 500 ms. */
function lease(): void {
  commit(grantLeaseCommand(SOURCE, 1_000));
  commit(put("a", 1n));
  commit(put("b", 1n));
  nowMs = 500;
  commit(tickCommand(500, 0));
}

describe("the check of leases", () => {
  it("accepts a lease that ends when its time is up, with all its keys", () => {
    lease();
    nowMs = 1_500;
    commit(tickCommand(1_000, 0));
    expect(reference.leaseExists(1)).toBe(false);
    commit(put("a", 0n));
  });

  it("accepts a lease that is revoked at any time", () => {
    lease();
    commit(revokeLeaseCommand(SOURCE, 1n));
    commit(put("a", 0n));
  });

  it("finds one that ends early by every clock, counted from when its renewal was first handed in", () => {
    lease();
    nowMs = 900;
    const renewal = renewLeasesCommand(SOURCE, [1n]);
    checks.submitted(encodeCommand(renewal));
    nowMs = 1_200;
    commit(renewal);
    commit(tickCommand(700, 0));
    nowMs = 1_800;
    expectBroken("a lease never ends early", "lease 1 of 1000 ms ends 900 ms after", () =>
      commit(tickCommand(1_000, 0)),
    );
  });

  it("finds one that lives on", () => {
    lease();
    nowMs = 1_500;
    const nothing = { leasesEnded: [], changes: [] };
    expectBroken("a lease ends when its time is up", "lease 1 lives on 0 ms", () =>
      commit(tickCommand(1_000, 0), (step) => ({ ...step, writes: { ...step.writes, ...nothing } })),
    );
  });

  it("finds a key that stays, and one that goes with a lease of which it is not", () => {
    lease();
    const first = (step: ReferenceStep): ReferenceStep => ({
      ...step,
      writes: { ...step.writes, changes: step.writes.changes.slice(0, 1) },
    });
    expectBroken("the keys of a lease go together", "but b did not go with it", () => {
      commit(revokeLeaseCommand(SOURCE, 1n), first);
      commit(put("c", 0n));
    });
  });
});
