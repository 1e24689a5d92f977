/** Tables of their own, by the upper bits of the hash: so one that grows is no pause for who waits. */
const TABLE_BITS = 6;
const TABLE_SLOTS_MIN = 64;
/** The slots of a table filled at most, in quarters. */
const FILLED_QUARTERS_MAX = 3;
/** Of a table: so all of them take no more than 32 MiB, for three million rows. A ring may hold sixteen million small ones. */
const TABLE_SLOTS_MAX = 2 ** 16;
/** Of so many ages the middle one is taken for that of all. */
const AGES_ASKED = 63;

/** What a place is in a table; 0 is none. */
const UNUSED = 0;

/** What places are in. */
export interface Placed {
  /** Whether nothing is there any more. */
  isGone(place: number): boolean;
  /** More for what came earlier. */
  ageOf(place: number): number;
}

interface Table {
  /** A hash and a place each, with linear probing. */
  slots: Uint32Array;
  slotMask: number;
  count: number;
}

/**
 * One place for each hash, in eight bytes a slot outside of V8's heap, and nothing of the key: two keys with one hash share
 * a place, and who finds it looks there whose it is. Places are from 1 to 2^32 - 1. Where they are too many the older half goes.
 */
export class PlaceIndex {
  private readonly tables: Table[] = Array.from({ length: 2 ** TABLE_BITS }, () =>
    emptyTable(TABLE_SLOTS_MIN),
  );

  /** @param placed what is gone goes when a table is full @param tableSlotsMax a power of two */
  constructor(
    private readonly placed: Placed,
    private readonly tableSlotsMax = TABLE_SLOTS_MAX,
  ) {}

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

  /** What is gone goes; where that is not half of it, there are twice as many slots, or the older half goes too. */
  private makeRoom(table: Table): void {
    const kept = this.keptOf(table.slots);
    const isMostlyKept = kept.length * 2 > table.count;
    const slotCount = table.slotMask + 1;
    const isAtMost = slotCount >= this.tableSlotsMax;
    const ageMax = isMostlyKept && isAtMost ? this.middleAge(table.slots, kept) : Number.POSITIVE_INFINITY;
    const made = emptyTable(isMostlyKept && !isAtMost ? slotCount * 2 : slotCount);
    for (const at of kept) {
      const hash = table.slots[at] as number;
      const place = table.slots[at + 1] as number;
      if (this.placed.ageOf(place) > ageMax) continue;
      const slot = slotOf(made.slots, made.slotMask, hash);
      made.slots[slot * 2] = hash;
      made.slots[slot * 2 + 1] = place;
      made.count += 1;
    }
    Object.assign(table, made);
  }

  /** Where in the slots something is that is not gone. */
  private keptOf(slots: Uint32Array): readonly number[] {
    const kept: number[] = [];
    for (let at = 0; at < slots.length; at += 2) {
      const place = slots[at + 1] as number;
      if (place !== UNUSED && !this.placed.isGone(place)) kept.push(at);
    }
    return kept;
  }

  /** Nearly: by the first of them, for they lie in the order of hashes and not of ages. */
  private middleAge(slots: Uint32Array, kept: readonly number[]): number {
    const ages = kept.slice(0, AGES_ASKED).map((at) => this.placed.ageOf(slots[at + 1] as number));
    ages.sort((left, right) => left - right);
    return ages[(ages.length - 1) >>> 1] as number;
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
