import { type Command, type MembershipState, NO_MEMBERS, Refusal } from "@quorate/services/kv";
import { NaiveMembers } from "./naive-members";
import { type NaiveDone, NaiveDraft, type NaiveRecord, type RecordOperation } from "./naive-records";

/** What a command is to be answered. */
export interface NaiveAnswer {
  readonly revision: bigint;
  readonly result: NaiveDone | Refusal;
}

/** One change that a command makes: a record put, a key deleted (record null), or all of a namespace (key null). */
export interface NaiveChange {
  readonly namespaceId: bigint;
  readonly revision: bigint;
  readonly key: string | null;
  readonly record: NaiveRecord | null;
  readonly cause: string;
}

export interface NaiveNamespace {
  readonly id: bigint;
  readonly name: string;
  records: Map<string, NaiveRecord>;
  /** Reads before it, and events before the other, are given up. */
  oldestRevision: bigint;
  firstEvent: bigint;
  /** 0 for no bound. */
  keysMax: bigint;
  bytesMax: bigint;
}

export interface NaiveLease {
  readonly id: bigint;
  readonly namespace: NaiveNamespace;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
}

interface NaiveSession {
  readonly namespace: NaiveNamespace;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
  firstUnanswered: bigint;
  /** Every answer ever given, by sequence. */
  readonly answers: Map<bigint, NaiveAnswer>;
}

type Operation = NonNullable<Command["operation"]>;

const WINDOW = 1024n;

/**
 * What the contract says of each command, in the plainest form and independent of the product: one command after
 * another, maps of text, nothing about batches, stores or speed. Refusals that need very large data are not modelled.
 */
export class NaiveStore {
  readonly namespaces = new Map<string, NaiveNamespace>([["default", emptyNamespace(1n, "default", {})]]);
  readonly leases = new Map<bigint, NaiveLease>();
  timeMs = 0n;
  compactedRevision = 0n;
  verifyRound = 0;
  readonly members: NaiveMembers;
  private revision = 0n;
  private clients = 0n;
  private grants = 0n;
  private creations = 1n;
  private readonly sessions = new Map<bigint, NaiveSession>();
  private changes: NaiveChange[] = [];

  /** @param founding those that the cluster begins with */
  constructor(founding: MembershipState = NO_MEMBERS) {
    this.members = new NaiveMembers(founding);
  }

  apply(command: Command | null): { readonly answer: NaiveAnswer; readonly changes: readonly NaiveChange[] } {
    this.changes = [];
    const answer = this.answerTo(command);
    return { answer, changes: this.changes };
  }

  /** How many there are. */
  get counts(): { readonly sessions: number; readonly leases: number } {
    return { sessions: this.sessions.size, leases: this.leases.size };
  }

  /** The keys of a lease: those of all records that name it. */
  keysOf({ id, namespace }: NaiveLease): readonly string[] {
    return [...namespace.records.values()]
      .filter(({ leaseId }) => leaseId === id)
      .map(({ key }) => key)
      .sort();
  }

  private answerTo(command: Command | null): NaiveAnswer {
    const operation = command?.operation;
    if (!operation) return this.answer(Refusal.UNKNOWN_COMMAND);
    switch (operation.$case) {
      case "tick":
        this.tick(operation.value.elapsedMs);
        return this.answer({});
      case "verify":
        this.verifyRound += 1;
        return this.answer({});
      case "recordStore":
      case "changeMembership":
      case "updateMember":
        return this.answer(this.members.apply(operation));
      case "compact":
        if (!operation.value.allNamespaces) break;
        this.compactedRevision = most(this.compactedRevision, least(operation.value.revision, this.revision));
        return this.answer({});
    }
    const namespace = this.namespaces.get(command.namespace || "default");
    if (namespace === undefined) return this.answer(Refusal.UNKNOWN_NAMESPACE);
    switch (operation.$case) {
      case "openSession": {
        this.clients += 1n;
        const { ttlMs } = operation.value;
        const session = { namespace, ttlMs, deadlineMs: null, firstUnanswered: 1n, answers: new Map() };
        this.sessions.set(this.clients, session);
        return this.answer({ clientId: this.clients, ttlMs });
      }
      case "closeSession":
        if (this.sessions.get(operation.value.clientId)?.namespace === namespace) {
          this.sessions.delete(operation.value.clientId);
        }
        return this.answer({});
      case "renewLeases":
        return this.answer({ renewals: operation.value.leaseIds.map((id) => this.renew(id, namespace)) });
    }
    const id = command.requestId;
    return id === undefined ? this.write(operation, namespace) : this.writeOnce(operation, namespace, id);
  }

