import {
  byteKey,
  type Change,
  firstEvent,
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type MemberStore,
  type NamespaceState,
  oldestReadable,
  type ResidentState,
  type SessionAnswer,
  type SessionState,
  type StateMeta,
  type StateWrites,
} from "#kv";
import type { EntryId } from "#raft";
import { assert, compareBytes, compareStrings } from "#std";
import { ChangeLog } from "./change-log";
import { DiskFaults } from "./disk-faults";
import { Generation } from "./generation";
import { put, remove, type Undo } from "./undo";

/** A state that outlives the store that writes it. It remembers how to undo each batch since the last checkpoint. */
export class MemoryStateDisk {
  /** Hooks and failures to come. */
  readonly faults = new DiskFaults();
  private meta: StateMeta = INITIAL_STATE.meta;
  private appliedId: EntryId = { term: 0, index: 0 };
  private readonly namespaces = new Map<number, NamespaceState>();
  private readonly sessions = new Map<number, SessionState>();
  private readonly answers = new Map<number, Map<number, SessionAnswer>>();
  private readonly memberStores = new Map<string, MemberStore>();
  private readonly leases = new Map<number, LeaseState>();
  private readonly leaseKeys = new Map<string, LeaseKey>();
  private readonly generations = new Map<string, Generation>();
  private readonly changeLogs = new Map<number, ChangeLog>();
  /** Up to which revision each namespace was freed of what is given up. */
  private readonly reclaimedTo = new Map<number, number>();
  /** One list a batch, oldest first. */
  private undos: Undo[][] = [];
  /** Those up to the checkpoint that rollBack() may still undo, oldest first. */
  private durableUndos: Undo[][] = [];
  private durableIndex = 0;
  private damaged = false;

  /**
   * @param checkpointBatches a checkpoint is made by itself after so many batches
   * @param keptBatches how many batches before the checkpoint rollBack() can go back
   */
  constructor(
    private readonly checkpointBatches = 64,
    private readonly keptBatches = 0,
  ) {
    assert(checkpointBatches >= 1, "a checkpoint covers at least one batch");
    for (const namespace of INITIAL_STATE.namespaces) this.namespaces.set(namespace.id, namespace);
  }

  get applied(): EntryId {
    return this.appliedId;
  }

  /** Of the last change. */
  get revision(): number {
    return this.meta.revision;
  }

  get checkpointIndex(): number {
    return this.durableIndex;
  }

  /** Batches that a crash could lose. */
  get unsyncedBatches(): number {
    return this.undos.length;
  }

  /** Batches that rollBack() could take back. */
  get knownBatches(): number {
    return this.durableUndos.length + this.undos.length;
  }

  /** A hole has come to be in what is stored: a store that is opened finds it, and starts empty. */
  get isDamaged(): boolean {
    return this.damaged;
  }

  damage(): void {
    this.damaged = true;
  }

  /** In the order of ids, sequences and names. */
  resident(): ResidentState {
    const sessions = [...this.sessions.values()].sort((left, right) => left.clientId - right.clientId);
    const clientIds = [...this.answers.keys()].sort((left, right) => left - right);
    return {
      meta: this.meta,
      namespaces: [...this.namespaces.values()].sort((left, right) => left.id - right.id),
      sessions,
      answers: clientIds.flatMap((clientId) =>
        [...(this.answers.get(clientId)?.values() ?? [])].sort(
          (left, right) => left.sequence - right.sequence,
        ),
      ),
      memberStores: [...this.memberStores.values()].sort((left, right) =>
        compareStrings(left.memberId, right.memberId),
      ),
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

  write(applied: EntryId, writes: StateWrites): void {
    const undo: Undo[] = [];
    const { meta, appliedId } = this;
    undo.push(() => {
      this.meta = meta;
      this.appliedId = appliedId;
    });
    this.meta = writes.meta;
    this.appliedId = { term: applied.term, index: applied.index };
    for (const namespace of writes.namespaces) undo.push(put(this.namespaces, namespace.id, namespace));
    for (const member of writes.memberStores) undo.push(put(this.memberStores, member.memberId, member));
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
    this.undos.push(undo);
    if (this.undos.length >= this.checkpointBatches) this.checkpoint();
  }

  /** Makes all that was written safe from crashes. */
  checkpoint(): void {
    // What is given up as of a checkpoint stays so, for no crash takes back the batch that gave it up.
    this.undos.at(-1)?.push(...this.reclaim());
    if (this.keptBatches > 0) {
      this.durableUndos.push(...this.undos);
      this.durableUndos.splice(0, Math.max(0, this.durableUndos.length - this.keptBatches));
    }
    this.undos = [];
    this.durableIndex = this.appliedId.index;
  }

  /** A closed disk is replaced by an older copy of it: that of so many batches before, at most knownBatches. */
  rollBack({ batches }: { readonly batches: number }): void {
    assert(batches <= this.knownBatches, "a disk goes back only as far as it remembers");
    this.durableUndos.push(...this.undos);
    this.undos = [];
    for (let count = 0; count < batches; count += 1) {
      for (const undo of (this.durableUndos.pop() as Undo[]).reverse()) undo();
    }
    this.checkpoint();
  }

  /** All that is there is given up: it is as before the first command. */
  empty(): void {
    this.meta = INITIAL_STATE.meta;
    this.appliedId = { term: 0, index: 0 };
    for (const map of [
      this.namespaces,
      this.sessions,
      this.answers,
      this.memberStores,
      this.leases,
      this.leaseKeys,
      this.generations,
      this.changeLogs,
      this.reclaimedTo,
    ]) {
      map.clear();
    }
    for (const namespace of INITIAL_STATE.namespaces) this.namespaces.set(namespace.id, namespace);
    this.undos = [];
    this.durableUndos = [];
    this.durableIndex = 0;
    this.damaged = false;
  }

  /**
   * Ends the open store and takes back the last batches, at most those since the last checkpoint. What is then there
   * is durable: the next store finds it so.
   */
  crash({ batchesLost }: { readonly batchesLost: number }): void {
    this.faults.release("the disk lost power");
    for (let lost = 0; lost < batchesLost && this.undos.length > 0; lost += 1) {
      for (const undo of (this.undos.pop() as Undo[]).reverse()) undo();
    }
    this.checkpoint();
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
    const stored = { ...record, valueBytes: record.value.length };
    return generation.put(byteKey(record.key), revision, stored);
  }

  /** Gives up what a generation held. */
  private end(namespaceId: number, generation: number): Undo {
    return remove(this.generations, generationName(namespaceId, generation));
  }

  /** Frees what compactions gave up. */
  private reclaim(): readonly Undo[] {
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
