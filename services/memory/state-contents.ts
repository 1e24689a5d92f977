import {
  byteKey,
  type Change,
  firstEvent,
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type MembershipState,
  type NamespaceState,
  oldestReadable,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateWrites,
  type StoredRecord,
} from "#kv";
import type { EntryId } from "#raft";
import type { RecordRepair } from "#replica";
import { compareBytes } from "#std";
import { ChangeLog } from "./change-log";
import { Generation, type Version } from "./generation";
import { put, remove, type Undo } from "./undo";

/** A state as a whole. Each of its changes can be undone, in the opposite order. */
export class StateContents {
  private meta: StateMeta = INITIAL_STATE.meta;
  private appliedId: EntryId = { term: 0, index: 0 };
  private readonly namespaces = new Map<number, NamespaceState>();
  private readonly sessions = new Map<number, SessionState>();
  private readonly answers = new Map<number, Map<number, SessionAnswer>>();
  private readonly leases = new Map<number, LeaseState>();
  private readonly leaseKeys = new Map<string, LeaseKey>();
  private readonly generations = new Map<string, Generation>();
  private readonly changeLogs = new Map<number, ChangeLog>();
  /** Up to which revision each namespace was freed of what is given up. */
  private readonly reclaimedTo = new Map<number, number>();

  constructor(private membership: MembershipState) {}

  /** The state before the first command. */
  static founding(membership: MembershipState): StateContents {
    const contents = new StateContents(membership);
    for (const namespace of INITIAL_STATE.namespaces) contents.namespaces.set(namespace.id, namespace);
    return contents;
  }

  /** What the rows hold, in any order. */
  static of(rows: Iterable<StateRow>): StateContents {
    const contents = new StateContents(INITIAL_STATE.membership);
    for (const row of rows) contents.take(row);
    return contents;
  }

  get applied(): EntryId {
    return this.appliedId;
  }

  /** Of the last change. */
  get revision(): number {
    return this.meta.revision;
  }

  /** In the order of ids, sequences and names. */
  resident(): ResidentState {
    const clientIds = [...this.answers.keys()].sort((left, right) => left - right);
    return {
      meta: this.meta,
      namespaces: [...this.namespaces.values()].sort((left, right) => left.id - right.id),
      sessions: [...this.sessions.values()].sort((left, right) => left.clientId - right.clientId),
      answers: clientIds.flatMap((clientId) =>
        [...(this.answers.get(clientId)?.values() ?? [])].sort(
          (left, right) => left.sequence - right.sequence,
        ),
      ),
      membership: this.membership,
      leases: [...this.leases.values()].sort((left, right) => left.leaseId - right.leaseId),
      leaseKeys: [...this.leaseKeys.values()]
        .filter(({ namespaceId, generation }) => this.namespaces.get(namespaceId)?.generation === generation)
        .sort(compareLeaseKeys),
    };
  }

  /** The generation that a namespace is in; 0 for an unknown namespace. */
  presentGeneration(namespaceId: number): number {
    return this.namespaces.get(namespaceId)?.generation ?? 0;
  }

