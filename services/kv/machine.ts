import { type Answer, Refusal } from "@quorate/proto/log";
import { assert, unreachable } from "#std";
import { DONE, decodeAnswer, done, encodeAnswer, type Result, refused } from "./answer";
import { Batch } from "./batch";
import type { CheckedCommand } from "./checked-command";
import { leaseReads, NO_READS } from "./command-reads";
import { endLease, grantLease, renewLeases, revokeLease } from "./lease-operations";
import { LeaseTable } from "./lease-table";
import { SESSIONS_MAX, TIME_MS_MAX } from "./limits";
import type { MemberState, MembershipState } from "./membership";
import { MembershipTable } from "./membership-table";
import type { Namespace } from "./namespace";
import {
  compact,
  createNamespace,
  deleteNamespace,
  setQuota,
  unknownNamespace,
} from "./namespace-operations";
import { NamespaceTable } from "./namespace-table";
import { originOf } from "./origin";
import { applyRecordOperation, type RecordOperation, recordReads } from "./record-operation";
import { type SessionRequest, SessionTable } from "./session-table";
import type { LeaseState, NamespaceState, ResidentState, StateMeta, StateWrites } from "./state";
import type { CommandReads, StateView } from "./view";

/** What applying a batch gives: an answer for each command, in order, and what is to be written. */
export interface Applied {
  readonly answers: readonly Answer[];
  readonly writes: StateWrites;
}

/** A lease as of the last command. */
export interface LeaseStatus extends LeaseState {
  /** In replicated time, at least 0. A lease whose time is up is there until a Tick ends it. */
  readonly remainingMs: number;
  readonly keyCount: number;
}

type Operation = CheckedCommand["operation"];
type MembersOperation = Extract<Operation, { $case: "recordStore" | "changeMembership" | "updateMember" }>;
type TickOperation = Extract<Operation, { $case: "tick" }>;
/** Those that a session answers once. */
type WriteOperation = Exclude<
  Operation,
  {
    $case:
      | "openSession"
      | "closeSession"
      | "tick"
      | "renewLeases"
      | "recordStore"
      | "changeMembership"
      | "updateMember"
      | "verify";
  }
>;

/**
 * The replicated state machine: the same commands in the same order give the same answers and the same state on each
 * replica, however they are cut into batches. Everything but the records is kept in memory, and mirrored in the writes.
 *
 * For each batch: `reads` for each of its commands, the store's view of all of that, `apply`, the store's write.
 */
export class StateMachine {
  private revision: number;
  private timeMs: number;
  private compactedRevision: number;
  private readonly namespaces: NamespaceTable;
  private readonly sessions: SessionTable;
  private readonly leases: LeaseTable;
  private readonly members: MembershipTable;
  private verifyRound: number;

  constructor(resident: ResidentState) {
    const { meta } = resident;
    this.revision = meta.revision;
    this.timeMs = meta.timeMs;
    this.compactedRevision = meta.compactedRevision;
    this.namespaces = new NamespaceTable(resident.namespaces, meta.nextNamespaceId);
    this.sessions = new SessionTable(resident.sessions, resident.answers, meta.nextClientId);
    this.leases = new LeaseTable(resident.leases, resident.leaseKeys, meta.nextLeaseId);
    this.members = new MembershipTable(resident.membership);
    this.verifyRound = meta.verifyRound;
  }

  get meta(): StateMeta {
    const { revision, timeMs, compactedRevision, verifyRound } = this;
    const { nextClientId } = this.sessions;
    const { nextNamespaceId } = this.namespaces;
    const { nextLeaseId } = this.leases;
    return {
      revision,
      timeMs,
      nextClientId,
      nextNamespaceId,
      nextLeaseId,
      compactedRevision,
      verifyRound,
    };
  }

  get sessionCount(): number {
    return this.sessions.count;
  }

  get leaseCount(): number {
    return this.leases.count;
  }

