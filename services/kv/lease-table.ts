import { assert, compareBytes } from "#std";
import { byteKey } from "./byte-key";
import { LEASE_KEYS_MAX, LEASES_MAX, TIME_MS_MAX } from "./limits";
import type { LeaseKey, LeaseState, StateWrites } from "./state";

type LeaseWrites = Pick<StateWrites, "leases" | "leasesEnded" | "leaseKeysDetached" | "leaseKeysAttached">;

/** What became of a key since the writes were last taken. */
interface KeyWrite {
  readonly isAttached: boolean;
  readonly leaseKey: LeaseKey;
}

interface Lease {
  readonly leaseId: number;
  readonly namespaceId: number;
  readonly ttlMs: number;
  /** See LeaseState. */
  deadlineMs: number | null;
  /** By byteKey; all of the namespace's present generation. */
  readonly keys: Map<string, LeaseKey>;
  /** By byteKey: attachments that the store does not know, and detachments of those that it does. */
  readonly unwritten: Map<string, KeyWrite>;
  /** Whether it is in `touched`. */
  isTouched: boolean;
  /** Whether it is new or its state changed: keys that come and go are written apart. */
  isChanged: boolean;
}

/**
 * The leases and the keys that are attached to them. It notes what changed, until takeWrites. Which records there are is
 * not its concern: whoever changes a record says here what that does to the attachments.
 */
export class LeaseTable {
  private readonly leases = new Map<number, Lease>();
  private readonly ofNamespaces = new Map<number, Set<Lease>>();
  /** Leases without a deadline: granted or renewed since the last Tick. */
  private readonly undated = new Set<Lease>();
  /** No lease ends before this time; later than the truth never, earlier perhaps. */
  private deadlineMsMin = Number.POSITIVE_INFINITY;
  private readonly touched: Lease[] = [];
  private ended: number[] = [];
  private nextId: number;

  /** @param leaseKeys of the present generations of their namespaces */
  constructor(leases: readonly LeaseState[], leaseKeys: readonly LeaseKey[], nextLeaseId: number) {
    this.nextId = nextLeaseId;
    for (const state of leases) this.insert(state);
    for (const leaseKey of leaseKeys) {
      const lease = this.leases.get(leaseKey.leaseId);
      assert(lease !== undefined, "an attached key has a lease");
      assert(lease.namespaceId === leaseKey.namespaceId, "a key is of the namespace of its lease");
      const id = byteKey(leaseKey.key);
      assert(!lease.keys.has(id), "a key is attached once");
      lease.keys.set(id, leaseKey);
    }
  }

  get count(): number {
    return this.leases.size;
  }

  /** The id that the next lease gets. */
  get nextLeaseId(): number {
    return this.nextId;
  }

  has(leaseId: number, namespaceId: number): boolean {
    return this.leases.get(leaseId)?.namespaceId === namespaceId;
  }

  get(leaseId: number): LeaseState | null {
    const lease = this.leases.get(leaseId);
    return lease === undefined ? null : stateOf(lease);
  }

  /** The leases of a namespace, by id. */
  ofNamespace(namespaceId: number): readonly LeaseState[] {
    return [...(this.ofNamespaces.get(namespaceId) ?? [])].sort(byLeaseId).map(stateOf);
  }

  /** How many keys a lease has; 0 where there is no such lease. */
  keyCount(leaseId: number): number {
    return this.leases.get(leaseId)?.keys.size ?? 0;
  }

  /** The keys of a lease, in key order; none where there is no such lease. */
  keys(leaseId: number): readonly LeaseKey[] {
    const lease = this.leases.get(leaseId);
    return lease === undefined ? [] : keysOf(lease);
  }

  /** Grants a lease and gives its id, or null where there are LEASES_MAX. */
  grant(namespaceId: number, ttlMs: number): number | null {
    if (this.leases.size >= LEASES_MAX) return null;
    const leaseId = this.nextId;
    this.nextId += 1;
    const lease = this.insert({ leaseId, namespaceId, ttlMs, deadlineMs: null });
    this.touch(lease);
    lease.isChanged = true;
    return leaseId;
  }