  /** Sessions and leases whose time has come end, the leases one after another; then those in use get their time. */
  private tick(elapsedMs: bigint): void {
    this.timeMs += elapsedMs;
    for (const [clientId, { deadlineMs }] of [...this.sessions]) {
      if (deadlineMs !== null && deadlineMs <= this.timeMs) this.sessions.delete(clientId);
    }
    const due = [...this.leases.values()]
      .filter(({ deadlineMs }) => deadlineMs !== null && deadlineMs <= this.timeMs)
      .sort(
        (left, right) => order(left.deadlineMs ?? 0n, right.deadlineMs ?? 0n) || order(left.id, right.id),
      );
    for (const lease of due) this.endLease(lease);
    for (const each of [...this.sessions.values(), ...this.leases.values()]) {
      each.deadlineMs ??= this.timeMs + each.ttlMs;
    }
  }

  private writeOnce(
    operation: Operation,
    namespace: NaiveNamespace,
    id: NonNullable<Command["requestId"]>,
  ): NaiveAnswer {
    const session = this.sessions.get(id.clientId);
    if (session?.namespace !== namespace) return this.answer(Refusal.SESSION_EXPIRED);
    session.deadlineMs = null;
    if (id.sequence < session.firstUnanswered) return this.answer(Refusal.ANSWER_DROPPED);
    const given = session.answers.get(id.sequence);
    if (given !== undefined) return given;
    if (id.firstUnanswered > session.firstUnanswered) session.firstUnanswered = id.firstUnanswered;
    if (id.follows !== undefined && isOutOfOrder(session, id.sequence, id.follows)) {
      return this.answer(Refusal.OUT_OF_ORDER);
    }
    if (id.sequence >= session.firstUnanswered + WINDOW) return this.answer(Refusal.SESSION_WINDOW_FULL);
    const answer = this.write(operation, namespace);
    session.answers.set(id.sequence, answer);
    return answer;
  }

  private write(operation: Operation, namespace: NaiveNamespace): NaiveAnswer {
    switch (operation.$case) {
      case "put":
      case "delete":
      case "deleteRange":
      case "increment":
      case "append":
      case "txn":
        return this.answer(this.changeRecords(operation, namespace));
      case "truncate":
        return this.answer({ deleted: this.empty(namespace, "truncate") });
      case "createNamespace": {
        const { name } = operation.value;
        if (this.namespaces.has(name)) return this.answer(Refusal.NAMESPACE_EXISTS);
        this.creations += 1n;
        const created = emptyNamespace(this.creations, name, operation.value);
        // Another may have had its name, so what was before is not its own.
        created.oldestRevision = this.revision;
        created.firstEvent = this.revision + 1n;
        this.namespaces.set(name, created);
        return this.answer({ namespaceId: this.creations });
      }
      case "deleteNamespace":
        return this.answer(this.deleteNamespace(operation.value.name));
      case "setQuota": {
        const bounded = this.namespaces.get(operation.value.name);
        if (bounded === undefined) return this.answer(Refusal.UNKNOWN_NAMESPACE);
        bounded.keysMax = operation.value.keysMax;
        bounded.bytesMax = operation.value.bytesMax;
        return this.answer({});
      }
      case "grantLease": {
        this.grants += 1n;
        const { ttlMs } = operation.value;
        this.leases.set(this.grants, { id: this.grants, namespace, ttlMs, deadlineMs: null });
        return this.answer({ leaseId: this.grants, ttlMs });
      }
      case "revokeLease": {
        const lease = this.leases.get(operation.value.leaseId);
        if (lease?.namespace !== namespace) return this.answer(Refusal.UNKNOWN_LEASE);
        return this.answer({ deleted: this.endLease(lease) });
      }
      case "compact":
        return this.answer(this.compact(namespace, operation.value.revision));
      default:
        return this.answer(Refusal.UNKNOWN_COMMAND);
    }
  }

  private changeRecords(operation: RecordOperation, namespace: NaiveNamespace): NaiveDone | Refusal {
    const hasLease = (leaseId: bigint): boolean => this.leases.get(leaseId)?.namespace === namespace;
    const draft = new NaiveDraft(namespace.records, this.revision + 1n, hasLease);
    const result = draft.run(operation);
    if (typeof result === "number") return result;
    if (isOver(namespace.keysMax, BigInt(namespace.records.size), BigInt(draft.records.size))) {
      return Refusal.QUOTA_EXCEEDED;
    }
    if (isOver(namespace.bytesMax, bytesOf(namespace.records), bytesOf(draft.records))) {
      return Refusal.QUOTA_EXCEEDED;
    }
    const cause = CAUSES[operation.$case] ?? operation.$case;
    const isPrepend = operation.$case === "append" && operation.value.atStart;
    this.commit(namespace, draft, isPrepend ? "prepend" : cause);
    return result;
  }