  /** Keys, and bytes of keys and newest values, over all namespaces. */
  get totals(): { readonly keys: number; readonly bytes: number } {
    return this.namespaces.totals;
  }

  /** @param name empty for the default one */
  namespace(name: string): NamespaceState | null {
    return this.namespaces.get(name)?.snapshot() ?? null;
  }

  lease(leaseId: number): LeaseStatus | null {
    const lease = this.leases.get(leaseId);
    return lease === null ? null : this.statusOf(lease);
  }

  /** The leases of a namespace, sorted by id. */
  leasesOf(namespaceId: number): readonly LeaseStatus[] {
    return this.leases.ofNamespace(namespaceId).map((lease) => this.statusOf(lease));
  }

  /** The keys that are attached to a lease, sorted; none where there is no such lease. */
  leaseKeys(leaseId: number): readonly Uint8Array[] {
    return this.leases.keys(leaseId).map(({ key }) => key);
  }

  get membership(): MembershipState {
    return this.members.state;
  }

  /** null when there is no such member. */
  member(memberId: string): MemberState | null {
    return this.members.get(memberId);
  }

  /** All that is kept in memory, sorted: what a store that made all writes holds. */
  resident(): ResidentState {
    return {
      meta: this.meta,
      namespaces: this.namespaces.resident(),
      ...this.sessions.resident(),
      ...this.leases.resident(),
      membership: this.members.state,
    };
  }

  /**
   * What a command of the next batch needs from the store, as far as it can be told before the batch: it may turn out
   * to need less. Of one that starts its batch it is exact.
   */
  reads(command: CheckedCommand | null): CommandReads {
    if (command === null || command.fault !== undefined) return NO_READS;
    const { operation } = command;
    if (operation.$case === "tick") return this.tickReads(Number(operation.value.elapsedMs));
    if (operation.$case === "verify") return { ...NO_READS, endsBatch: true };
    const namespace = this.namespaces.get(command.namespace);
    if (namespace === null || !this.mayBeFresh(command.requestId, namespace)) return NO_READS;
    switch (operation.$case) {
      case "put":
      case "delete":
      case "deleteRange":
      case "increment":
      case "append":
      case "truncate":
      case "txn":
        return recordReads(namespace, operation);
      case "revokeLease":
        return this.revokeReads(Number(operation.value.leaseId), namespace);
      case "createNamespace":
      case "deleteNamespace":
      case "setQuota":
      case "compact":
      case "grantLease":
      case "renewLeases":
      case "openSession":
      case "closeSession":
      case "recordStore":
      case "changeMembership":
      case "updateMember":
        return NO_READS;
      default:
        return unreachable(operation);
    }
  }

  /**
   * Applies a batch. What it changes is in memory at once, so the writes must reach the store before the next batch is
   * applied; when they cannot, the machine is of no more use.
   *
   * @param commands as readCommand gave them: null for one that it could not make out
   * @param view the answers to `reads` of all commands, as of the last write; a key that was asked for with and
   * without its value is there with it
   */
  apply(commands: readonly (CheckedCommand | null)[], view: StateView): Applied {
    const batch = new Batch(view, this.revision, this.leases);
    const answers: Answer[] = [];
    for (const command of commands) {
      const answer = this.applyCommand(command, batch);
      assert(this.revision === batch.revision, "the machine is at the revision of its batch");
      answers.push(answer);
    }
    return { answers, writes: this.takeWrites(batch) };
  }