  /** Whether a generation, as it was at that revision, can be read. */
  isReadable(namespaceId: number, generation: number, revision: number): boolean {
    const namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined || generation < namespace.generation) return false;
    return revision >= oldestReadable(namespace, this.meta);
  }

  /** Whether what changed at a revision can be told. */
  isTold(namespaceId: number, revision: number): boolean {
    const namespace = this.namespaces.get(namespaceId);
    return namespace !== undefined && revision >= firstEvent(namespace, this.meta);
  }

  changeLog(namespaceId: number): ChangeLog {
    let found = this.changeLogs.get(namespaceId);
    if (found === undefined) {
      found = new ChangeLog();
      this.changeLogs.set(namespaceId, found);
    }
    return found;
  }

  generation(namespaceId: number, generation: number): Generation {
    const name = generationName(namespaceId, generation);
    let found = this.generations.get(name);
    if (found === undefined) {
      found = new Generation();
      this.generations.set(name, found);
    }
    return found;
  }

  write(applied: EntryId, writes: StateWrites): Undo[] {
    const undo: Undo[] = [];
    const { meta, appliedId, membership } = this;
    undo.push(() => {
      this.meta = meta;
      this.appliedId = appliedId;
      this.membership = membership;
    });
    this.meta = writes.meta;
    this.appliedId = { term: applied.term, index: applied.index };
    this.membership = writes.membership ?? membership;
    for (const namespace of writes.namespaces) undo.push(put(this.namespaces, namespace.id, namespace));
    for (const session of writes.sessions) undo.push(put(this.sessions, session.clientId, session));
    for (const answer of writes.answers) {
      undo.push(put(this.answersOf(answer.clientId), answer.sequence, answer));
    }
    for (const { clientId, sequence } of writes.answersDropped) {
      undo.push(remove(this.answersOf(clientId), sequence));
    }
    for (const clientId of writes.sessionsEnded) {
      undo.push(remove(this.sessions, clientId), remove(this.answers, clientId));
    }
    for (const lease of writes.leases) undo.push(put(this.leases, lease.leaseId, lease));
    for (const leaseId of writes.leasesEnded) undo.push(remove(this.leases, leaseId));
    for (const key of writes.leaseKeysDetached) undo.push(remove(this.leaseKeys, leaseKeyName(key)));
    for (const key of writes.leaseKeysAttached) undo.push(put(this.leaseKeys, leaseKeyName(key), key));
    for (const change of writes.changes) undo.push(this.change(change));
    for (const { id, generation } of writes.namespacesDeleted) {
      undo.push(remove(this.namespaces, id), remove(this.changeLogs, id), this.end(id, generation));
    }
    return undo;
  }

  repair(repairs: readonly RecordRepair[]): Undo[] {
    return repairs.map(({ namespaceId, generation, key, record }) =>
      this.generation(namespaceId, generation).repair(byteKey(key), record),
    );
  }

  /** Frees what compactions gave up. */
  reclaim(): Undo[] {
    const undo: Undo[] = [];
    for (const namespace of this.namespaces.values()) {
      const { id, generation } = namespace;
      const floor = firstEvent(namespace, this.meta) - 1;
      if (floor <= (this.reclaimedTo.get(id) ?? 0)) continue;
      undo.push(put(this.reclaimedTo, id, floor));
      undo.push(put(this.changeLogs, id, this.changeLog(id).since(floor)));
      const kept = this.generation(id, generation).since(floor);
      undo.push(put(this.generations, generationName(id, generation), kept));
    }
    return undo;
  }

  /** The same, unmoved by what becomes of this one. */
  copy(): StateContents {
    const copy = new StateContents(this.membership);
    copy.meta = this.meta;
    copy.appliedId = this.appliedId;
    copyInto(this.namespaces, copy.namespaces);
    copyInto(this.sessions, copy.sessions);
    for (const [clientId, answers] of this.answers) copy.answers.set(clientId, new Map(answers));
    copyInto(this.leases, copy.leases);
    copyInto(this.leaseKeys, copy.leaseKeys);
    for (const [name, generation] of this.generations) copy.generations.set(name, generation.since(0));
    for (const [id, changes] of this.changeLogs) copy.changeLogs.set(id, changes.since(0));
    copyInto(this.reclaimedTo, copy.reclaimedTo);
    return copy;
  }

  /** All that is there, always in the same order. */
  *rows(): Generator<StateRow> {
    yield { kind: "head", meta: this.meta, applied: this.appliedId, membership: this.membership };
    for (const namespace of this.namespaces.values()) yield { kind: "namespace", namespace };
    for (const session of this.sessions.values()) yield { kind: "session", session };
    for (const answers of this.answers.values()) {
      for (const answer of answers.values()) yield { kind: "answer", answer };
    }
    for (const lease of this.leases.values()) yield { kind: "lease", lease };
    for (const leaseKey of this.leaseKeys.values()) yield { kind: "leaseKey", leaseKey };
    for (const [name, generation] of this.generations) {
      for (const [key, version] of generation.rows()) yield { kind: "version", name, key, version };
    }
    for (const changes of this.changeLogs.values()) {
      for (const change of changes) yield { kind: "change", change };
    }
  }

  private take(row: StateRow): void {
    switch (row.kind) {
      case "head":
        this.meta = row.meta;
        this.appliedId = row.applied;
        this.membership = row.membership;
        break;
      case "namespace":
        this.namespaces.set(row.namespace.id, row.namespace);
        break;
      case "session":
        this.sessions.set(row.session.clientId, row.session);
        break;
      case "answer":
        this.answersOf(row.answer.clientId).set(row.answer.sequence, row.answer);
        break;
      case "lease":
        this.leases.set(row.lease.leaseId, row.lease);
        break;
      case "leaseKey":
        this.leaseKeys.set(leaseKeyName(row.leaseKey), row.leaseKey);
        break;
      case "version": {
        const generation = this.generations.get(row.name) ?? new Generation();
        this.generations.set(row.name, generation);
        generation.put(row.key, row.version.revision, row.version.record);
        break;
      }
      case "change":
        this.changeLog(row.change.namespaceId).push(row.change);
        break;
    }
  }

  private answersOf(clientId: number): Map<number, SessionAnswer> {
    let answers = this.answers.get(clientId);
    if (answers === undefined) {
      answers = new Map();
      this.answers.set(clientId, answers);
    }
    return answers;
  }

  private change(change: Change): Undo {
    const { namespaceId, revision } = change;
    const undoLog = this.changeLog(namespaceId).push(change);
    const undoRecords = this.changeRecords(change, revision);
    return () => {
      undoRecords();
      undoLog();
    };
  }

  private changeRecords(change: Change, revision: number): Undo {
    if (change.kind === "truncate") return this.end(change.namespaceId, change.generation);
    const generation = this.generation(change.namespaceId, change.generation);
    if (change.kind === "delete") return generation.put(byteKey(change.key), revision, null);
    const { record } = change;
    const stored: StoredRecord = { ...record, valueBytes: record.value.length };
    return generation.put(byteKey(record.key), revision, stored);
  }

  /** Gives up what a generation held. */
  private end(namespaceId: number, generation: number): Undo {
    return remove(this.generations, generationName(namespaceId, generation));
  }
}

