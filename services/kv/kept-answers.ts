import { assert } from "#std";

/** An answer that a session keeps. */
export interface KeptAnswer {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  /** Whether it has been among the writes for the store. */
  isWritten: boolean;
}

/** A power of two. */
const ROOM_MIN = 8;

/**
 * The answers of a session, by sequence. A table with linear probing, with places for two to eight times as many: of sequences
 * that follow on one another each has a place of its own.
 *
 * It is no Map, since V8, when it makes a new table for a Map, leaves in the old one a pointer to it. Answers come and go with
 * each write, so there is a new table every few hundred writes; and one that was old when it was replaced keeps the next from
 * being young garbage, and that one the next, with all answers that were in them.
 */
export class KeptAnswers {
  private places: (KeptAnswer | undefined)[] = empty(ROOM_MIN);
  private count = 0;
  /** How many lie elsewhere than in their own place. */
  private displaced = 0;

  get size(): number {
    return this.count;
  }

  get(sequence: number): KeptAnswer | undefined {
    return this.places[this.placeOf(sequence)];
  }

  has(sequence: number): boolean {
    return this.get(sequence) !== undefined;
  }

  add(answer: KeptAnswer): void {
    if ((this.count + 1) * 2 > this.places.length) this.resize(this.places.length * 2);
    this.put(answer);
    this.count += 1;
  }

  /** Gives the answer, which is kept no more; undefined where there was none. */
  take(sequence: number): KeptAnswer | undefined {
    const place = this.placeOf(sequence);
    const answer = this.places[place];
    if (answer === undefined) return undefined;
    this.count -= 1;
    this.free(answer, place);
    if (this.places.length > ROOM_MIN && this.count * 8 < this.places.length)
      this.resize(this.places.length / 2);
    return answer;
  }

  /** All of them, by sequence. */
  inOrder(): KeptAnswer[] {
    const answers = this.places.filter((answer) => answer !== undefined);
    // Each lies in its place but for a turn of the table: what sorts them has little to do.
    return answers.sort((left, right) => left.sequence - right.sequence);
  }

  /** Where the answer is, or would be. */
  private placeOf(sequence: number): number {
    const { places } = this;
    const mask = places.length - 1;
    let place = sequence & mask;
    for (;;) {
      const answer = places[place];
      if (answer === undefined || answer.sequence === sequence) return place;
      place = (place + 1) & mask;
    }
  }

  private put(answer: KeptAnswer): void {
    const { places } = this;
    const place = this.placeOf(answer.sequence);
    assert(places[place] === undefined, "a sequence has one answer");
    places[place] = answer;
    if (place !== this.ownPlace(answer)) this.displaced += 1;
  }

  private ownPlace({ sequence }: KeptAnswer): number {
    return sequence & (this.places.length - 1);
  }

  /**
   * Frees a place and moves those up that lie behind it for want of it (Knuth, volume 3, section 6.4, algorithm R). Mostly there
   * are none, and nothing is looked at: of sequences that follow on one another the first goes, and all others lie behind it.
   */
  private free(answer: KeptAnswer, place: number): void {
    const { places } = this;
    if (place !== this.ownPlace(answer)) this.displaced -= 1;
    const mask = places.length - 1;
    let hole = place;
    for (let next = (hole + 1) & mask; this.displaced > 0; next = (next + 1) & mask) {
      const behind = places[next];
      if (behind === undefined) break;
      const own = this.ownPlace(behind);
      if (((next - own) & mask) < ((next - hole) & mask)) continue;
      places[hole] = behind;
      if (hole === own) this.displaced -= 1;
      hole = next;
    }
    places[hole] = undefined;
  }

  private resize(room: number): void {
    const before = this.places;
    this.places = empty(room);
    this.displaced = 0;
    for (const answer of before) if (answer !== undefined) this.put(answer);
  }
}

function empty(room: number): (KeptAnswer | undefined)[] {
  return new Array(room).fill(undefined);
}
