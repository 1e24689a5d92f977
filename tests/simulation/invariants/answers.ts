import { type Answer, encodeAnswer } from "@quorate/services/kv";
import type { Entry, Index } from "@quorate/services/raft";
import { bytesEqual, hexEncode } from "@quorate/services/std";
import type { AnswerEvent } from "../clients/events";
import { broken } from "./invariant";
import { answerDifference, changesDifference, stateDifference } from "./naive-difference";
import { NaiveStore } from "./naive-store";
import type { Reference, ReferenceStep } from "./reference";

/** Every request applied once, and every answer to it the same (invariant 7). */
export class Answers {
  private readonly naive: NaiveStore;
  /** By "client/sequence": the entry that carried the request out. */
  private readonly carriedOut = new Map<string, Index>();

  constructor(private readonly reference: Pick<Reference, "answerAt" | "founding">) {
    this.naive = new NaiveStore(reference.founding);
  }

  /** An entry has joined the committed log: what the product makes of it against the naive model. */
  committed({ index, command, answer, writes, counts }: ReferenceStep): void {
    const expected = this.naive.apply(command);
    const id = command?.requestId;
    const name = `entry ${index} (${command?.operation?.$case}${id === undefined ? "" : ` ${id.clientId}/${id.sequence}/${id.firstUnanswered}`})`;
    const difference = answerDifference(expected.answer, answer);
    if (difference !== null) broken("the same answer", `${name} is to be answered with ${difference}`);
    for (const { origin } of writes.changes) {
      if (origin.requestId === null) continue;
      const request = `${origin.requestId.clientId}/${origin.requestId.sequence}`;
      const before = this.carriedOut.get(request);
      if (before !== undefined && before !== index) {
        broken(
          "applied once",
          `the request ${request} changed records by entry ${before} and again by entry ${index}`,
        );
      }
      this.carriedOut.set(request, index);
    }
    const change = changesDifference(expected.changes, writes.changes);
    if (change !== null) broken("what a command changes", `${name} is to do ${change}`);
    const state = stateDifference(this.naive, { writes, counts });
    if (state !== null) broken("what a command changes", `${name} is to leave ${state}`);
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

function textOf({ revision, result }: Answer): string {
  return JSON.stringify({ revision, result }, (_, value) =>
    typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? hexEncode(value) : value,
  );
}