  private applyCommand(command: CheckedCommand | null, batch: Batch): Answer {
    if (command === null) {
      return this.answer(refused(Refusal.UNKNOWN_COMMAND, "the command is malformed or of no known kind"));
    }
    const { fault, operation } = command;
    if (fault !== undefined) return this.answer(refused(Refusal.UNKNOWN_COMMAND, fault));
    if (operation.$case === "tick") return this.tick(command, operation, batch);
    if (operation.$case === "verify") return this.answer(this.verify());
    if (isOfMembers(operation)) return this.answer(this.changeMembers(operation));
    if (operation.$case === "compact" && operation.value.allNamespaces) {
      return this.answer(this.compactAll(Number(operation.value.revision)));
    }
    const namespace = this.namespaces.get(command.namespace);
    if (namespace === null) return this.answer(unknownNamespace(command.namespace));
    switch (operation.$case) {
      case "openSession":
        return this.answer(this.openSession(namespace, operation.value.ttlMs));
      case "closeSession":
        this.sessions.close(Number(operation.value.clientId), namespace.id);
        return this.answer(DONE);
      case "renewLeases":
        return this.answer(renewLeases(this.leases, namespace, operation.value.leaseIds));
      default:
        return this.applyOnce(command, operation, namespace, batch);
    }
  }

  /** Session table first, then the command: a request that was answered before is answered alike and changes nothing. */
  private applyOnce(
    command: CheckedCommand,
    operation: WriteOperation,
    namespace: Namespace,
    batch: Batch,
  ): Answer {
    const { requestId: request } = command;
    if (request === null) return this.applyWrite(command, operation, namespace, batch);
    const admission = this.sessions.admit(request, namespace.id);
    switch (admission.kind) {
      case "answered":
        return decodeAnswer(admission.answer);
      case "expired":
        return this.answer(refused(Refusal.SESSION_EXPIRED, admission.message));
      case "dropped":
        return this.answer(refused(Refusal.ANSWER_DROPPED, admission.message));
      case "out_of_order":
        return this.answer(refused(Refusal.OUT_OF_ORDER, admission.message));
      case "window_full":
        return this.answer(refused(Refusal.SESSION_WINDOW_FULL, admission.message));
      case "fresh": {
        const answer = this.applyWrite(command, operation, namespace, batch);
        this.sessions.keep(request, encodeAnswer(answer, this.revision));
        return answer;
      }
      default:
        return unreachable(admission);
    }
  }

  private changeMembers(operation: MembersOperation): Result {
    switch (operation.$case) {
      case "recordStore":
        return this.members.record(operation.value);
      case "changeMembership":
        return this.members.change(operation.value);
      case "updateMember":
        return this.members.update(operation.value.member!);
      default:
        return unreachable(operation);
    }
  }

  private verify(): Result {
    this.verifyRound += 1;
    return DONE;
  }

  private applyWrite(
    command: CheckedCommand,
    operation: WriteOperation,
    namespace: Namespace,
    batch: Batch,
  ): Answer {
    const result = this.carryOut(command, operation, namespace, batch);
    this.revision = batch.revision;
    return this.answer(result);
  }

  private carryOut(
    command: CheckedCommand,
    operation: WriteOperation,
    namespace: Namespace,
    batch: Batch,
  ): Result {
    switch (operation.$case) {
      case "createNamespace":
        return createNamespace(this.namespaces, operation.value, batch);
      case "setQuota":
        return setQuota(this.namespaces, operation.value);
      case "deleteNamespace": {
        const { namespaces, sessions, leases } = this;
        const tables = { namespaces, sessions, leases };
        const origin = originOf(command, operation, command.requestId);
        return deleteNamespace(tables, operation.value.name, batch, origin);
      }
      case "compact":
        return compact(this.namespaces, namespace, Number(operation.value.revision), this.meta);
      case "grantLease":
        return grantLease(this.leases, namespace, operation.value.ttlMs);
      case "revokeLease": {
        const origin = originOf(command, operation, command.requestId);
        return revokeLease(this.leases, namespace, operation.value.leaseId, batch, origin);
      }
      default:
        return this.changeRecords(command, operation, namespace, batch);
    }
  }

  /** All of the command, or nothing where it is refused. */
  private changeRecords(
    command: CheckedCommand,
    operation: RecordOperation,
    namespace: Namespace,
    batch: Batch,
  ): Result {
    batch.begin(namespace, originOf(command, operation, command.requestId));
    const result = applyRecordOperation(batch, operation);
    if (result.$case === "done") return batch.end() ?? result;
    batch.abort();
    return result;
  }

