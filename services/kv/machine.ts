import { type Answer, type Command, type DeleteRange, Refusal, type RequestId } from "@quorate/proto/log";
import { assert, compareStrings, unreachable } from "#std";
import { DONE, decodeAnswer, done, encodeAnswer, type Result, refused } from "./answer";
import { Batch } from "./batch";
import { type KeyRange, rangeIsEmpty } from "./key-range";
import { NAMESPACES_MAX, TIME_MS_MAX } from "./limits";
import { Namespace } from "./namespace";
import {
  applyAppend,
  applyDelete,
  applyDeleteRange,
  applyIncrement,
  applyPut,
  applyTruncate,
} from "./operations";
import { type SessionRequest, SessionTable } from "./session-table";
import {
  type ChangeOrigin,
  DEFAULT_NAMESPACE,
  type MemberStore,
  type NamespaceState,
  type ResidentState,
  type StateMeta,
  type StateWrites,
} from "./state";
import type { StateReads, StateView } from "./view";
import { commandFault } from "./well-formed";

/** What applying a batch gives: an answer for each command, in order, and what is to be written. */
export interface Applied {
  readonly answers: readonly Answer[];
  readonly writes: StateWrites;
}

type Operation = NonNullable<Command["operation"]>;
type WriteOperation = Extract<
  Operation,
  { $case: "put" | "delete" | "deleteRange" | "increment" | "append" | "truncate" | "createNamespace" }
>;
type RecordOperation = Exclude<WriteOperation, { $case: "createNamespace" }>;

const NO_READS: StateReads = { keys: [], ranges: [] };

/**
 * The replicated state machine: the same commands in the same order give the same answers and the same state on each
 * replica, however they are cut into batches. Everything but the records is kept in memory, and mirrored in the writes.
 *
 * For each batch: `reads` for each of its commands, the store's view of all of that, `apply`, the store's write.
 */
export class StateMachine {
  private revision: number;
  private timeMs: number;
  private nextClientId: number;
  private nextNamespaceId: number;
  private readonly namespaces = new Map<string, Namespace>();
  private readonly sessions: SessionTable;
  private readonly memberStores = new Map<string, string>();
  private memberStoresNew: MemberStore[] = [];

  constructor(resident: ResidentState) {
    this.revision = resident.meta.revision;
    this.timeMs = resident.meta.timeMs;
    this.nextClientId = resident.meta.nextClientId;
    this.nextNamespaceId = resident.meta.nextNamespaceId;
    for (const state of resident.namespaces) this.namespaces.set(state.name, new Namespace(state));
    this.sessions = new SessionTable(resident.sessions, resident.answers);
    for (const { memberId, storeId } of resident.memberStores) this.memberStores.set(memberId, storeId);
  }

  get meta(): StateMeta {
    const { revision, timeMs, nextClientId, nextNamespaceId } = this;
    return { revision, timeMs, nextClientId, nextNamespaceId };
  }

  get sessionCount(): number {
    return this.sessions.count;
  }

  /** Keys, and bytes of keys and newest values, over all namespaces. */
  get totals(): { readonly keys: number; readonly bytes: number } {
    let keys = 0;
    let bytes = 0;
    for (const namespace of this.namespaces.values()) {
      const { keyCount, byteCount } = namespace.snapshot();
      keys += keyCount;
      bytes += byteCount;
    }
    return { keys, bytes };
  }

  /** @param name empty for the default one */
  namespace(name: string): NamespaceState | null {
    return this.namespaceOf(name)?.snapshot() ?? null;
  }

  /** The id of the only store that may speak for the member; null when none is recorded yet. */
  memberStore(memberId: string): string | null {
    return this.memberStores.get(memberId) ?? null;
  }

  /** All that is kept in memory, sorted: what a store that made all writes holds. */
  resident(): ResidentState {
    return {
      meta: this.meta,
      namespaces: [...this.namespaces.values()]
        .sort((left, right) => left.id - right.id)
        .map((namespace) => namespace.snapshot()),
      ...this.sessions.resident(),
      memberStores: [...this.memberStores]
        .map(([memberId, storeId]) => ({ memberId, storeId }))
        .sort((left, right) => compareStrings(left.memberId, right.memberId)),
    };
  }

