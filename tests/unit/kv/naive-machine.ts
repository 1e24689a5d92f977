import { type Answer, type Command, decodeCommand, Refusal } from "@quorate/services/kv";
import { hexDecode, hexEncode } from "@quorate/services/std";

interface NaiveRecord {
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
}

interface NaiveSession {
  readonly namespace: string;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
  firstUnanswered: bigint;
  readonly answers: Map<bigint, Answer>;
}

type Done = Extract<Answer["result"], { $case: "done" }>["value"];
type Outcome = Partial<Done> | Refusal;

const INTEGER = /^(0|-?[1-9][0-9]*)$/;
const LARGEST = 9223372036854775807n;

/**
 * The semantics of the contract in the plainest form: one command after another, maps of hexadecimal text, no batches,
 * no store, no care for speed. The messages of its refusals are empty.
 */
export class NaiveMachine {
  revision = 0n;
  private timeMs = 0n;
  private nextClientId = 1n;
  /** By the name of the namespace, and the key. */
  readonly spaces = new Map<string, Map<string, NaiveRecord>>([["default", new Map()]]);
  /** Those of the namespace of the command in hand. */
  private records = new Map<string, NaiveRecord>();
  private readonly sessions = new Map<bigint, NaiveSession>();
  private readonly stores = new Map<string, string>();

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
      return this.answer({});
    }
    if (operation?.$case === "recordStore") {
      const { memberId, storeId } = operation.value;
      if (!this.stores.has(memberId)) this.stores.set(memberId, storeId);
      return this.answer(this.stores.get(memberId) === storeId ? {} : Refusal.STORE_MISMATCH);
    }
    const namespace = command.namespace || "default";
    const records = this.spaces.get(namespace);
    if (records === undefined) return this.answer(Refusal.UNKNOWN_NAMESPACE);
    this.records = records;
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

  /** Key, value and modification revision of each record of a namespace, sorted by key. */
  contents(namespace: string): unknown[] {
    return [...(this.spaces.get(namespace) ?? [])]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, record]) => [key, record.value, Number(record.modRevision)]);
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
    if (id.sequence - session.firstUnanswered >= 1024n) return this.answer(Refusal.SESSION_WINDOW_FULL);
    const answer = this.write(command);
    session.answers.set(id.sequence, answer);
    return answer;
  }

  private write(command: Command): Answer {
    const before = new Map(this.records);
    const outcome = this.carryOut(command, this.revision + 1n);
    const same =
      before.size === this.records.size &&
      [...before].every(([key, record]) => this.records.get(key) === record);
    if (!same) this.revision += 1n;
    return this.answer(outcome);
  }

  private carryOut({ operation }: Command, revision: bigint): Outcome {
    switch (operation?.$case) {
      case "put": {
        const { leaseId, returnPrevious, expectedModRevision } = operation.value;
        const key = hexEncode(operation.value.key);
        if (leaseId !== 0n) return Refusal.UNKNOWN_LEASE;
        if (!this.holds(key, expectedModRevision)) return Refusal.CONDITION_FAILED;
        const previous = returnPrevious ? this.record(key) : undefined;
        this.set(key, hexEncode(operation.value.value), revision);
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
        this.records.clear();
        return { deleted };
      }
      case "createNamespace": {
        const { name } = operation.value;
        if (this.spaces.has(name)) return Refusal.NAMESPACE_EXISTS;
        this.spaces.set(name, new Map());
        return { namespaceId: BigInt(this.spaces.size) };
      }
      default:
        throw new Error("the other operations were applied before");
    }
  }

  private holds(key: string, expected: bigint | undefined): boolean {
    return expected === undefined || expected === (this.records.get(key)?.modRevision ?? 0n);
  }

  private set(key: string, value: string, revision: bigint): void {
    const old = this.records.get(key);
    this.records.set(key, {
      value,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      version: (old?.version ?? 0n) + 1n,
    });
  }

  private record(key: string): Done["record"] {
    const record = this.records.get(key);
    if (record === undefined) return undefined;
    const value = hexDecode(record.value) as Uint8Array;
    return { ...record, key: hexDecode(key) as Uint8Array, value, leaseId: 0n };
  }

  private answer(outcome: Outcome): Answer {
    const { revision } = this;
    if (typeof outcome === "number") {
      return {
        revision,
        result: { $case: "refused", value: { refusal: outcome, message: "", oldestRevision: 0n } },
      };
    }
    const nothing = {
      previous: undefined,
      record: undefined,
      deleted: 0n,
      value: 0n,
      clientId: 0n,
      ttlMs: 0n,
      namespaceId: 0n,
      leaseId: 0n,
      renewals: [],
      txn: undefined,
      records: [],
      more: false,
      count: 0n,
    };
    return { revision, result: { $case: "done", value: { ...nothing, ...outcome } } };
  }
}

function isMalformed(command: Command): boolean {
  const { operation, requestId } = command;
  const value: { key?: Uint8Array } = operation?.value ?? {};
  if (value.key?.length === 0) return true;
  const isWrite = [
    "put",
    "delete",
    "deleteRange",
    "increment",
    "append",
    "truncate",
    "createNamespace",
  ].includes(operation?.$case ?? "");
  if (operation?.$case === "createNamespace" && !/^[A-Za-z0-9._-]{1,64}$/.test(operation.value.name))
    return true;
  if (!isWrite || requestId === undefined) return false;
  const { clientId, sequence, firstUnanswered } = requestId;
  return clientId < 1n || sequence < 1n || firstUnanswered > sequence;
}