  /** Gives the lease its whole time to live again, and tells it; null where the namespace has no such lease. */
  renew(leaseId: number, namespaceId: number): number | null {
    const lease = this.leases.get(leaseId);
    if (lease?.namespaceId !== namespaceId) return null;
    if (lease.deadlineMs !== null) {
      lease.deadlineMs = null;
      this.undated.add(lease);
      this.touch(lease);
      lease.isChanged = true;
    }
    return lease.ttlMs;
  }

  /** Attaches a key that has no lease to one of its own namespace. */
  attach(leaseId: number, namespaceId: number, generation: number, key: Uint8Array): void {
    const lease = this.known(leaseId, namespaceId);
    const id = byteKey(key);
    assert(!lease.keys.has(id), "a key is attached once");
    // A copy: the key of a command shares memory with its entry and the frame that brought it, and a lease may live long.
    const leaseKey = { leaseId, namespaceId, generation, key: new Uint8Array(key) };
    lease.keys.set(id, leaseKey);
    this.note(lease, id, { isAttached: true, leaseKey });
  }

  detach(leaseId: number, namespaceId: number, generation: number, key: Uint8Array): void {
    const lease = this.known(leaseId, namespaceId);
    const id = byteKey(key);
    const leaseKey = lease.keys.get(id);
    assert(leaseKey !== undefined, "a key that is detached was attached");
    assert(leaseKey.generation === generation, "the keys of a lease are of the present generation");
    lease.keys.delete(id);
    this.note(lease, id, { isAttached: false, leaseKey });
  }

  /** Lets go of all keys of a namespace whose generation ended: they go with it, and nothing is written of them. */
  truncated(namespaceId: number): void {
    for (const lease of this.ofNamespaces.get(namespaceId) ?? []) {
      lease.keys.clear();
      lease.unwritten.clear();
    }
  }

  /** Ends a lease that has no keys any more. */
  end(leaseId: number): void {
    const lease = this.leases.get(leaseId);
    assert(lease !== undefined, "a lease that ends is there");
    assert(lease.keys.size === 0, "the keys of a lease are gone before it ends");
    this.leases.delete(leaseId);
    this.undated.delete(lease);
    this.ended.push(leaseId);
    const siblings = this.ofNamespaces.get(lease.namespaceId);
    assert(siblings !== undefined, "a lease is listed under its namespace");
    siblings.delete(lease);
    if (siblings.size === 0) this.ofNamespaces.delete(lease.namespaceId);
  }

  /** Ends all leases of a namespace that goes with all its keys. */
  endNamespace(namespaceId: number): void {
    this.truncated(namespaceId);
    for (const { leaseId } of this.ofNamespace(namespaceId)) this.end(leaseId);
  }

  /**
   * The leases that a Tick to this time ends, in the order of (deadline, id): as many as come to LEASE_KEYS_MAX with
   * their keys, and the first in any case. What is left over ends with the next Ticks.
   */
  ending(timeMs: number): readonly number[] {
    assert(timeMs <= TIME_MS_MAX, "replicated time stays within its bound");
    if (timeMs < this.deadlineMsMin) return [];
    const expired: { readonly lease: Lease; readonly deadlineMs: number }[] = [];
    let deadlineMsMin = Number.POSITIVE_INFINITY;
    for (const lease of this.leases.values()) {
      if (lease.deadlineMs === null) continue;
      if (lease.deadlineMs <= timeMs) expired.push({ lease, deadlineMs: lease.deadlineMs });
      deadlineMsMin = Math.min(deadlineMsMin, lease.deadlineMs);
    }
    this.deadlineMsMin = deadlineMsMin;
    expired.sort((left, right) => left.deadlineMs - right.deadlineMs || byLeaseId(left.lease, right.lease));
    const leaseIds: number[] = [];
    let rows = 0;
    for (const { lease } of expired) {
      rows += 1 + lease.keys.size;
      if (rows > LEASE_KEYS_MAX && leaseIds.length > 0) break;
      leaseIds.push(lease.leaseId);
    }
    return leaseIds;
  }

