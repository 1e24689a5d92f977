import { byteKey, type Change, decodeCommand } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";
import { LeaseCheck, type LeaseEvent, type LeaseMoment } from "../../judge/lease-lives";
import type { FastestClock } from "./fastest-clock";
import { broken, type InvariantName } from "./invariant";
import type { ReferenceStep } from "./reference";

/** Between readings of clocks, in floating point and in whole milliseconds. */
const SLACK_MS = 2;

const NAMES = {
  "too early": "a lease never ends early",
  "too late": "a lease ends when its time is up",
  "not together": "the keys of a lease go together",
  "not its own": "the keys of a lease go together",
} as const satisfies Record<string, InvariantName>;

/**
 * What becomes of leases in the committed log (invariant 9). A lease counts from when the command that granted or renewed
 * it was first handed to a member, by the fastest of all clocks: no clock may have counted more until it ends.
 */
export class LeaseChecks {
  private readonly checks = new Map<number, LeaseCheck>();
  private readonly namespaceOf = new Map<number, number>();
  /** By the bytes of a command. */
  private readonly submittedMs = new Map<string, number>();

  constructor(private readonly clock: FastestClock) {}

  submitted(command: Uint8Array): void {
    const kind = decodeCommand(command)?.operation?.$case;
    if (kind !== "grantLease" && kind !== "renewLeases") return;
    const name = hexEncode(command);
    if (!this.submittedMs.has(name)) this.submittedMs.set(name, this.clock.readMs());
  }

  /** @param bytes the command's */
  committed({ index, command, answer, writes }: ReferenceStep, bytes: Uint8Array): void {
    const operation = command?.operation;
    const storeMs = writes.meta.timeMs;
    const now = { clockMs: this.clock.readMs(), storeMs };
    const done = answer.result?.$case === "done" ? answer.result.value : null;
    switch (operation?.$case) {
      case "grantLease":
        for (const { leaseId, namespaceId, ttlMs } of writes.leases) {
          if (BigInt(leaseId) !== done?.leaseId) continue;
          this.namespaceOf.set(leaseId, namespaceId);
          this.take(index, namespaceId, { kind: "granted", leaseId, ttlMs, at: this.since(bytes, now) });
        }
        return;
      case "renewLeases":
        for (const renewal of done?.renewals ?? []) {
          const leaseId = Number(renewal.leaseId);
          const namespaceId = this.namespaceOf.get(leaseId);
          if (renewal.ttlMs === 0n || namespaceId === undefined) continue;
          const renewed = { kind: "renewed", leaseId, ttlMs: Number(renewal.ttlMs) } as const;
          this.take(index, namespaceId, { ...renewed, at: this.since(bytes, now) });
        }
        return;
    }
    const isRevoked = operation?.$case !== "tick";
    for (const change of writes.changes) {
      if (change.origin.cause !== "lease_ended") this.changed(index, change);
    }
    // After the keys of a namespace that is deleted with its leases.
    this.ended(index, writes, now, isRevoked);
    if (isRevoked) return;
    for (const namespaceId of this.checks.keys()) this.take(index, namespaceId, { kind: "tick", at: now });
  }

  private ended(
    index: number,
    { leasesEnded, changes }: ReferenceStep["writes"],
    at: LeaseMoment,
    isRevoked: boolean,
  ): void {
    const deletions = changes.filter(({ origin }) => origin.cause === "lease_ended");
    let next = 0;
    for (const leaseId of leasesEnded) {
      const namespaceId = this.namespaceOf.get(leaseId) ?? 0;
      const hasKeys = this.checkOf(namespaceId).keyCount(leaseId) > 0;
      const revision = hasKeys ? (deletions[next]?.revision ?? 0) : 0;
      this.take(index, namespaceId, { kind: "ended", leaseId, isRevoked, at, revision });
      for (; hasKeys && deletions[next]?.revision === revision; next += 1) {
        this.changed(index, deletions[next] as Change);
      }
    }
    for (const change of deletions.slice(next)) this.changed(index, change);
  }

  private changed(index: number, change: Change): void {
    const { namespaceId, revision } = change;
    switch (change.kind) {
      case "put": {
        const { key, leaseId } = change.record;
        this.take(index, namespaceId, { kind: "attached", leaseId, key: byteKey(key) });
        return;
      }
      case "delete": {
        const byLease = change.origin.cause === "lease_ended";
        this.take(index, namespaceId, { kind: "deleted", key: byteKey(change.key), revision, byLease });
        return;
      }
      case "truncate":
        this.take(index, namespaceId, { kind: "truncated" });
    }
  }

  private since(bytes: Uint8Array, now: LeaseMoment): LeaseMoment {
    return { ...now, clockMs: this.submittedMs.get(hexEncode(bytes)) ?? now.clockMs };
  }

  private take(index: number, namespaceId: number, event: LeaseEvent): void {
    const fault = this.checkOf(namespaceId).take(event);
    if (fault !== null) broken(NAMES[fault.rule], `by entry ${index}: ${fault.detail}`);
  }

  private checkOf(namespaceId: number): LeaseCheck {
    let check = this.checks.get(namespaceId);
    if (check === undefined) {
      check = new LeaseCheck({ slackMs: SLACK_MS, lateTicksMax: 0 });
      this.checks.set(namespaceId, check);
    }
    return check;
  }
}