  /**
   * What a command of the next batch needs from the store, as far as it can be told before the batch: it may turn out
   * to need less. A command with a range must be the first of its batch, so that the range is as of the batch's start;
   * ask again for a command that was put off to a later batch.
   */
  reads(command: Command | null): StateReads {
    const operation = command?.operation;
    if (!operation || commandFault(command) !== null) return NO_READS;
    const namespace = this.namespaceOf(command.namespace);
    if (namespace === null || !this.mayBeFresh(command.requestId, namespace)) return NO_READS;
    switch (operation.$case) {
      case "put":
        // A lease is refused unseen, as there are none.
        if (operation.value.leaseId !== 0n) return NO_READS;
        return keyRead(namespace, operation.value.key, operation.value.returnPrevious);
      case "delete":
        return keyRead(namespace, operation.value.key, operation.value.returnPrevious);
      case "increment":
      case "append":
        return keyRead(namespace, operation.value.key, true);
      case "deleteRange":
        return rangeRead(namespace, operation.value);
      case "truncate":
      case "createNamespace":
      case "openSession":
      case "closeSession":
      case "tick":
      case "recordStore":
        return NO_READS;
      default:
        return unreachable(operation);
    }
  }

  /**
   * Applies a batch. What it changes is in memory at once, so the writes must reach the store before the next batch is
   * applied; when they cannot, the machine is of no more use.
   *
   * @param commands as decodeCommand gave them: null for one that it could not make out
   * @param view the answers to `reads` of all commands, as of the last write; a key that was asked for with and
   * without its value is there with it
   */
  apply(commands: readonly (Command | null)[], view: StateView): Applied {
    const batch = new Batch(view, this.revision);
    const answers: Answer[] = [];
    for (const command of commands) answers.push(this.applyCommand(command, batch));
    return { answers, writes: this.takeWrites(batch) };
  }

  private applyCommand(command: Command | null, batch: Batch): Answer {
    const operation = command?.operation;
    if (!operation)
      return this.answer(refused(Refusal.UNKNOWN_COMMAND, "the command is malformed or of no known kind"));
    const fault = commandFault(command);
    if (fault !== null) return this.answer(refused(Refusal.UNKNOWN_COMMAND, fault));
    switch (operation.$case) {
      case "tick":
        return this.answer(this.tick(Number(operation.value.elapsedMs)));
      case "recordStore":
        return this.answer(this.recordStore(operation.value));
    }
    const namespace = this.namespaceOf(command.namespace);
    if (namespace === null) {
      const message = `there is no namespace "${command.namespace}"`;
      return this.answer(refused(Refusal.UNKNOWN_NAMESPACE, message));
    }
    switch (operation.$case) {
      case "openSession":
        return this.answer(this.openSession(namespace, operation.value.ttlMs));
      case "closeSession":
        this.sessions.close(Number(operation.value.clientId), namespace.id);
        return this.answer(DONE);
    }
    return this.applyOnce(command, operation, namespace, batch);
  }

  /** Session table first, then the command: a request that was answered before is answered alike and changes nothing. */
  private applyOnce(command: Command, operation: WriteOperation, namespace: Namespace, batch: Batch): Answer {
    if (command.requestId === undefined) return this.applyWrite(command, operation, namespace, batch, null);
    const request = requestOf(command.requestId);
    const admission = this.sessions.admit(request, namespace.id);
    switch (admission.kind) {
      case "answered":
        return decodeAnswer(admission.answer);
      case "expired":
        return this.answer(refused(Refusal.SESSION_EXPIRED, admission.message));
      case "dropped":
        return this.answer(refused(Refusal.ANSWER_DROPPED, admission.message));
      case "window_full":
        return this.answer(refused(Refusal.SESSION_WINDOW_FULL, admission.message));
      case "fresh": {
        const answer = this.applyWrite(command, operation, namespace, batch, request);
        this.sessions.keep(request, encodeAnswer(answer));
        return answer;
      }
      default:
        return unreachable(admission);
    }
  }

  private applyWrite(
    command: Command,
    operation: WriteOperation,
    namespace: Namespace,
    batch: Batch,
    request: SessionRequest | null,
  ): Answer {
    if (operation.$case === "createNamespace") {
      return this.answer(this.createNamespace(operation.value.name, batch));
    }
    batch.begin(originOf(command, request));
    const result = carryOut(operation, namespace, batch);
    batch.end();
    this.revision = batch.revision;
    return this.answer(result);
  }

  private tick(elapsedMs: number): Result {
    const timeMs = this.timeMs + elapsedMs;
    if (timeMs > TIME_MS_MAX) {
      return refused(
        Refusal.UNKNOWN_COMMAND,
        `elapsed_ms ${elapsedMs} leads past the end of time, ${TIME_MS_MAX} ms`,
      );
    }
    this.timeMs = timeMs;
    this.sessions.tick(timeMs);
    return DONE;
  }