/** A part of a state. */
export type StateRow =
  | {
      readonly kind: "head";
      readonly meta: StateMeta;
      readonly applied: EntryId;
      readonly membership: MembershipState;
    }
  | { readonly kind: "namespace"; readonly namespace: NamespaceState }
  | { readonly kind: "session"; readonly session: SessionState }
  | { readonly kind: "answer"; readonly answer: SessionAnswer }
  | { readonly kind: "lease"; readonly lease: LeaseState }
  | { readonly kind: "leaseKey"; readonly leaseKey: LeaseKey }
  | { readonly kind: "version"; readonly name: string; readonly key: string; readonly version: Version }
  | { readonly kind: "change"; readonly change: Change };

function copyInto<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>): void {
  for (const [key, value] of from) to.set(key, value);
}

function generationName(namespaceId: number, generation: number): string {
  return `${namespaceId}/${generation}`;
}

function leaseKeyName({ leaseId, namespaceId, generation, key }: LeaseKey): string {
  return `${namespaceId}/${generation}/${leaseId}/${byteKey(key)}`;
}

function compareLeaseKeys(left: LeaseKey, right: LeaseKey): number {
  if (left.namespaceId !== right.namespaceId) return left.namespaceId - right.namespaceId;
  if (left.leaseId !== right.leaseId) return left.leaseId - right.leaseId;
  return compareBytes(left.key, right.key);
}
