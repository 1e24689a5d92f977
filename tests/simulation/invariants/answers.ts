import { type Answer, encodeAnswer, Refusal } from "@quorate/services/kv";
import type { Entry, Index } from "@quorate/services/raft";
import { bytesEqual, hexEncode } from "@quorate/services/std";
import type { AnswerEvent } from "../clients/events";
import { broken } from "./invariant";
import { type NaiveAnswer, type NaiveRecord, NaiveStore } from "./naive-store";
import type { Reference, ReferenceStep } from "./reference";

/** Every request applied once, and every answer to it the same (invariant 7). */
export class Answers {
  private readonly naive = new NaiveStore();
  /** By "client/sequence": the entry that carried the request out. */
  private readonly carriedOut = new Map<string, Index>();

  constructor(private readonly reference: Pick<Reference, "answerAt">) {}

  /** An entry has joined the committed log: the product's answer to it against that of the naive model. */
  committed({ index, command, answer, writes }: ReferenceStep): void {
    const expected = this.naive.apply(command);
    const difference = differenceOf(expected, answer);
    if (difference !== null) {
      const id = command?.requestId;
      broken(
        "the same answer",
        `entry ${index} (${command?.operation?.$case}${id === undefined ? "" : ` ${id.clientId}/${id.sequence}/${id.firstUnanswered}`}) ` +
          `is to be answered with ${difference}`,
      );
    }
    for (const { origin } of writes.changes) {
      if (origin.requestId === null) continue;
      const name = `${origin.requestId.clientId}/${origin.requestId.sequence}`;
      const before = this.carriedOut.get(name);
      if (before !== undefined && before !== index) {
        broken(
          "applied once",
          `the request ${name} changed records by entry ${before} and again by entry ${index}`,
        );
      }
      this.carriedOut.set(name, index);
    }
  }

  /** A replica answered a client. */
  answered({ client, member, entry, answer }: AnswerEvent): void {
    const expected = this.reference.answerAt(entry.index);
    if (expected === undefined || expected === null) {
      broken(
        "the same answer",
        `${member} answered ${client} for entry ${entry.index}, where no command is committed`,
      );
    }
    if (expected === answer || bytesEqual(encodeAnswer(expected), encodeAnswer(answer))) return;
    broken(
      "the same answer",
      `${member} answered ${client} ${textOf(answer)} for entry ${entry.index}, whose answer is ${textOf(expected)}`,
    );
  }
}

/** Every acknowledged write is in the committed log, at the place that was named (invariant 10). */
export class Acknowledged {
  /** The greatest of an acknowledged write. */
  lastIndex: Index = 0;

  constructor(private readonly entryAt: (index: Index) => Entry | undefined) {}

  answered({ client, member, command, entry }: AnswerEvent): void {
    const committed = this.entryAt(entry.index);
    if (committed === undefined || committed.term !== entry.term) {
      broken(
        "acknowledged writes survive",
        `${member} told ${client} that ${entry.term}/${entry.index} is applied, but ` +
          `${committed === undefined ? "nothing" : `${committed.term}/${committed.index}`} is committed there`,
      );
    }
    if (committed.data !== command && !bytesEqual(committed.data, command)) {
      broken(
        "acknowledged writes survive",
        `${member} told ${client} that its command is applied as ${entry.term}/${entry.index}, which holds another one`,
      );
    }
    this.lastIndex = Math.max(this.lastIndex, entry.index);
  }
}

/** What differs, in words, or null. */
function differenceOf(expected: NaiveAnswer, { revision, result }: Answer): string | null {
  if (result === undefined) return "something, but has no answer";
  if (expected.revision !== revision) return `revision ${expected.revision}, but is with ${revision}`;
  if (result.$case === "refused") {
    const { refusal } = result.value;
    return refusal === expected.refusal
      ? null
      : `${nameOf(expected.refusal)}, but is with ${nameOf(refusal)}`;
  }
  if (expected.refusal !== null) return `${nameOf(expected.refusal)}, but is carried out`;
  const { deleted, value, clientId, namespaceId, record, previous } = result.value;
  for (const [name, wanted, found] of [
    ["deleted", expected.deleted ?? 0n, deleted],
    ["value", expected.value ?? 0n, value],
    ["client_id", expected.clientId ?? 0n, clientId],
    ["namespace_id", expected.namespaceId ?? 0n, namespaceId],
    ["record", recordText(expected.record), answerText(record)],
    ["previous", recordText(expected.previous), answerText(previous)],
  ] as const) {
    if (wanted !== found) return `${name} ${wanted}, but is with ${found}`;
  }
  return null;
}

function nameOf(refusal: Refusal | null): string {
  return refusal === null ? "what was done" : (Refusal[refusal] ?? String(refusal));
}

function recordText(record: NaiveRecord | undefined): string {
  if (record === undefined) return "none";
  const { key, value, createRevision, modRevision, version } = record;
  return `${key}=${value}@${createRevision}/${modRevision}/${version}`;
}

function answerText(record: Extract<Answer["result"], { $case: "done" }>["value"]["record"]): string {
  if (record === undefined) return "none";
  const { key, value, createRevision, modRevision, version } = record;
  return recordText({ key: hexEncode(key), value: hexEncode(value), createRevision, modRevision, version });
}

function textOf({ revision, result }: Answer): string {
  return JSON.stringify({ revision, result }, (_, value) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? hexEncode(value) : value,
  );
}
