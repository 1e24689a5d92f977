import { type Command, Refusal } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";

/** A record as text: key and value in hexadecimal. */
export interface NaiveRecord {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly version: bigint;
}

/** What a command is to be answered; what is absent is nothing or 0. */
export interface NaiveAnswer {
  readonly revision: bigint;
  readonly refusal: Refusal | null;
  readonly deleted?: bigint;
  readonly value?: bigint;
  readonly clientId?: bigint;
  readonly namespaceId?: bigint;
  readonly record?: NaiveRecord | undefined;
  readonly previous?: NaiveRecord | undefined;
}

type Outcome = Omit<NaiveAnswer, "revision" | "refusal"> | Refusal;

interface NaiveSession {
  readonly namespace: NaiveNamespace;
  readonly ttlMs: bigint;
  deadlineMs: bigint | null;
  firstUnanswered: bigint;
  /** Every answer ever given, by sequence. */
  readonly answers: Map<bigint, NaiveAnswer>;
}

type NaiveNamespace = Map<string, NaiveRecord>;

const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const INT64_MAX = 9223372036854775807n;
const WINDOW = 1024n;

/**
 * What the contract says of each command, in the plainest form and independent of the product: one command after
 * another, maps of text, nothing about batches, stores or speed. Refusals that need very large data are not modelled.
 */
export class NaiveStore {
  private revision = 0n;
  private timeMs = 0n;
  private clients = 0n;
  private readonly namespaces = new Map<string, NaiveNamespace>([["default", new Map()]]);
  private readonly sessions = new Map<bigint, NaiveSession>();
  private readonly stores = new Map<string, string>();

  apply(command: Command | null): NaiveAnswer {
    const operation = command?.operation;
    if (!operation) return this.answer(Refusal.UNKNOWN_COMMAND);
    switch (operation.$case) {
      case "tick":
        this.tick(operation.value.elapsedMs);
        return this.answer({});
      case "recordStore": {
        const { memberId, storeId } = operation.value;
        const bound = this.stores.get(memberId) ?? storeId;
        this.stores.set(memberId, bound);
        return this.answer(bound === storeId ? {} : Refusal.STORE_MISMATCH);
      }
    }
    const namespace = this.namespaces.get(command.namespace || "default");
    if (namespace === undefined) return this.answer(Refusal.UNKNOWN_NAMESPACE);
    switch (operation.$case) {
      case "openSession": {
        this.clients += 1n;
        const { ttlMs } = operation.value;
        const session = { namespace, ttlMs, deadlineMs: null, firstUnanswered: 1n, answers: new Map() };
        this.sessions.set(this.clients, session);
        return this.answer({ clientId: this.clients });
      }
      case "closeSession":
        if (this.sessions.get(operation.value.clientId)?.namespace === namespace) {
          this.sessions.delete(operation.value.clientId);
        }
        return this.answer({});
    }
    const id = command.requestId;
    return id === undefined ? this.write(command, namespace) : this.writeOnce(command, namespace, id);
  }

  private tick(elapsedMs: bigint): void {
    this.timeMs += elapsedMs;
    for (const [clientId, session] of [...this.sessions]) {
      if (session.deadlineMs === null) session.deadlineMs = this.timeMs + session.ttlMs;
      else if (session.deadlineMs <= this.timeMs) this.sessions.delete(clientId);
    }
  }

  private writeOnce(
    command: Command,
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
    if (id.sequence >= session.firstUnanswered + WINDOW) return this.answer(Refusal.SESSION_WINDOW_FULL);
    const answer = this.write(command, namespace);
    session.answers.set(id.sequence, answer);
    return answer;
  }

