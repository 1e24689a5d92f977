import {
  byteKey,
  type Change,
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type MembershipState,
  type NamespaceState,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateWrites,
  type StoredRecord,
} from "@quorate/services/kv";
import { compareStrings } from "@quorate/services/std";
import { ItemHash } from "./item-hash";

/**
 * The whole replicated state as a multiset of item hashes, kept up by the writes, so that two of them compare in no
 * time: each item counts once, whatever the order in which it came.
 */
export class StateImage {
  private low = 0;
  private high = 0;
  private readonly single = new Map<string, number>();
  private readonly sessions = new Map<number, number>();
  private readonly answers = new Map<number, Map<number, number>>();
  /** By "namespace/generation", then by byteKey. */
  private readonly records = new Map<string, Map<string, number>>();
  private readonly leases = new Map<number, number>();
  /** By "namespace/generation", then by lease and byteKey: those of an ended generation count for nothing. */
  private readonly leaseKeys = new Map<string, Map<string, number>>();

  /** As it is before the first command of a cluster of these members. */
  constructor(membership: MembershipState = INITIAL_STATE.membership) {
    this.writeMeta(INITIAL_STATE.meta);
    for (const namespace of INITIAL_STATE.namespaces) this.writeNamespace(namespace);
    this.writeMembership(membership);
  }

  /** @param records the newest of each key of the namespaces' present generations */
  static of(
    { meta, namespaces, sessions, answers, membership, leases, leaseKeys }: ResidentState,
    records: Iterable<{ readonly namespace: NamespaceState; readonly record: StoredRecord }>,
  ): StateImage {
    const image = new StateImage();
    image.writeMeta(meta);
    for (const namespace of namespaces) image.writeNamespace(namespace);
    for (const session of sessions) image.writeSession(session);
    for (const answer of answers) image.writeAnswer(answer);
    image.writeMembership(membership);
    for (const lease of leases) image.writeLease(lease);
    for (const leaseKey of leaseKeys) image.attach(leaseKey);
    for (const { namespace, record } of records)
      image.writeRecord(namespace.id, namespace.generation, record);
    return image;
  }

  /** Equal for equal states, and for no others but by a chance of one in 2^53. */
  get hash(): number {
    return (this.high & 0x1fffff) * 0x1_0000_0000 + this.low;
  }

  apply(writes: StateWrites): void {
    this.writeMeta(writes.meta);
    for (const namespace of writes.namespaces) this.writeNamespace(namespace);
    for (const session of writes.sessions) this.writeSession(session);
    for (const answer of writes.answers) this.writeAnswer(answer);
    for (const { clientId, sequence } of writes.answersDropped)
      this.remove(this.answersOf(clientId), sequence);
    for (const clientId of writes.sessionsEnded) this.endSession(clientId);
    if (writes.membership !== null) this.writeMembership(writes.membership);
    for (const lease of writes.leases) this.writeLease(lease);
    for (const leaseId of writes.leasesEnded) this.remove(this.leases, leaseId);
    for (const leaseKey of writes.leaseKeysDetached) this.detach(leaseKey);
    for (const leaseKey of writes.leaseKeysAttached) this.attach(leaseKey);
    for (const change of writes.changes) this.change(change);
    for (const { id, generation } of writes.namespacesDeleted) {
      this.remove(this.single, `namespace ${id}`);
      this.endGeneration(id, generation);
    }
  }

  /** The names of the items in which two states differ, sorted, for a report. */
  difference(other: StateImage): readonly string[] {
    const mine = this.items();
    const theirs = other.items();
    return [...new Set([...mine.keys(), ...theirs.keys()])]
      .filter((name) => mine.get(name) !== theirs.get(name))
      .sort(compareStrings);
  }

  private items(): ReadonlyMap<string, number> {
    const items = new Map<string, number>(this.single);
    for (const [clientId, hash] of this.sessions) items.set(`session ${clientId}`, hash);
    for (const [clientId, answers] of this.answers) {
      for (const [sequence, hash] of answers) items.set(`answer ${clientId}/${sequence}`, hash);
    }
    for (const [place, records] of this.records) {
      for (const [key, hash] of records) items.set(`record ${place}/${key}`, hash);
    }
    for (const [leaseId, hash] of this.leases) items.set(`lease ${leaseId}`, hash);
    for (const [place, keys] of this.leaseKeys) {
      for (const [key, hash] of keys) items.set(`lease key ${place}/${key}`, hash);
    }
    return items;
  }

  private writeMeta(meta: StateMeta): void {
    const { revision, timeMs, nextClientId, nextNamespaceId, nextLeaseId, compactedRevision } = meta;
    const hash = new ItemHash().text("meta").number(revision).number(timeMs).number(nextClientId);
    hash.number(nextNamespaceId).number(nextLeaseId).number(compactedRevision).number(meta.verifyRound);
    this.put(this.single, "meta", hash.value);
  }

