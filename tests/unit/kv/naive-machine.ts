import { type Answer, type Command, decodeCommand, Refusal } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";
import { NaiveMembership } from "./naive-membership";
import {
  isMalformedTxn,
  type NaiveOutcome,
  type NaiveRecord,
  naiveAnswerRecord,
  naiveDone,
  naiveTxn,
} from "./naive-txn";

interface NaiveSpace {
  readonly name: string;
  readonly id: bigint;
  readonly records: Map<string, NaiveRecord>;
  keysMax: bigint;
  bytesMax: bigint;
  oldestRevision: bigint;
  firstEventRevision: bigint;
}

interface NaiveLease {
  readonly space: NaiveSpace;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
}

interface NaiveSession {
  readonly namespace: string;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
  firstUnanswered: bigint;
  readonly answers: Map<bigint, Answer>;
}

const INTEGER = /^(0|-?[1-9][0-9]*)$/;
const LARGEST = 9223372036854775807n;

/**
 * The semantics of the contract in the plainest form: one command after another, maps of hexadecimal text, no batches,
 * no store, no care for speed. The messages of its refusals are empty.
 */
export class NaiveMachine {
  revision = 0n;
  compactedRevision = 0n;
  private timeMs = 0n;
  private nextClientId = 1n;
  private nextLeaseId = 1n;
  private nextNamespaceId = 2n;
  /** By name. */
  readonly spaces = new Map<string, NaiveSpace>([["default", newSpace("default", 1n)]]);
  /** The namespace of the command in hand. */
  private space = newSpace("", 0n);
  readonly leases = new Map<bigint, NaiveLease>();
  private readonly sessions = new Map<bigint, NaiveSession>();
  readonly members = new NaiveMembership();
  verifyRound = 0;

  apply(entry: Uint8Array): Answer {
    const command = decodeCommand(entry);
    if (command === null || isMalformed(command)) return this.answer(Refusal.UNKNOWN_COMMAND);
    const { operation } = command;
    if (operation?.$case === "tick") {
      this.timeMs += operation.value.elapsedMs;
      for (const [clientId, session] of [...this.sessions]) {
        if (session.deadlineMs === null) session.deadlineMs = this.timeMs + session.ttlMs;
        else if (session.deadlineMs <= this.timeMs) this.sessions.delete(clientId);
      }
      this.endLeases();
      return this.answer({});
    }
    if (operation?.$case === "compact" && operation.value.allNamespaces) {
      const { revision } = operation.value;
      if (revision > this.compactedRevision) this.compactedRevision = revision;
      if (revision > this.revision) this.compactedRevision = this.revision;
      return this.answer({});
    }
    if (operation?.$case === "recordStore") {
      const { memberId, storeId } = operation.value;
      return this.answer(this.members.record(memberId, storeId) ?? {});
    }
    if (operation?.$case === "changeMembership") {
      return this.answer(this.members.change(operation.value) ?? {});
    }
    if (operation?.$case === "updateMember" && operation.value.member !== undefined) {
      return this.answer(this.members.update(operation.value.member) ?? {});
    }
    if (operation?.$case === "verify") {
      this.verifyRound += 1;
      return this.answer({});
    }
    const namespace = command.namespace || "default";
    const space = this.spaces.get(namespace);
    if (space === undefined) return this.answer(Refusal.UNKNOWN_NAMESPACE);
    this.space = space;
    if (operation?.$case === "renewLeases") {
      const renewals = operation.value.leaseIds.map((leaseId) => {
        const lease = this.leases.get(leaseId);
        if (lease?.space !== space) return { leaseId, ttlMs: 0n };
        lease.deadlineMs = null;
        return { leaseId, ttlMs: lease.ttlMs };
      });
      return this.answer({ renewals });
    }
    if (operation?.$case === "openSession") {
      const { ttlMs } = operation.value;
      this.sessions.set(this.nextClientId, {
        namespace,
        ttlMs,
        deadlineMs: null,
        firstUnanswered: 1n,
        answers: new Map(),
      });
      return this.answer({ clientId: this.nextClientId++, ttlMs });
    }
    if (operation?.$case === "closeSession") {
      const { clientId } = operation.value;
      if (this.sessions.get(clientId)?.namespace === namespace) this.sessions.delete(clientId);
      return this.answer({});
    }
    return command.requestId === undefined ? this.write(command) : this.writeOnce(command, command.requestId);
  }

