/** A row of answers, of those that are kept. */
export interface AnswerRow<Answer> {
  readonly number: number;
  /** Dropped ones too. */
  readonly storedCount: number;
  /** null for one that was dropped. */
  readonly answers: (Answer | null)[];
  keptCount: number;
}

/** A power of two. */
const ROOM_MIN = 4;

/**
 * In which row each answer of a session lies, and where in it. A table with linear probing, of which less than half is filled:
 * sequences follow on one another, so most have the place that they ask for.
 *
 * It is no Map, for the reason that the table of answers that a session keeps is none: answers come and go with each write,
 * and the tables that a Map gives up keep one another, and what was in them, from being young garbage.
 */
export class AnswerPlaces<Answer> {
  private sequences: number[] = new Array(ROOM_MIN).fill(0);
  private rows: (AnswerRow<Answer> | null)[] = new Array(ROOM_MIN).fill(null);
  private positions: number[] = new Array(ROOM_MIN).fill(0);
  private count = 0;

  /** @param position in the row */
  add(sequence: number, row: AnswerRow<Answer>, position: number): void {
    if ((this.count + 1) * 2 > this.rows.length) this.resize(this.rows.length * 2);
    const at = this.placeOf(sequence);
    if (this.rows[at] === null) this.count += 1;
    this.put(at, sequence, row, position);
  }

  /** Forgets an answer, which is null in its row from then on. @returns its row; null where it is in none */
  take(sequence: number): AnswerRow<Answer> | null {
    const at = this.placeOf(sequence);
    const row = this.rows[at] as AnswerRow<Answer> | null;
    if (row === null) return null;
    row.answers[this.positions[at] as number] = null;
    this.count -= 1;
    this.free(at);
    return row;
  }

  /** Gives back room that is not needed: when answers have come, and not already when those before them have gone. */
  trim(): void {
    let room = this.rows.length;
    while (room > ROOM_MIN && this.count * 8 < room) room /= 2;
    if (room < this.rows.length) this.resize(room);
  }

  /** The sequences of all answers. */
  all(): readonly number[] {
    return this.sequences.filter((_, at) => this.rows[at] !== null);
  }

  /** Where the sequence is, or would be. */
  private placeOf(sequence: number): number {
    const mask = this.rows.length - 1;
    let at = sequence & mask;
    while (this.rows[at] !== null && this.sequences[at] !== sequence) at = (at + 1) & mask;
    return at;
  }

  private put(at: number, sequence: number, row: AnswerRow<Answer>, position: number): void {
    this.sequences[at] = sequence;
    this.rows[at] = row;
    this.positions[at] = position;
  }

  /** Frees a place and moves those up that lie behind it for want of it (Knuth, volume 3, section 6.4, algorithm R). */
  private free(place: number): void {
    const mask = this.rows.length - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
      const row = this.rows[next] as AnswerRow<Answer> | null;
      if (row === null) break;
      const sequence = this.sequences[next] as number;
      if (((next - sequence) & mask) < ((next - hole) & mask)) continue;
      this.put(hole, sequence, row, this.positions[next] as number);
      hole = next;
    }
    this.rows[hole] = null;
  }

  private resize(room: number): void {
    const { sequences, rows, positions } = this;
    this.sequences = new Array(room).fill(0);
    this.rows = new Array(room).fill(null);
    this.positions = new Array(room).fill(0);
    for (let at = 0; at < rows.length; at += 1) {
      const row = rows[at] as AnswerRow<Answer> | null;
      if (row === null) continue;
      const sequence = sequences[at] as number;
      this.put(this.placeOf(sequence), sequence, row, positions[at] as number);
    }
  }
}
