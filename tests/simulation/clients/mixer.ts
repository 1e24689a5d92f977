import {
  type Command,
  type CommandSource,
  compactCommand,
  createNamespaceCommand,
  DEFAULT_LIMITS,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  grantLeaseCommand,
  incrementCommand,
  putCommand,
  revokeLeaseCommand,
  setQuotaCommand,
  truncateCommand,
  txnCommand,
} from "@quorate/services/kv";
import { type Random, utf8Encode } from "@quorate/services/std";
import type { Caller } from "./caller";
import { mixedTxn } from "./mixed-txn";
import { LINEARIZABLE } from "./recorded-caller";

/** It stays once it is there; the other comes and goes. */
export const SWEPT_NAMESPACE = "swept";
export const BRIEF_NAMESPACE = "brief";
const KEYS_COUNT = 8;

/**
 * What histories cannot express: ranges, transactions of every shape, leases, quotas, namespaces that are emptied and
 * deleted at once, compaction; in namespaces of their own. Whether it comes out right shows in the state of the
 * members, in their answers and in what watches tell.
 */
export class Mixer {
  private isCreated = false;
  private leases: bigint[] = [];

  constructor(
    readonly caller: Caller,
    private readonly namespace: string,
    private readonly random: Random,
  ) {}

  async carryOut(): Promise<void> {
    if (!this.isCreated) {
      await this.create();
      return;
    }
    const { caller, random } = this;
    const key = this.key();
    const bytes = utf8Encode(key);
    const draw = random.below(100);
    if (draw < 22) {
      const value = utf8Encode(String(random.below(1000)));
      const leaseId = draw < 8 ? (this.leases[random.below(this.leases.length + 1)] ?? 0n) : 0n;
      const put = { key: bytes, value, leaseId, returnPrevious: draw % 3 === 0, expectedModRevision: null };
      await this.write((source) => putCommand(source, put));
    } else if (draw < 27) {
      await this.write((source) => incrementCommand(source, bytes, 1n));
    } else if (draw < 32) {
      const deletion = { key: bytes, returnPrevious: true, expectedModRevision: null };
      await this.write((source) => deleteCommand(source, deletion));
    } else if (draw < 40) {
      const range = { start: bytes, end: draw === 32 ? null : utf8Encode(this.key()) };
      const keysMax = draw < 35 ? 2 : DEFAULT_LIMITS.batchRecordsMax;
      await this.write((source) => deleteRangeCommand(source, range, keysMax));
    } else if (draw < 70) {
      const txn = mixedTxn(random, () => this.key(), this.leases[0] ?? 0n);
      await this.write((source) => txnCommand(source, txn));
    } else if (draw < 73) {
      await this.write(truncateCommand);
    } else if (draw < 76) {
      await this.grant();
    } else if (draw < 78) {
      const leaseId = this.leases.shift() ?? 77n;
      await this.write((source) => revokeLeaseCommand(source, leaseId));
    } else if (draw < 82) {
      await this.compact();
    } else if (draw < 85) {
      await this.setQuota();
    } else if (draw < 88 && this.namespace === BRIEF_NAMESPACE) {
      await this.deleteNamespace();
    } else if (draw < 90) {
      await caller.closeSession();
    } else {
      await this.readPast(key);
    }
  }

  private async create(): Promise<void> {
    const quota =
      this.random.below(2) === 0 ? { keysMax: 3, bytesMax: null } : { keysMax: null, bytesMax: null };
    const { kind } = await this.caller.writeWithoutSession((source) =>
      createNamespaceCommand({ ...source, namespace: "" }, this.namespace, quota),
    );
    // Refused because an earlier try came through is as good.
    this.isCreated = kind === "done" || kind === "refused";
  }

  private async deleteNamespace(): Promise<void> {
    this.isCreated = false;
    this.leases = [];
    await this.caller.writeWithoutSession((source) =>
      deleteNamespaceCommand({ ...source, namespace: "" }, this.namespace),
    );
  }

  private async setQuota(): Promise<void> {
    const { random } = this;
    const keysMax = random.below(3) === 0 ? null : 1 + random.below(KEYS_COUNT);
    const bytesMax = random.below(3) === 0 ? null : 20 + random.below(100);
    await this.caller.writeWithoutSession((source) =>
      setQuotaCommand({ ...source, namespace: "" }, this.namespace, { keysMax, bytesMax }),
    );
  }

  private async grant(): Promise<void> {
    const ttlMs = 1_000 + this.random.below(5_000);
    const granted = await this.caller.write((source) => grantLeaseCommand(source, ttlMs));
    if (granted.kind === "done") this.leases = [granted.done.leaseId, ...this.leases].slice(0, 3);
  }

  private async compact(): Promise<void> {
    const back = this.random.below(4) === 0 ? -5 : this.random.below(40);
    const revision = Math.max(0, this.caller.seenRevision - back);
    await this.write((source) => compactCommand(source, revision));
  }

  /** At a revision that is there, or was given up, or is yet to come. */
  private async readPast(key: string): Promise<void> {
    const { caller, random } = this;
    const seen = caller.seenRevision;
    const revision = random.below(10) === 0 ? seen + 50 : Math.max(1, seen - random.below(80));
    const consistency = random.below(2) === 0 ? "stale" : "linearizable";
    await caller.read(key, { ...LINEARIZABLE, consistency, revision }, true);
  }

  private async write(make: (source: CommandSource) => Command): Promise<void> {
    await this.caller.write(make);
  }

  private key(): string {
    const at = this.random.below(KEYS_COUNT + 1);
    // One that begins with all the bytes of another, and one behind all.
    if (at === 0) return "s1\u0000";
    return at === KEYS_COUNT ? "t" : `s${at}`;
  }
}