  /** Key, value, revisions, version and lease of each record of a namespace, sorted by key. */
  contents(namespace: string): unknown[] {
    return [...(this.spaces.get(namespace)?.records ?? [])]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, { value, createRevision, modRevision, version, leaseId }]) => [
        key,
        value,
        Number(createRevision),
        Number(modRevision),
        Number(version),
        Number(leaseId),
      ]);
  }

  private get records(): Map<string, NaiveRecord> {
    return this.space.records;
  }

  private get oldestRevision(): bigint {
    const { oldestRevision } = this.space;
    if (oldestRevision < this.compactedRevision) return this.compactedRevision;
    return oldestRevision;
  }

  /** No drawn list gives a lease so many keys that a Tick would leave some for the next. */
  private endLeases(): void {
    const ended = [...this.leases]
      .map(([leaseId, { deadlineMs }]) => ({ leaseId, deadlineMs }))
      .filter(({ deadlineMs }) => deadlineMs !== null && deadlineMs <= this.timeMs)
      .sort(
        (left, right) =>
          Number((left.deadlineMs ?? 0n) - (right.deadlineMs ?? 0n)) || Number(left.leaseId - right.leaseId),
      );
    for (const { leaseId } of ended) this.endLease(leaseId);
    for (const lease of this.leases.values()) lease.deadlineMs ??= this.timeMs + lease.ttlMs;
  }

  private endLease(leaseId: bigint): bigint {
    const { records } = (this.leases.get(leaseId) as NaiveLease).space;
    const keys = [...records].filter(([, record]) => record.leaseId === leaseId).map(([key]) => key);
    for (const key of keys) records.delete(key);
    this.leases.delete(leaseId);
    if (keys.length > 0) this.revision += 1n;
    return BigInt(keys.length);
  }

  private hasLease(leaseId: bigint): boolean {
    return this.leases.get(leaseId)?.space === this.space;
  }

  private writeOnce(command: Command, id: NonNullable<Command["requestId"]>): Answer {
    const session = this.sessions.get(id.clientId);
    if (session?.namespace !== (command.namespace || "default")) return this.answer(Refusal.SESSION_EXPIRED);
    session.deadlineMs = null;
    if (id.sequence < session.firstUnanswered) return this.answer(Refusal.ANSWER_DROPPED);
    const kept = session.answers.get(id.sequence);
    if (kept !== undefined) return kept;
    if (id.firstUnanswered > session.firstUnanswered) session.firstUnanswered = id.firstUnanswered;
    for (const sequence of [...session.answers.keys()]) {
      if (sequence < session.firstUnanswered) session.answers.delete(sequence);
    }
    if (isOutOfOrder(id, session)) return this.answer(Refusal.OUT_OF_ORDER);
    if (id.sequence - session.firstUnanswered >= 1024n) return this.answer(Refusal.SESSION_WINDOW_FULL);
    const answer = this.write(command);
    session.answers.set(id.sequence, answer);
    return answer;
  }

  private write(command: Command): Answer {
    const { records } = this.space;
    const before = new Map(records);
    const revision = this.revision + 1n;
    let outcome = this.carryOut(command.operation, revision, before);
    if (typeof outcome !== "number" && this.isOverQuota(before)) outcome = Refusal.QUOTA_EXCEEDED;
    if (typeof outcome === "number") {
      records.clear();
      for (const [key, record] of before) records.set(key, record);
    }
    const same =
      before.size === records.size && [...before].every(([key, record]) => records.get(key) === record);
    if (!same) this.revision = revision;
    return this.answer(outcome);
  }

  private isOverQuota(before: ReadonlyMap<string, NaiveRecord>): boolean {
    const { records, keysMax, bytesMax } = this.space;
    const bytes = bytesOf(records);
    if (keysMax !== 0n && records.size > before.size && BigInt(records.size) > keysMax) return true;
    return bytesMax !== 0n && bytes > bytesOf(before) && bytes > bytesMax;
  }

  private carryOut(
    operation: Command["operation"],
    revision: bigint,
    before: ReadonlyMap<string, NaiveRecord>,
  ): NaiveOutcome {
    switch (operation?.$case) {
      case "txn":
        return naiveTxn(operation.value, {
          before,
          now: this.records,
          write: (part) => this.carryOut(part, revision, before),
        });
      case "put": {
        const { leaseId, returnPrevious, expectedModRevision } = operation.value;
        const key = hexEncode(operation.value.key);
        if (leaseId !== 0n && !this.hasLease(leaseId)) return Refusal.UNKNOWN_LEASE;
        if (!this.holds(key, expectedModRevision)) return Refusal.CONDITION_FAILED;
        const previous = returnPrevious ? this.record(key) : undefined;
        this.set(key, hexEncode(operation.value.value), revision, leaseId);
        return { previous };
      }
      case "delete": {
        const key = hexEncode(operation.value.key);
        if (!this.holds(key, operation.value.expectedModRevision)) return Refusal.CONDITION_FAILED;
        const previous = operation.value.returnPrevious ? this.record(key) : undefined;
        return { deleted: this.records.delete(key) ? 1n : 0n, previous };
      }
      case "deleteRange": {
        const start = hexEncode(operation.value.start);
        const end = hexEncode(operation.value.end);
        const keys = [...this.records.keys()].filter((key) => key >= start && (end === "" || key < end));
        if (keys.length > operation.value.keysMax) return Refusal.TOO_LARGE;
        for (const key of keys) this.records.delete(key);
        return { deleted: BigInt(keys.length) };
      }
      case "increment": {
        const key = hexEncode(operation.value.key);
        const text = Buffer.from(this.records.get(key)?.value ?? "30", "hex").toString("latin1");
        if (!INTEGER.test(text) || text.endsWith("\n")) return Refusal.NOT_AN_INTEGER;
        if (BigInt(text) > LARGEST || BigInt(text) < -LARGEST - 1n) return Refusal.NOT_AN_INTEGER;
        const value = BigInt(text) + operation.value.delta;
        if (value > LARGEST || value < -LARGEST - 1n) return Refusal.INTEGER_OVERFLOW;
        this.set(key, Buffer.from(String(value), "latin1").toString("hex"), revision);
        return { value };
      }
      case "append": {
        const { atStart, valueBytesMax } = operation.value;
        const key = hexEncode(operation.value.key);
        const operand = hexEncode(operation.value.value);
        const old = this.records.get(key);
        if (old !== undefined && operand === "") return { record: this.record(key) };
        const value = atStart ? operand + (old?.value ?? "") : (old?.value ?? "") + operand;
        if (BigInt(value.length) > valueBytesMax * 2n) return Refusal.TOO_LARGE;
        this.set(key, value, revision);
        return { record: this.record(key) };
      }
      case "truncate": {
        const deleted = BigInt(this.records.size);
        if (deleted > 0n)
          Object.assign(this.space, { oldestRevision: revision, firstEventRevision: revision });
        this.records.clear();
        return { deleted };
      }
      case "createNamespace": {
        const { name, keysMax, bytesMax } = operation.value;
        if (this.spaces.has(name)) return Refusal.NAMESPACE_EXISTS;
        const namespaceId = this.nextNamespaceId++;
        const floors = { oldestRevision: this.revision, firstEventRevision: this.revision + 1n };
        this.spaces.set(name, { ...newSpace(name, namespaceId), ...floors, keysMax, bytesMax });
        return { namespaceId };
      }
      case "setQuota": {
        const { name, keysMax, bytesMax } = operation.value;
        const space = this.spaces.get(name);
        if (space === undefined) return Refusal.UNKNOWN_NAMESPACE;
        Object.assign(space, { keysMax, bytesMax });
        return {};
      }
      case "deleteNamespace": {
        const { name } = operation.value;
        if (name === "default") return Refusal.PERMANENT_NAMESPACE;
        const space = this.spaces.get(name);
        if (space === undefined) return Refusal.UNKNOWN_NAMESPACE;
        for (const [id, session] of this.sessions) if (session.namespace === name) this.sessions.delete(id);
        for (const [id, lease] of this.leases) if (lease.space === space) this.leases.delete(id);
        this.spaces.delete(name);
        const deleted = BigInt(space.records.size);
        space.records.clear();
        if (deleted > 0n) this.revision = revision;
        return { deleted };
      }
      case "grantLease": {
        const { ttlMs } = operation.value;
        this.leases.set(this.nextLeaseId, { space: this.space, ttlMs, deadlineMs: null });
        return { leaseId: this.nextLeaseId++, ttlMs };
      }
      case "revokeLease": {
        const { leaseId } = operation.value;
        return this.hasLease(leaseId) ? { deleted: this.endLease(leaseId) } : Refusal.UNKNOWN_LEASE;
      }
      case "compact": {
        const asked = operation.value.revision;
        if (asked > this.revision) return Refusal.FUTURE_REVISION;
        if (asked < this.oldestRevision) return Refusal.COMPACTED;
        if (asked === this.oldestRevision) return {};
        this.space.oldestRevision = asked;
        if (asked + 1n > this.space.firstEventRevision) this.space.firstEventRevision = asked + 1n;
        return {};
      }
      default:
        throw new Error("the other operations were applied before");
    }
  }

  private holds(key: string, expected: bigint | undefined): boolean {
    return expected === undefined || expected === (this.records.get(key)?.modRevision ?? 0n);
  }

  /** @param leaseId what the key has already, unless it is said */
  private set(key: string, value: string, revision: bigint, leaseId?: bigint): void {
    const old = this.records.get(key);
    this.records.set(key, {
      value,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      version: old?.modRevision === revision ? old.version : (old?.version ?? 0n) + 1n,
      leaseId: leaseId ?? old?.leaseId ?? 0n,
    });
  }

  private record(key: string): ReturnType<typeof naiveAnswerRecord> | undefined {
    const record = this.records.get(key);
    return record === undefined ? undefined : naiveAnswerRecord(key, record);
  }

  private answer(outcome: NaiveOutcome): Answer {
    const { revision } = this;
    if (typeof outcome === "number") {
      const oldestRevision = outcome === Refusal.COMPACTED ? this.oldestRevision : 0n;
      return {
        revision,
        result: { $case: "refused", value: { refusal: outcome, message: "", oldestRevision } },
      };
    }
    return { revision, result: { $case: "done", value: naiveDone(outcome) } };
  }
}