  private createNamespace(name: string, batch: Batch): Result {
    if (this.namespaces.has(name)) {
      return refused(Refusal.NAMESPACE_EXISTS, `there is a namespace "${name}" already`);
    }
    if (this.namespaces.size >= NAMESPACES_MAX) {
      return refused(
        Refusal.TOO_MANY_NAMESPACES,
        `there are ${this.namespaces.size} namespaces, the limit of a cluster is ${NAMESPACES_MAX}`,
      );
    }
    const id = this.nextNamespaceId;
    this.nextNamespaceId += 1;
    const nothing = { generation: 1, keyCount: 0, byteCount: 0, oldestRevision: 0 };
    const namespace = new Namespace({ id, name, ...nothing });
    this.namespaces.set(name, namespace);
    batch.create(namespace);
    return done({ namespaceId: BigInt(id) });
  }

  private openSession(namespace: Namespace, ttlMs: bigint): Result {
    const clientId = this.nextClientId;
    this.nextClientId += 1;
    this.sessions.open(clientId, namespace.id, Number(ttlMs));
    return done({ clientId: BigInt(clientId), ttlMs });
  }

  private recordStore(store: MemberStore): Result {
    const { memberId, storeId } = store;
    const recorded = this.memberStores.get(memberId);
    if (recorded === undefined) {
      this.memberStores.set(memberId, storeId);
      this.memberStoresNew.push({ memberId, storeId });
      return DONE;
    }
    if (recorded === storeId) return DONE;
    const message = `member ${memberId} is bound to store ${recorded}, not to ${storeId}`;
    return refused(Refusal.STORE_MISMATCH, message);
  }

  private takeWrites(batch: Batch): StateWrites {
    assert(this.revision === batch.revision, "the machine is at the revision of its batch");
    const namespaces = [...batch.namespaces].sort((left, right) => left.id - right.id);
    const memberStores = this.memberStoresNew;
    this.memberStoresNew = [];
    return {
      meta: this.meta,
      namespaces: namespaces.map((namespace) => namespace.snapshot()),
      ...this.sessions.takeWrites(),
      memberStores,
      changes: batch.changes,
    };
  }

  private answer(result: Result): Answer {
    return { revision: BigInt(this.revision), result };
  }

  private namespaceOf(name: string): Namespace | null {
    return this.namespaces.get(name === "" ? DEFAULT_NAMESPACE : name) ?? null;
  }

  private mayBeFresh(requestId: RequestId | undefined, namespace: Namespace): boolean {
    if (requestId === undefined) return true;
    return this.sessions.mayBeFresh(requestOf(requestId), namespace.id, this.nextClientId);
  }
}

function carryOut(operation: RecordOperation, namespace: Namespace, batch: Batch): Result {
  switch (operation.$case) {
    case "put":
      return applyPut(batch, namespace, operation.value);
    case "delete":
      return applyDelete(batch, namespace, operation.value);
    case "deleteRange": {
      const range = rangeOf(operation.value);
      return rangeIsEmpty(range) ? DONE : applyDeleteRange(batch, namespace, operation.value, range);
    }
    case "increment":
      return applyIncrement(batch, namespace, operation.value);
    case "append":
      return applyAppend(batch, namespace, operation.value);
    case "truncate":
      return applyTruncate(batch, namespace);
    default:
      return unreachable(operation);
  }
}

function keyRead(namespace: Namespace, key: Uint8Array, withValue: boolean): StateReads {
  return {
    keys: [{ namespaceId: namespace.id, generation: namespace.generation, key, withValue }],
    ranges: [],
  };
}

function rangeRead(namespace: Namespace, deletion: DeleteRange): StateReads {
  const range = rangeOf(deletion);
  if (rangeIsEmpty(range)) return NO_READS;
  const { id: namespaceId, generation } = namespace;
  // One more than is allowed tells a range that is too large.
  return { keys: [], ranges: [{ namespaceId, generation, ...range, limit: Number(deletion.keysMax) + 1 }] };
}

function rangeOf(deletion: DeleteRange): KeyRange {
  return { start: deletion.start, end: deletion.end.length === 0 ? null : deletion.end };
}

function requestOf(requestId: RequestId): SessionRequest {
  return {
    clientId: Number(requestId.clientId),
    sequence: Number(requestId.sequence),
    firstUnanswered: Number(requestId.firstUnanswered),
  };
}

/** A time that is no safe integer is not worth a refusal, for it is shown to people only. */
function originOf(command: Command, request: SessionRequest | null): ChangeOrigin {
  const wallTimeMs = Number(command.wallTimeMs);
  return {
    wallTimeMs: Number.isSafeInteger(wallTimeMs) ? wallTimeMs : 0,
    requestId: request === null ? null : { clientId: request.clientId, sequence: request.sequence },
  };
}
