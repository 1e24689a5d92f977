import {
  byteKey,
  type Change,
  foundingMembership,
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type MembershipState,
  type NamespaceState,
  RANGE_RECORD_OVERHEAD_BYTES,
  type RangeRead,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateReads,
  type StateView,
  type StateWrites,
  type StoredRecord,
} from "@quorate/services/kv";
import { assert, compareBytes, EMPTY_BYTES } from "@quorate/services/std";
import { FOUNDERS } from "./founders";

/**
 * A state store as plain as can be: it does what the writes say, and its views are strict. A key that was not declared
 * throws, and a value that was not declared is not there.
 */
export class ModelStore {
  private meta: StateMeta = INITIAL_STATE.meta;
  private readonly namespaces = new Map<number, NamespaceState>();
  private readonly sessions = new Map<number, SessionState>();
  private readonly answers = new Map<string, SessionAnswer>();
  private membership: MembershipState = foundingMembership(FOUNDERS);
  private readonly leases = new Map<number, LeaseState>();
  private readonly leaseKeys = new Map<string, LeaseKey>();
  private readonly records = new Map<string, StoredRecord>();
  readonly changes: Change[] = [];

  constructor() {
    for (const namespace of INITIAL_STATE.namespaces) this.namespaces.set(namespace.id, namespace);
  }

  read(reads: readonly StateReads[]): StateView {
    const declared = new Map<string, boolean>();
    for (const { namespaceId, generation, key, withValue } of reads.flatMap((read) => read.keys)) {
      const id = recordKey(namespaceId, generation, key);
      declared.set(id, withValue || declared.get(id) === true);
    }
    const ranges = reads.flatMap((read) => read.ranges);
    const found = ranges.map((range) =>
      cutTo(
        range,
        this.sorted(range.namespaceId, range.generation)
          .filter((record) => compareBytes(record.key, range.start) >= 0)
          .filter((record) => range.end === null || compareBytes(record.key, range.end) < 0),
      ),
    );
    const snapshot = new Map(this.records);
    return {
      get(namespaceId, generation, key) {
        const id = recordKey(namespaceId, generation, key);
        const withValue = declared.get(id);
        assert(withValue !== undefined, "the key was declared");
        const record = snapshot.get(id) ?? null;
        return record === null || withValue ? record : withoutValue(record);
      },
      range(position) {
        const records = found[position];
        assert(records !== undefined, "the range was declared");
        return records;
      },
    };
  }

  write(writes: StateWrites): void {
    this.meta = writes.meta;
    for (const namespace of writes.namespaces) this.namespaces.set(namespace.id, namespace);
    for (const session of writes.sessions) this.sessions.set(session.clientId, session);
    for (const answer of writes.answers) this.answers.set(`${answer.clientId}/${answer.sequence}`, answer);
    for (const { clientId, sequence } of writes.answersDropped)
      this.answers.delete(`${clientId}/${sequence}`);
    for (const clientId of writes.sessionsEnded) {
      this.sessions.delete(clientId);
      for (const [id, answer] of this.answers) if (answer.clientId === clientId) this.answers.delete(id);
    }
    this.membership = writes.membership ?? this.membership;
    for (const lease of writes.leases) this.leases.set(lease.leaseId, lease);
    for (const leaseId of writes.leasesEnded) this.leases.delete(leaseId);
    for (const leaseKey of writes.leaseKeysDetached) {
      assert(this.leaseKeys.delete(attachment(leaseKey)), "a key that is detached was attached");
    }
    for (const leaseKey of writes.leaseKeysAttached) {
      assert(!this.leaseKeys.has(attachment(leaseKey)), "a key is attached once");
      this.leaseKeys.set(attachment(leaseKey), leaseKey);
    }
    for (const { id } of writes.namespacesDeleted) this.namespaces.delete(id);
    for (const change of writes.changes) this.change(change);
    this.changes.push(...writes.changes);
  }

  resident(): ResidentState {
    return {
      meta: this.meta,
      namespaces: [...this.namespaces.values()].sort((left, right) => left.id - right.id),
      sessions: [...this.sessions.values()].sort((left, right) => left.clientId - right.clientId),
      answers: [...this.answers.values()].sort(
        (left, right) => left.clientId - right.clientId || left.sequence - right.sequence,
      ),
      membership: this.membership,
      leases: [...this.leases.values()].sort((left, right) => left.leaseId - right.leaseId),
      leaseKeys: [...this.leaseKeys.values()]
        .filter(({ namespaceId, generation }) => this.namespaces.get(namespaceId)?.generation === generation)
        .sort((left, right) => left.leaseId - right.leaseId || compareBytes(left.key, right.key)),
    };
  }

  /** The records of the present generation of a namespace, in key order. */
  contents(namespaceId = 1): readonly StoredRecord[] {
    const namespace = this.namespaces.get(namespaceId);
    assert(namespace !== undefined, "the namespace is there");
    return this.sorted(namespaceId, namespace.generation);
  }

  private change(change: Change): void {
    const { namespaceId, generation } = change;
    switch (change.kind) {
      case "put":
        this.records.set(recordKey(namespaceId, generation, change.record.key), change.record);
        break;
      case "delete":
        this.records.delete(recordKey(namespaceId, generation, change.key));
        break;
      case "truncate":
        for (const id of this.records.keys()) {
          if (id.startsWith(`${namespaceId}/${generation}/`)) this.records.delete(id);
        }
    }
  }

  private sorted(namespaceId: number, generation: number): StoredRecord[] {
    return [...this.records]
      .filter(([id]) => id.startsWith(`${namespaceId}/${generation}/`))
      .map(([, record]) => record)
      .sort((left, right) => compareBytes(left.key, right.key));
  }
}

function recordKey(namespaceId: number, generation: number, key: Uint8Array): string {
  return `${namespaceId}/${generation}/${byteKey(key)}`;
}

function attachment({ leaseId, namespaceId, generation, key }: LeaseKey): string {
  return `${leaseId}/${recordKey(namespaceId, generation, key)}`;
}

/** As RangeRead says: as many as are wanted, and of values no more than the bound and what passes it. */
function cutTo(range: RangeRead, records: readonly StoredRecord[]): readonly StoredRecord[] {
  let keyBytes = 0;
  const first = records.slice(0, range.limit).filter(({ key }) => {
    const isWanted = keyBytes <= range.keyBytesMax;
    keyBytes += key.length + RANGE_RECORD_OVERHEAD_BYTES;
    return isWanted;
  });
  if (!range.withValues) return first.map(withoutValue);
  let bytes = 0;
  return first.filter(({ valueBytes }) => {
    const isWanted = bytes <= range.valueBytesMax;
    bytes += valueBytes;
    return isWanted;
  });
}

function withoutValue(record: StoredRecord): StoredRecord {
  return { ...record, value: EMPTY_BYTES };
}
