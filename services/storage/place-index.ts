/** Tables of their own, by the upper bits of the hash: so one that grows is no pause for who waits. */
const TABLE_BITS = 6;
const TABLE_SLOTS_MIN = 64;
/** The slots of a table filled at most, in quarters. */
const FILLED_QUARTERS_MAX = 3;

/** What a place is in a table; 0 is none. */
const UNUSED = 0;

interface Table {
  /** A hash and a place each, with linear probing. */
  slots: Uint32Array;
  slotMask: number;
  count: number;
}

/**
 * One place for each hash, in eight bytes a slot outside of V8's heap, and nothing of the key: two keys with one hash share
 * a place, and who finds it looks there whose it is. Places are from 1 to 2^32 - 1.
 */
export class PlaceIndex {
  private readonly tables: Table[] = Array.from({ length: 2 ** TABLE_BITS }, () =>
    emptyTable(TABLE_SLOTS_MIN),
  );

  /** @param isGone of places that nothing is at any more: they go when a table is full */
  constructor(private readonly isGone: (place: number) => boolean) {}

  /** 0 for none. */
  get(hash: number): number {
    const { slots, slotMask } = this.tableOf(hash);
    return slots[slotOf(slots, slotMask, hash) * 2 + 1] as number;
  }

  set(hash: number, place: number): void {
    const table = this.tableOf(hash);
    const slot = slotOf(table.slots, table.slotMask, hash);
    if (table.slots[slot * 2 + 1] === UNUSED) table.count += 1;
    table.slots[slot * 2] = hash;
    table.slots[slot * 2 + 1] = place;
    if (table.count * 4 > (table.slotMask + 1) * FILLED_QUARTERS_MAX) this.makeRoom(table);
  }

  /** Moves those up that were put behind it for want of it (Knuth, volume 3, section 6.4, algorithm R). */
  delete(hash: number): void {
    const table = this.tableOf(hash);
    const { slots, slotMask } = table;
    let hole = slotOf(slots, slotMask, hash);
    if (slots[hole * 2 + 1] === UNUSED) return;
    for (let next = (hole + 1) & slotMask; slots[next * 2 + 1] !== UNUSED; next = (next + 1) & slotMask) {
      const home = (slots[next * 2] as number) & slotMask;
      if (((next - home) & slotMask) < ((next - hole) & slotMask)) continue;
      slots[hole * 2] = slots[next * 2] as number;
      slots[hole * 2 + 1] = slots[next * 2 + 1] as number;
      hole = next;
    }
    slots[hole * 2 + 1] = UNUSED;
    table.count -= 1;
  }

  clear(): void {
    for (const table of this.tables) Object.assign(table, emptyTable(TABLE_SLOTS_MIN));
  }

  private tableOf(hash: number): Table {
    return this.tables[hash >>> (32 - TABLE_BITS)] as Table;
  }

  /** What is gone goes; twice as many slots where that is not half of it. */
  private makeRoom(table: Table): void {
    const { slots, slotMask, count } = table;
    let kept = 0;
    for (let at = 1; at < slots.length; at += 2) {
      if (slots[at] !== UNUSED && !this.isGone(slots[at] as number)) kept += 1;
    }
    const made = emptyTable((slotMask + 1) * (kept * 2 > count ? 2 : 1));
    for (let at = 1; at < slots.length; at += 2) {
      const place = slots[at] as number;
      if (place === UNUSED || this.isGone(place)) continue;
      const slot = slotOf(made.slots, made.slotMask, slots[at - 1] as number);
      made.slots[slot * 2] = slots[at - 1] as number;
      made.slots[slot * 2 + 1] = place;
    }
    made.count = kept;
    Object.assign(table, made);
  }
}

function emptyTable(slotCount: number): Table {
  return { slots: new Uint32Array(slotCount * 2), slotMask: slotCount - 1, count: 0 };
}

/** That of the hash, or the free one where it belongs. */
function slotOf(slots: Uint32Array, slotMask: number, hash: number): number {
  let slot = hash & slotMask;
  while (slots[slot * 2 + 1] !== UNUSED && slots[slot * 2] !== hash) slot = (slot + 1) & slotMask;
  return slot;
}