  private writeNamespace(namespace: NamespaceState): void {
    const { id, name, generation, keyCount, byteCount, keysMax, bytesMax } = namespace;
    const hash = new ItemHash().text("namespace").text(name).number(id).number(generation);
    hash
      .number(keyCount)
      .number(byteCount)
      .number(keysMax ?? -1)
      .number(bytesMax ?? -1);
    hash.number(namespace.oldestRevision).number(namespace.firstEventRevision);
    this.put(this.single, `namespace ${id}`, hash.value);
  }

  private writeLease({ leaseId, namespaceId, ttlMs, deadlineMs }: LeaseState): void {
    const hash = new ItemHash().text("lease").number(leaseId).number(namespaceId).number(ttlMs);
    this.put(this.leases, leaseId, hash.number(deadlineMs ?? -1).value);
  }

  private attach({ leaseId, namespaceId, generation, key }: LeaseKey): void {
    const hash = new ItemHash().text("lease key").number(leaseId).number(namespaceId).number(generation);
    const keys = within(this.leaseKeys, `${namespaceId}/${generation}`);
    this.put(keys, `${leaseId}/${byteKey(key)}`, hash.bytes(key).value);
  }

  private detach({ leaseId, namespaceId, generation, key }: LeaseKey): void {
    this.remove(within(this.leaseKeys, `${namespaceId}/${generation}`), `${leaseId}/${byteKey(key)}`);
  }

  private endGeneration(namespaceId: number, generation: number): void {
    this.removeAll(this.recordsOf(namespaceId, generation));
    this.removeAll(within(this.leaseKeys, `${namespaceId}/${generation}`));
  }

  private writeSession(session: SessionState): void {
    const { clientId, namespaceId, ttlMs, deadlineMs, firstUnanswered } = session;
    const hash = new ItemHash().text("session").number(clientId).number(namespaceId).number(ttlMs);
    this.put(this.sessions, clientId, hash.number(deadlineMs ?? -1).number(firstUnanswered).value);
  }

  private writeAnswer({ clientId, sequence, answer }: SessionAnswer): void {
    const hash = new ItemHash().text("answer").number(clientId).number(sequence).bytes(answer);
    this.put(this.answersOf(clientId), sequence, hash.value);
  }

  private writeMembership({ epoch, configuration, members, retiredStores }: MembershipState): void {
    const hash = new ItemHash().text("membership").number(epoch);
    const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
    for (const list of [voters, votersOutgoing, learners, learnersNext, retiredStores]) {
      hash.number(list.length);
      for (const name of list) hash.text(name);
    }
    hash.number(autoLeave ? 1 : 0);
    for (const member of members) {
      hash.text(member.memberId).text(member.clientAddress).text(member.peerAddress);
      hash
        .text(member.storeId ?? "")
        .text(member.replaces)
        .number(member.priority);
      hash.number(member.promoteWhenCaughtUp ? 1 : 0);
    }
    this.put(this.single, "membership", hash.value);
  }

  private change(change: Change): void {
    const { namespaceId, generation } = change;
    switch (change.kind) {
      case "put":
        this.writeRecord(namespaceId, generation, change.record);
        return;
      case "delete":
        this.remove(this.recordsOf(namespaceId, generation), byteKey(change.key));
        return;
      case "truncate":
        this.endGeneration(namespaceId, generation);
    }
  }

  private writeRecord(namespaceId: number, generation: number, record: StoredRecord): void {
    const { key, value, createRevision, modRevision, version, leaseId } = record;
    const hash = new ItemHash().text("record").number(namespaceId).number(generation).bytes(key).bytes(value);
    hash.number(createRevision).number(modRevision).number(version).number(leaseId);
    this.put(this.recordsOf(namespaceId, generation), byteKey(key), hash.value);
  }

  private endSession(clientId: number): void {
    this.remove(this.sessions, clientId);
    this.removeAll(this.answersOf(clientId));
    this.answers.delete(clientId);
  }

  private answersOf(clientId: number): Map<number, number> {
    return within(this.answers, clientId);
  }

  private recordsOf(namespaceId: number, generation: number): Map<string, number> {
    return within(this.records, `${namespaceId}/${generation}`);
  }

  private put<K>(items: Map<K, number>, name: K, hash: number): void {
    const before = items.get(name);
    if (before === hash) return;
    if (before !== undefined) this.count(before, -1);
    items.set(name, hash);
    this.count(hash, 1);
  }

  private remove<K>(items: Map<K, number>, name: K): void {
    const before = items.get(name);
    if (before === undefined) return;
    items.delete(name);
    this.count(before, -1);
  }

  private removeAll<K>(items: Map<K, number>): void {
    for (const hash of items.values()) this.count(hash, -1);
    items.clear();
  }

  private count(hash: number, sign: 1 | -1): void {
    this.low = (this.low + sign * (hash % 0x1_0000_0000)) >>> 0;
    this.high = (this.high + sign * Math.floor(hash / 0x1_0000_0000)) >>> 0;
  }
}

function within<K, I>(all: Map<K, Map<I, number>>, name: K): Map<I, number> {
  let found = all.get(name);
  if (found === undefined) {
    found = new Map();
    all.set(name, found);
  }
  return found;
}