  private write({ operation }: Command, records: NaiveNamespace): NaiveAnswer {
    switch (operation?.$case) {
      case "put": {
        const { returnPrevious, expectedModRevision, value } = operation.value;
        const key = hexEncode(operation.value.key);
        const previous = records.get(key);
        if (isOther(previous, expectedModRevision)) return this.answer(Refusal.CONDITION_FAILED);
        this.set(records, key, hexEncode(value));
        return this.answer({ previous: returnPrevious ? previous : undefined });
      }
      case "delete": {
        const { returnPrevious, expectedModRevision } = operation.value;
        const key = hexEncode(operation.value.key);
        const previous = records.get(key);
        if (isOther(previous, expectedModRevision)) return this.answer(Refusal.CONDITION_FAILED);
        return this.remove(
          records,
          previous === undefined ? [] : [key],
          returnPrevious ? previous : undefined,
        );
      }
      case "deleteRange": {
        const start = hexEncode(operation.value.start);
        const end = hexEncode(operation.value.end);
        const keys = [...records.keys()].filter((key) => key >= start && (end === "" || key < end));
        if (keys.length > operation.value.keysMax) return this.answer(Refusal.TOO_LARGE);
        return this.remove(records, keys, undefined);
      }
      case "increment": {
        const key = hexEncode(operation.value.key);
        const text = textOf(records.get(key)?.value ?? "30");
        if (!INTEGER.test(text) || !isInt64(BigInt(text))) return this.answer(Refusal.NOT_AN_INTEGER);
        const value = BigInt(text) + operation.value.delta;
        if (!isInt64(value)) return this.answer(Refusal.INTEGER_OVERFLOW);
        this.set(records, key, hexOf(String(value)));
        return this.answer({ value });
      }
      case "append": {
        const key = hexEncode(operation.value.key);
        const operand = hexEncode(operation.value.value);
        const old = records.get(key);
        if (old !== undefined && operand === "") return this.answer({ record: old });
        const value = operation.value.atStart ? operand + (old?.value ?? "") : (old?.value ?? "") + operand;
        if (BigInt(value.length) > 2n * operation.value.valueBytesMax) return this.answer(Refusal.TOO_LARGE);
        return this.answer({ record: this.set(records, key, value) });
      }
      case "truncate":
        return this.remove(records, [...records.keys()], undefined);
      case "createNamespace": {
        const { name } = operation.value;
        if (this.namespaces.has(name)) return this.answer(Refusal.NAMESPACE_EXISTS);
        this.namespaces.set(name, new Map());
        return this.answer({ namespaceId: BigInt(this.namespaces.size) });
      }
      default:
        return this.answer(Refusal.UNKNOWN_COMMAND);
    }
  }

  private set(records: NaiveNamespace, key: string, value: string): NaiveRecord {
    this.revision += 1n;
    const old = records.get(key);
    const record = {
      key,
      value,
      createRevision: old?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (old?.version ?? 0n) + 1n,
    };
    records.set(key, record);
    return record;
  }

  private remove(
    records: NaiveNamespace,
    keys: readonly string[],
    previous: NaiveRecord | undefined,
  ): NaiveAnswer {
    for (const key of keys) records.delete(key);
    if (keys.length > 0) this.revision += 1n;
    return this.answer({ deleted: BigInt(keys.length), previous });
  }

  private answer(outcome: Outcome): NaiveAnswer {
    const { revision } = this;
    return typeof outcome === "number"
      ? { revision, refusal: outcome }
      : { revision, refusal: null, ...outcome };
  }
}

function isOther(record: NaiveRecord | undefined, expected: bigint | undefined): boolean {
  return expected !== undefined && expected !== (record?.modRevision ?? 0n);
}

function isInt64(value: bigint): boolean {
  return value <= INT64_MAX && value >= -INT64_MAX - 1n;
}

function textOf(hex: string): string {
  let text = "";
  for (let at = 0; at < hex.length; at += 2)
    text += String.fromCharCode(Number.parseInt(hex.slice(at, at + 2), 16));
  return text;
}

function hexOf(text: string): string {
  let hex = "";
  for (let at = 0; at < text.length; at += 1) hex += text.charCodeAt(at).toString(16).padStart(2, "0");
  return hex;
}