  /** Gives a deadline to the leases that were granted or renewed since the last Tick. */
  tick(timeMs: number): void {
    for (const lease of this.undated) {
      lease.deadlineMs = timeMs + lease.ttlMs;
      this.deadlineMsMin = Math.min(this.deadlineMsMin, lease.deadlineMs);
      this.touch(lease);
      lease.isChanged = true;
    }
    this.undated.clear();
  }

  /** What changed since the last call, in the order of lease ids. */
  takeWrites(): LeaseWrites {
    const leases: LeaseState[] = [];
    const leaseKeysDetached: LeaseKey[] = [];
    const leaseKeysAttached: LeaseKey[] = [];
    for (const lease of this.touched.sort(byLeaseId)) {
      for (const { isAttached, leaseKey } of lease.unwritten.values()) {
        (isAttached ? leaseKeysAttached : leaseKeysDetached).push(leaseKey);
      }
      // Of a lease that ended, the store needs to know no more than that.
      if (lease.isChanged && this.leases.get(lease.leaseId) === lease) leases.push(stateOf(lease));
      lease.unwritten.clear();
      lease.isTouched = false;
      lease.isChanged = false;
    }
    const leasesEnded = this.ended;
    this.touched.length = 0;
    this.ended = [];
    return { leases, leasesEnded, leaseKeysDetached, leaseKeysAttached };
  }

  /** All of it, sorted by lease id and key. */
  resident(): { readonly leases: readonly LeaseState[]; readonly leaseKeys: readonly LeaseKey[] } {
    const sorted = [...this.leases.values()].sort(byLeaseId);
    return { leases: sorted.map(stateOf), leaseKeys: sorted.flatMap(keysOf) };
  }

  private insert(state: LeaseState): Lease {
    assert(!this.leases.has(state.leaseId), "a lease id names one lease");
    const lease: Lease = {
      leaseId: state.leaseId,
      namespaceId: state.namespaceId,
      ttlMs: state.ttlMs,
      deadlineMs: state.deadlineMs,
      keys: new Map(),
      unwritten: new Map(),
      isTouched: false,
      isChanged: false,
    };
    this.leases.set(lease.leaseId, lease);
    const siblings = this.ofNamespaces.get(lease.namespaceId);
    if (siblings === undefined) this.ofNamespaces.set(lease.namespaceId, new Set([lease]));
    else siblings.add(lease);
    if (lease.deadlineMs === null) this.undated.add(lease);
    else this.deadlineMsMin = Math.min(this.deadlineMsMin, lease.deadlineMs);
    return lease;
  }

  private known(leaseId: number, namespaceId: number): Lease {
    const lease = this.leases.get(leaseId);
    assert(lease !== undefined, "a key comes to and goes from a lease that is there");
    assert(lease.namespaceId === namespaceId, "a key is of the namespace of its lease");
    return lease;
  }

  private touch(lease: Lease): void {
    if (lease.isTouched) return;
    lease.isTouched = true;
    this.touched.push(lease);
  }

  /** What is undone before the store has seen it needs no word. */
  private note(lease: Lease, id: string, write: KeyWrite): void {
    this.touch(lease);
    if (lease.unwritten.delete(id)) return;
    lease.unwritten.set(id, write);
  }
}

function byLeaseId(left: Lease, right: Lease): number {
  return left.leaseId - right.leaseId;
}

function stateOf(lease: Lease): LeaseState {
  const { leaseId, namespaceId, ttlMs, deadlineMs } = lease;
  return { leaseId, namespaceId, ttlMs, deadlineMs };
}

function keysOf(lease: Lease): readonly LeaseKey[] {
  return [...lease.keys.values()].sort((left, right) => compareBytes(left.key, right.key));
}
