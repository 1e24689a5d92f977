import type { SessionAnswer, StateWrites } from "#kv";
import { assert } from "#std";
import { AnswerPlaces, type AnswerRow } from "./answer-places";
import type { ChainedBatch } from "./database";
import { RecordWriter } from "./record-writer";
import { answersKey } from "./state-layout";
import { writeAnswers } from "./state-records";

/** Bounds of a row; an answer that is longer has one of its own. */
const ROW_ANSWERS_MAX = 256;
const ROW_BYTES_MAX = 16 * 1024;

/** So many dropped answers may lie in rows, besides as many as are kept. */
const DROPPED_MAX = 1024;
/** Answers that one batch moves, nearly, so that no batch grows much by what others left behind. */
const MOVED_MAX = 64;

/** A row as it is found when the state is opened. */
export interface FoundAnswers {
  readonly rowNumber: number;
  /** Dropped ones too. */
  readonly answers: readonly SessionAnswer[];
}

type Row = AnswerRow<SessionAnswer>;

type AnswerWrites = Pick<StateWrites, "answers" | "answersDropped" | "sessionsEnded">;

/**
 * The answers that sessions keep, as they lie in rows: one a batch, mostly. A row goes with the last of its answers that
 * is dropped, which is soon where clients are busy. Where idle ones hold on to rows for a few answers each, the oldest rows
 * are given up and what they keep is written anew, so that what is dropped takes little more room than what is kept.
 */
export class AnswerRows {
  private readonly writer = new RecordWriter();
  /** By client id. */
  private readonly places = new Map<number, AnswerPlaces<SessionAnswer>>();
  /** By number, the oldest first. */
  private readonly rows = new Map<number, Row>();
  private storedCount = 0;
  private keptCount = 0;
  private nextNumber = 1;

  /**
   * @param found in the order of their numbers
   * @param isKept whether an answer that was found is not dropped
   */
  constructor(found: readonly FoundAnswers[], isKept: (answer: SessionAnswer) => boolean) {
    for (const { rowNumber, answers } of found) {
      this.insert(rowNumber, answers.length, answers.filter(isKept));
    }
  }

  /** Returns the bytes put. */
  putInto(batch: ChainedBatch, writes: AnswerWrites): number {
    let bytes = 0;
    for (const { clientId, sequence } of writes.answersDropped) {
      bytes += this.drop(batch, clientId, sequence);
    }
    for (const clientId of writes.sessionsEnded) {
      for (const sequence of this.places.get(clientId)?.all() ?? [])
        bytes += this.drop(batch, clientId, sequence);
      this.places.delete(clientId);
    }
    const ended = new Set(writes.sessionsEnded);
    const added =
      ended.size === 0 ? writes.answers : writes.answers.filter(({ clientId }) => !ended.has(clientId));
    const moved: SessionAnswer[] = [];
    if (this.excess > DROPPED_MAX) {
      // Until little is left of it: what is moved at once lies in few rows.
      while (moved.length < MOVED_MAX && this.excess > 0) {
        const [oldest] = this.rows.values();
        assert(oldest !== undefined, "what is stored lies in a row");
        for (const answer of oldest.answers) if (answer !== null) moved.push(answer);
        bytes += this.remove(batch, oldest);
      }
    }
    // What is moved stays ahead of what is new: it is the next to be dropped, or to be moved again.
    for (const answers of [...rowsOf(moved), ...rowsOf(added)]) {
      bytes += writeAnswers(this.writer, this.nextNumber, answers).putInto(batch).bytes;
      this.insert(this.nextNumber, answers.length, answers);
    }
    return bytes;
  }

  /** How many more answers that are dropped are stored than such that are kept. */
  private get excess(): number {
    return this.storedCount - 2 * this.keptCount;
  }

  /** @param kept becomes the row's */
  private insert(number: number, storedCount: number, kept: SessionAnswer[]): Row {
    const row: Row = { number, storedCount, answers: kept, keptCount: kept.length };
    for (let position = 0; position < kept.length; position += 1) {
      const { clientId, sequence } = kept[position] as SessionAnswer;
      let places = this.places.get(clientId);
      if (places === undefined) {
        places = new AnswerPlaces();
        this.places.set(clientId, places);
      }
      places.add(sequence, row, position);
    }
    this.trim(kept);
    this.rows.set(number, row);
    this.storedCount += storedCount;
    this.keptCount += kept.length;
    this.nextNumber = number + 1;
    return row;
  }

  private trim(added: readonly SessionAnswer[]): void {
    let last = 0;
    for (const { clientId } of added) {
      if (clientId !== last) this.places.get(clientId)?.trim();
      last = clientId;
    }
  }

  /** Returns the bytes put. */
  private drop(batch: ChainedBatch, clientId: number, sequence: number): number {
    const row = this.places.get(clientId)?.take(sequence) ?? null;
    if (row === null) return 0;
    row.keptCount -= 1;
    this.keptCount -= 1;
    return row.keptCount === 0 ? this.remove(batch, row) : 0;
  }

  /** Returns the bytes put. */
  private remove(batch: ChainedBatch, row: Row): number {
    this.rows.delete(row.number);
    this.storedCount -= row.storedCount;
    this.keptCount -= row.keptCount;
    return answersKey(this.writer, row.number).deleteFrom(batch);
  }
}

/** Answers in the order they are in, as many a row as it may have. */
function rowsOf(answers: readonly SessionAnswer[]): readonly SessionAnswer[][] {
  const rows: SessionAnswer[][] = [];
  let row: SessionAnswer[] = [];
  let bytes = 0;
  for (const answer of answers) {
    const isFull = row.length === ROW_ANSWERS_MAX || bytes + answer.answer.length > ROW_BYTES_MAX;
    if (row.length === 0 || isFull) {
      row = [];
      rows.push(row);
      bytes = 0;
    }
    row.push(answer);
    bytes += answer.answer.length;
  }
  return rows;
}