  private commit(namespace: NaiveNamespace, draft: NaiveDraft, cause: string): void {
    const changes = draft.changes();
    if (changes.length === 0) return;
    this.revision += 1n;
    namespace.records = draft.records;
    const { id: namespaceId } = namespace;
    for (const { key, record } of changes) {
      this.changes.push({ namespaceId, revision: this.revision, key, record, cause });
    }
  }

  /** Its keys go with one revision. */
  private endLease(lease: NaiveLease): bigint {
    const keys = this.keysOf(lease);
    this.leases.delete(lease.id);
    const draft = new NaiveDraft(lease.namespace.records, this.revision + 1n, () => false);
    for (const key of keys) {
      const bytes = Uint8Array.from(key.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
      draft.run({
        $case: "delete",
        value: { key: bytes, returnPrevious: false, expectedModRevision: undefined },
      });
    }
    this.commit(lease.namespace, draft, "lease_ended");
    return BigInt(keys.length);
  }

  private renew(leaseId: bigint, namespace: NaiveNamespace) {
    const lease = this.leases.get(leaseId);
    if (lease?.namespace !== namespace) return { leaseId, ttlMs: 0n };
    lease.deadlineMs = null;
    return { leaseId, ttlMs: lease.ttlMs };
  }

  private empty(namespace: NaiveNamespace, cause: string): bigint {
    const { size } = namespace.records;
    if (size === 0) return 0n;
    this.revision += 1n;
    namespace.records = new Map();
    namespace.oldestRevision = namespace.firstEvent = this.revision;
    const { id: namespaceId } = namespace;
    this.changes.push({ namespaceId, revision: this.revision, key: null, record: null, cause });
    return BigInt(size);
  }

  private deleteNamespace(name: string): NaiveDone | Refusal {
    if (name === "default") return Refusal.PERMANENT_NAMESPACE;
    const namespace = this.namespaces.get(name);
    if (namespace === undefined) return Refusal.UNKNOWN_NAMESPACE;
    const deleted = this.empty(namespace, "namespace_deleted");
    this.namespaces.delete(name);
    for (const table of [this.sessions, this.leases] as Map<
      bigint,
      { readonly namespace: NaiveNamespace }
    >[]) {
      for (const [id, each] of [...table]) if (each.namespace === namespace) table.delete(id);
    }
    return { deleted };
  }

  private compact(namespace: NaiveNamespace, revision: bigint): NaiveDone | Refusal {
    if (revision > this.revision) return Refusal.FUTURE_REVISION;
    const oldest = most(namespace.oldestRevision, this.compactedRevision);
    if (revision < oldest) return Refusal.COMPACTED;
    if (revision === oldest) return {};
    namespace.oldestRevision = revision;
    namespace.firstEvent = most(namespace.firstEvent, revision + 1n);
    return {};
  }

  private answer(result: NaiveDone | Refusal): NaiveAnswer {
    return { revision: this.revision, result };
  }
}

/** A later write was carried out, or the one that is to be carried out first was not. */
function isOutOfOrder(
  { answers, firstUnanswered }: NaiveSession,
  sequence: bigint,
  follows: bigint,
): boolean {
  for (const answered of answers.keys()) if (answered > sequence) return true;
  return follows >= firstUnanswered && !answers.has(follows);
}

const CAUSES: Readonly<Record<string, string>> = { deleteRange: "delete_range" };

function emptyNamespace(
  id: bigint,
  name: string,
  { keysMax = 0n, bytesMax = 0n }: { readonly keysMax?: bigint; readonly bytesMax?: bigint },
): NaiveNamespace {
  return { id, name, records: new Map(), oldestRevision: 0n, firstEvent: 0n, keysMax, bytesMax };
}

/** Bytes of keys and values, which are hexadecimal here. */
export function bytesOf(records: ReadonlyMap<string, NaiveRecord>): bigint {
  let digits = 0;
  for (const { key, value } of records.values()) digits += key.length + value.length;
  return BigInt(digits / 2);
}

/** Only what grows is held to a bound. */
function isOver(bound: bigint, before: bigint, after: bigint): boolean {
  return bound !== 0n && after > before && after > bound;
}

function most(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function order(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