function newSpace(name: string, id: bigint): NaiveSpace {
  const nothing = { keysMax: 0n, bytesMax: 0n, oldestRevision: 0n, firstEventRevision: 0n };
  return { name, id, records: new Map(), ...nothing };
}

function bytesOf(records: ReadonlyMap<string, NaiveRecord>): bigint {
  let digits = 0;
  for (const [key, { value }] of records) digits += key.length + value.length;
  return BigInt(digits / 2);
}

/** Operations that a session is asked for. */
const WRITES: readonly unknown[] = [
  "put",
  "delete",
  "deleteRange",
  "increment",
  "append",
  "truncate",
  "txn",
  "createNamespace",
  "deleteNamespace",
  "setQuota",
  "compact",
  "grantLease",
  "revokeLease",
];

function isMalformed(command: Command): boolean {
  const { operation, requestId } = command;
  const value: { key?: Uint8Array; name?: string } = operation?.value ?? {};
  if (value.key?.length === 0) return true;
  if (value.name !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(value.name)) return true;
  if (operation?.$case === "txn" && isMalformedTxn(operation.value)) return true;
  if (!WRITES.includes(operation?.$case) || requestId === undefined) return false;
  const { clientId, sequence, firstUnanswered, follows = 0n } = requestId;
  return clientId < 1n || sequence < 1n || firstUnanswered > sequence || follows < 0n || follows >= sequence;
}

function isOutOfOrder(
  { sequence, follows }: NonNullable<Command["requestId"]>,
  session: NaiveSession,
): boolean {
  if (follows === undefined) return false;
  const isOvertaken = [...session.answers.keys()].some((answered) => answered > sequence);
  const isEarly = follows >= session.firstUnanswered && !session.answers.has(follows);
  return isOvertaken || isEarly;
}
