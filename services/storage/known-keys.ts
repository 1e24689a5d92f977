import type { Database } from "./database";
import { type FilterBounds, KeyFilter } from "./key-filter";
import { keyHash, PROCESS_SEED } from "./key-hash";
import { placeOfNewestKey, rangeOfKind } from "./state-layout";
import type { StateWriter } from "./state-writer";

/** Some 600 us of the main thread. */
const KEYS_PER_READ = 256;
/** No iterator is open for longer than so many reads: LevelDB keeps what it sees. */
const READS_PER_ITERATOR = 16;
/** A lookup that finds nothing costs as much as to read 20 keys, or more: so what is read is not much more than was lost. */
const KEYS_PER_LOOKUP = 64;

/**
 * Knows of most keys that were never there that they were not, so that LevelDB is not asked for them: a lookup there costs
 * merges of tables, whatever it finds. What was written before is read in the background, when as many lookups found
 * nothing as that is worth; until it is done nothing is known. Nothing is lost with it but time.
 */
export class KnownKeys {
  /** Of all keys that LevelDB has, or is to get; null until it is filled. */
  private filter: KeyFilter | null = null;
  /** One that is to take its place. */
  private next: KeyFilter | null = null;
  /** With more keys the filter is filled anew: of those that went, it has no less for it. */
  private keyCountMax = Number.POSITIVE_INFINITY;
  /** Lookups that found nothing, before it is filled. */
  private lookupsLeft: number;
  private running: Promise<void> | null = null;

  /** @param storedCount how many there are, about */
  constructor(
    private readonly handle: { readonly database: Pick<Database, "keys">; check(): void },
    private readonly writer: Pick<StateWriter, "flush">,
    private readonly storedCount: number,
    private readonly bounds?: FilterBounds,
  ) {
    this.lookupsLeft = storedCount / KEYS_PER_LOOKUP;
    if (this.lookupsLeft === 0) this.fill(storedCount);
  }

  /** Whether it is certain that a key with that hash never was: LevelDB has no `newest` row of it, and is to get none. */
  isNew(hash: number): boolean {
    return this.filter !== null && !this.filter.mayHave(hash);
  }

  /** A key was looked for that LevelDB does not have. */
  noteAbsent(): void {
    if (this.lookupsLeft <= 0) return;
    this.lookupsLeft -= 1;
    if (this.lookupsLeft <= 0) this.fill(this.storedCount);
  }

  /** Notes a key of which LevelDB is to get a version. */
  add(hash: number): void {
    this.filter?.add(hash);
    this.next?.add(hash);
    if (this.filter !== null && this.filter.keyCount > this.keyCountMax) this.fill(this.filter.keyCount);
  }

  /** Resolves when nothing is read any more; once the handle has ended, that is soon. */
  async settle(): Promise<void> {
    await this.running;
  }

  private fill(keyCount: number): void {
    if (this.running !== null) return;
    const filter = new KeyFilter(2 * keyCount, this.bounds);
    this.next = filter;
    this.running = this.addStored(filter)
      .then(
        () => this.become(filter),
        // Lookups are not spared from now on, and no more than that: whoever needs what cannot be read meets the failure.
        () => this.end(),
      )
      .finally(() => {
        this.running = null;
      });
  }

  private become(filter: KeyFilter): void {
    this.filter = filter;
    this.next = null;
    // Then half of them at least came since, and reading them all costs each no more than two reads.
    this.keyCountMax = Math.max(filter.keyCountMax, 2 * filter.keyCount);
  }

  private end(): void {
    this.next = null;
    this.keyCountMax = Number.POSITIVE_INFINITY;
  }

  /** What is written meanwhile is added as it is: so keys need not be read as of one moment, and one that goes may be missed. */
  private async addStored(filter: KeyFilter): Promise<void> {
    const { lt, ...from } = rangeOfKind("newest");
    let after: { readonly gte: Uint8Array } | { readonly gt: Uint8Array } = from;
    // Not within the write that asked for it; and it has all that was gathered before.
    await Promise.resolve();
    await this.writer.flush();
    for (;;) {
      const last = await this.addFrom(filter, { ...after, lt });
      if (last === null) return;
      after = { gt: last };
    }
  }

  /** @returns the last key that it read; null where there are no more */
  private async addFrom(
    filter: KeyFilter,
    range: { readonly gte?: Uint8Array; readonly gt?: Uint8Array; readonly lt: Uint8Array },
  ): Promise<Uint8Array | null> {
    this.handle.check();
    const iterator = this.handle.database.keys(range);
    let last: Uint8Array | null = null;
    try {
      for (let read = 0; read < READS_PER_ITERATOR; read += 1) {
        const storedKeys = await iterator.nextv(KEYS_PER_READ);
        this.handle.check();
        if (storedKeys.length === 0) return null;
        for (const storedKey of storedKeys) {
          const place = placeOfNewestKey(storedKey);
          filter.add(keyHash(PROCESS_SEED, place, place.key));
          last = storedKey;
        }
      }
      return last;
    } finally {
      await iterator.close();
    }
  }
}
