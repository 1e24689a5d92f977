import {
  deleteCommand,
  grantLeaseCommand,
  putCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  txnCommand,
} from "@quorate/services/kv";
import { type Random, utf8Encode } from "@quorate/services/std";
import type { Timeline } from "../world-contract";
import type { Caller } from "./caller";
import { LINEARIZABLE } from "./recorded-caller";
import { appendOf, deleteOf, putOf, txnOf } from "./txn-parts";

interface HeldLease {
  readonly id: bigint;
  readonly ttlMs: number;
  /** Renewed again and again, beside whatever else is done. */
  isKept: boolean;
}

const HELD_MAX = 3;
const TTL_MS_MIN = 500;
const TTL_MS_MAX = 6_000;
const KEYS_COUNT = 6;
/** A lease that nobody ever was granted. */
const UNKNOWN_LEASE = 2n ** 40n;

/**
 * Holds leases: keeps some alive, lets others end, revokes some, and moves keys between them. Whether each lives as long
 * as it must, and takes its keys with it, shows in the committed log.
 */
export class Lessee {
  private held: HeldLease[] = [];
  private commands = 0;
  private isEnding = false;

  constructor(
    readonly caller: Caller,
    private readonly parts: { readonly timeline: Timeline; readonly random: Random },
  ) {}

  /** Lets go of all leases. */
  end(): void {
    this.isEnding = true;
  }

  async carryOut(): Promise<void> {
    const { caller } = this;
    const { random } = this.parts;
    const draw = random.below(100);
    const key = this.key();
    if (this.held.length === 0 || (draw < 15 && this.held.length < HELD_MAX)) {
      await this.grant();
    } else if (draw < 50) {
      const leaseId = draw < 18 ? UNKNOWN_LEASE : this.any().id;
      await this.put(key, leaseId);
    } else if (draw < 58) {
      await this.put(key, 0n);
    } else if (draw < 66) {
      const success = [
        putOf(key, this.value(), { leaseId: this.any().id }),
        draw % 2 === 0 ? deleteOf(this.key()) : appendOf(this.key(), "+"),
        putOf(this.key(), this.value(), { leaseId: this.any().id }),
      ];
      await caller.write((source) => txnCommand(source, txnOf({ success })));
    } else if (draw < 78) {
      await this.renew(this.held);
    } else if (draw < 84) {
      await this.revoke(this.any());
    } else if (draw < 90) {
      // It goes on until its time is up.
      this.drop(this.any());
    } else if (draw < 95) {
      const deletion = { key: utf8Encode(key), returnPrevious: true, expectedModRevision: null };
      await caller.write((source) => deleteCommand(source, deletion));
    } else {
      await caller.read(key, LINEARIZABLE, true);
    }
  }

  private async grant(): Promise<void> {
    const { random } = this.parts;
    const ttlMs = TTL_MS_MIN + random.below(TTL_MS_MAX - TTL_MS_MIN);
    const granted = await this.caller.write((source) =>
      grantLeaseCommand({ ...source, wallTimeMs: this.mark() }, ttlMs),
    );
    if (granted.kind !== "done") return;
    const lease = { id: granted.done.leaseId, ttlMs, isKept: random.below(2) === 0 };
    this.held.push(lease);
    if (lease.isKept) void this.keepAlive(lease);
  }

  private async keepAlive(lease: HeldLease): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => this.parts.timeline.after((lease.ttlMs * 1000) / 3, resolve));
      if (!lease.isKept || this.isEnding) return;
      await this.renew([lease]);
    }
  }

  private async renew(leases: readonly HeldLease[]): Promise<void> {
    const ids = leases.map(({ id }) => id);
    if (this.parts.random.below(10) === 0) ids.push(UNKNOWN_LEASE);
    const renewed = await this.caller.writeWithoutSession((source) =>
      renewLeasesCommand({ ...source, wallTimeMs: this.mark() }, ids),
    );
    if (renewed.kind !== "done") return;
    for (const { leaseId, ttlMs } of renewed.done.renewals) {
      const gone = this.held.find(({ id }) => id === leaseId);
      if (ttlMs === 0n && gone !== undefined) this.drop(gone);
    }
  }

  private async revoke(lease: HeldLease): Promise<void> {
    this.drop(lease);
    await this.caller.write((source) => revokeLeaseCommand(source, lease.id));
  }

  private async put(key: string, leaseId: bigint): Promise<void> {
    const put = { key: utf8Encode(key), value: utf8Encode(this.value()), leaseId };
    await this.caller.write((source) =>
      putCommand(source, { ...put, returnPrevious: false, expectedModRevision: null }),
    );
  }

  private drop(lease: HeldLease): void {
    lease.isKept = false;
    this.held = this.held.filter((other) => other !== lease);
  }

  private any(): HeldLease {
    return this.held[this.parts.random.below(this.held.length)] as HeldLease;
  }

  private key(): string {
    return `e${this.parts.random.below(KEYS_COUNT)}`;
  }

  private value(): string {
    return String(this.parts.random.below(1000));
  }

  /** In place of a wall clock: so that no two commands are alike, and each can be told when it was first sent. */
  private mark(): number {
    this.commands += 1;
    return this.commands;
  }
}
