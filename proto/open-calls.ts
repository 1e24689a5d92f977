/** A power of two. */
const ROOM_MIN = 64;

/**
 * The calls of a pipeline that are open, by their ids.
 *
 * It could be a Map, but for one thing: when V8 makes a new table for a Map, the old one keeps a pointer to it. Calls come
 * and go, so there is a new table every few hundred calls; and once one of them was old when it was replaced, it keeps
 * the next from being young garbage, and that one the next. With them go the calls that were open then and all that hangs
 * on those: some half a kilobyte a call was copied twice and left to the collector of old garbage.
 *
 * A table with linear probing. Ids that follow on one another, as callers choose them, lie side by side; where a caller
 * chooses them so that they collide, a step takes as long as calls are open, and how many may be is bounded.
 */
export class OpenCalls<Call> {
  private ids = new Uint32Array(ROOM_MIN);
  private calls: (Call | undefined)[] = new Array(ROOM_MIN).fill(undefined);
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: number): Call | undefined {
    return this.calls[this.slotOf(id)];
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** @param id a uint32 that no other open call has */
  add(id: number, call: Call): void {
    if ((this.count + 1) * 2 > this.calls.length) this.grow();
    const slot = this.slotOf(id);
    if (this.calls[slot] !== undefined) throw new Error(`the id ${id} is that of a call which is open`);
    this.put(slot, id, call);
    this.count += 1;
  }

  /** @returns the call, which is open no more; undefined where there was none */
  take(id: number): Call | undefined {
    const slot = this.slotOf(id);
    const call = this.calls[slot];
    if (call === undefined) return undefined;
    this.count -= 1;
    this.close(slot);
    return call;
  }

  /** All that are open now with their ids, in no order. */
  entries(): [id: number, call: Call][] {
    const entries: [number, Call][] = [];
    for (let slot = 0; slot < this.calls.length; slot += 1) {
      const call = this.calls[slot];
      if (call !== undefined) entries.push([this.ids[slot] as number, call]);
    }
    return entries;
  }

  /**
   * All that are open now, for who chooses their ids one by one and begins anew behind the largest: the oldest first.
   *
   * @param lastId the id that was chosen last
   */
  oldestFirst(lastId: number): Call[] {
    const age = (id: number): number => (lastId - id) >>> 0;
    const entries = this.entries().sort(([one], [other]) => age(other) - age(one));
    return entries.map(([, call]) => call);
  }

  clear(): void {
    this.ids = new Uint32Array(ROOM_MIN);
    this.calls = new Array(ROOM_MIN).fill(undefined);
    this.count = 0;
  }

  /** The slot of the call, or the free one where it belongs. */
  private slotOf(id: number): number {
    const { ids, calls } = this;
    const mask = calls.length - 1;
    let slot = id & mask;
    while (calls[slot] !== undefined && ids[slot] !== id) slot = (slot + 1) & mask;
    return slot;
  }

  private put(slot: number, id: number, call: Call): void {
    this.ids[slot] = id;
    this.calls[slot] = call;
  }

  /** Frees a slot and moves those up that were put behind it for want of it (Knuth, volume 3, section 6.4, algorithm R). */
  private close(slot: number): void {
    const { ids, calls } = this;
    const mask = calls.length - 1;
    let hole = slot;
    for (let next = (hole + 1) & mask; calls[next] !== undefined; next = (next + 1) & mask) {
      const id = ids[next] as number;
      if (((next - id) & mask) < ((next - hole) & mask)) continue;
      this.put(hole, id, calls[next] as Call);
      hole = next;
    }
    calls[hole] = undefined;
  }

  private grow(): void {
    const entries = this.entries();
    const room = this.calls.length * 2;
    this.ids = new Uint32Array(room);
    this.calls = new Array(room).fill(undefined);
    for (const [id, call] of entries) this.put(this.slotOf(id), id, call);
  }
}