  private tick(command: CheckedCommand, operation: TickOperation, batch: Batch): Answer {
    const elapsedMs = Number(operation.value.elapsedMs);
    const timeMs = this.timeMs + elapsedMs;
    if (timeMs > TIME_MS_MAX) {
      const message = `elapsed_ms ${elapsedMs} leads past the end of time, ${TIME_MS_MAX} ms`;
      return this.answer(refused(Refusal.UNKNOWN_COMMAND, message));
    }
    this.timeMs = timeMs;
    this.sessions.tick(timeMs);
    for (const leaseId of this.leases.ending(timeMs)) {
      const namespace = this.namespaces.withId(this.leases.get(leaseId)!.namespaceId);
      endLease(this.leases, namespace, leaseId, batch, originOf(command, operation, null));
    }
    this.leases.tick(timeMs);
    this.revision = batch.revision;
    return this.answer(DONE);
  }

  /** Whether a lease's time is up is told exactly only by what was before the batch, so a Tick starts one. */
  private tickReads(elapsedMs: number): CommandReads {
    const timeMs = this.timeMs + elapsedMs;
    if (this.leases.count === 0 || timeMs > TIME_MS_MAX) return NO_READS;
    return {
      keys: leaseReads(this.leases, this.leases.ending(timeMs)),
      ranges: [],
      startsBatch: true,
      endsBatch: false,
    };
  }

  private revokeReads(leaseId: number, namespace: Namespace): CommandReads {
    if (!this.leases.has(leaseId, namespace.id)) return NO_READS;
    return { keys: leaseReads(this.leases, [leaseId]), ranges: [], startsBatch: false, endsBatch: false };
  }

  private compactAll(revision: number): Result {
    this.compactedRevision = Math.max(this.compactedRevision, Math.min(revision, this.revision));
    return DONE;
  }

  private openSession(namespace: Namespace, ttlMs: bigint): Result {
    const clientId = this.sessions.open(namespace.id, Number(ttlMs));
    if (clientId !== null) return done({ clientId: BigInt(clientId), ttlMs });
    const message = `there are ${this.sessions.count} sessions, the limit of a cluster is ${SESSIONS_MAX}`;
    return refused(Refusal.TOO_MANY_SESSIONS, message);
  }

  private takeWrites(batch: Batch): StateWrites {
    const { namespaces, namespacesDeleted } = this.namespaces.takeWrites(batch.namespaces);
    const { sessions, sessionsEnded, answers, answersDropped } = this.sessions.takeWrites();
    const { leases, leasesEnded, leaseKeysAttached, leaseKeysDetached } = this.leases.takeWrites();
    // By name, for to spread objects behind other fields is a call into V8 for each field: 7 us a batch of a few commands.
    return {
      meta: this.meta,
      namespaces,
      namespacesDeleted,
      sessions,
      sessionsEnded,
      answers,
      answersDropped,
      leases,
      leasesEnded,
      leaseKeysAttached,
      leaseKeysDetached,
      membership: this.members.takeWrites(),
      changes: batch.changes,
    };
  }

  private answer(result: Result): Answer {
    return { revision: BigInt(this.revision), result };
  }

  private statusOf(lease: LeaseState): LeaseStatus {
    const deadlineMs = lease.deadlineMs ?? this.timeMs + lease.ttlMs;
    const remainingMs = Math.max(0, deadlineMs - this.timeMs);
    return { ...lease, remainingMs, keyCount: this.leases.keyCount(lease.leaseId) };
  }

  private mayBeFresh(request: SessionRequest | null, namespace: Namespace): boolean {
    return request === null || this.sessions.mayBeFresh(request, namespace.id);
  }
}

function isOfMembers(operation: Operation): operation is MembersOperation {
  const { $case } = operation;
  return $case === "recordStore" || $case === "changeMembership" || $case === "updateMember";
}
