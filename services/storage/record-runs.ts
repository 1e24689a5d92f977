import type { StoredRecord } from "#kv";
import { assert } from "#std";
import type { KeySpace } from "./key-hash";
import { keyText } from "./key-text";
import { PackedRecords } from "./packed-records";

/** A run has about so many bytes of records: one change drops it whole, and it costs a scan a step. */
const RUN_BYTES = 16 * 1024;
/** What a run takes besides its records. */
const RUN_OVERHEAD_BYTES = 600;
/** What a record counts besides key and value, as it is gathered. */
const RECORD_OVERHEAD_BYTES = 48;
/** Of a gap no more is kept: who reads through everything is not to push out all that others come back to. */
const GAP_BYTES_MAX = 1024 * 1024;

/** All records of the keys from `start` on and before `end`, both texts of keys. */
export interface Run {
  readonly start: string;
  readonly end: string;
  /** Since this revision no key of it has changed. */
  readonly revision: number;
  readonly records: PackedRecords;
}

/** A part of a range: runs without a gap, what no run has, or what was not looked for, since as much as is wanted comes before. */
export type Stretch =
  | { readonly kind: "runs"; readonly runs: Run[] }
  | { readonly kind: "gap" | "rest"; readonly start: string; readonly end: string };

/**
 * What scans have read lately, in runs of records that follow on one another, bounded in bytes: LevelDB hands out a row as
 * two objects that cost more than all else that is done with it. A run goes with the first change of a key of it, and
 * otherwise by age of use.
 */
export class RecordRuns {
  private readonly bytesMax: number;
  /** In key order; they do not overlap. */
  private readonly ordered: Run[] = [];
  /** The same, the one that was used last at the end. */
  private readonly byUse = new Set<Run>();
  private readonly fillings = new Set<RunFilling>();
  private bytes = 0;

  /** @param bytesMax 0 to keep nothing */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * What a range is made of, in key order.
   *
   * @param revision that is read at: a run that may be newer is none
   * @param recordsWanted once runs have so many nothing more is looked for
   */
  stretches(
    range: { readonly start: string; readonly end: string },
    revision: number,
    recordsWanted: number,
  ): readonly Stretch[] {
    const stretches: Stretch[] = [];
    let { start } = range;
    let found = 0;
    // The first run may have more that lies before the range than in it.
    let isWithin = false;
    for (let at = this.firstEndingAfter(start); start < range.end; at += 1) {
      const run = this.ordered[at];
      const isEnough = found >= recordsWanted;
      if (isEnough || run === undefined || run.start >= range.end) {
        stretches.push({ kind: isEnough ? "rest" : "gap", start, end: range.end });
        break;
      }
      if (run.revision > revision) continue;
      if (run.start > start) {
        stretches.push({ kind: "gap", start, end: run.start });
        isWithin = true;
      }
      const before = stretches.at(-1);
      if (before?.kind === "runs") before.runs.push(run);
      else stretches.push({ kind: "runs", runs: [run] });
      this.byUse.delete(run);
      this.byUse.add(run);
      if (isWithin) found += run.records.count;
      isWithin = true;
      start = run.end;
    }
    return stretches;
  }

  /** Begins to gather what is read of a gap, as of a revision after which nothing was written yet. */
  fill(gap: { readonly start: string; readonly end: string }, revision: number): RunFilling {
    const filling: RunFilling = new RunFilling(gap, revision, {
      add: (run) => this.add(run),
      close: () => this.fillings.delete(filling),
    });
    this.fillings.add(filling);
    return filling;
  }

  /** Is told of each change of a key, in the turn in which reads see it. */
  noteChanged(space: KeySpace, key: Uint8Array): void {
    if (this.ordered.length === 0 && this.fillings.size === 0) return;
    const changed = keyText(space, key);
    for (const filling of this.fillings) filling.noteChanged(changed);
    const run = this.ordered[this.firstEndingAfter(changed)];
    if (run !== undefined && run.start <= changed) this.drop(run);
  }

  /** Forgets everything: something was put right behind the back of the changes. */
  clear(): void {
    for (const filling of this.fillings) filling.spoil();
    this.ordered.length = 0;
    this.byUse.clear();
    this.bytes = 0;
  }

  get byteLength(): number {
    return this.bytes;
  }

  private add(run: Run): void {
    const at = this.firstEndingAfter(run.start);
    const next = this.ordered[at];
    // Another scan was here meanwhile.
    if (next !== undefined && next.start < run.end) return;
    this.ordered.splice(at, 0, run);
    this.byUse.add(run);
    this.bytes += runBytes(run);
    for (const oldest of this.byUse) {
      if (this.bytes <= this.bytesMax) break;
      this.drop(oldest);
    }
  }

  private drop(run: Run): void {
    const at = this.firstEndingAfter(run.start);
    assert(this.ordered[at] === run, "a run lies where its keys are");
    this.ordered.splice(at, 1);
    this.byUse.delete(run);
    this.bytes -= runBytes(run);
  }

  /** The place of the first run that ends behind the text of a key. */
  private firstEndingAfter(text: string): number {
    const { ordered } = this;
    let low = 0;
    let high = ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ordered[middle] as Run).end <= text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Makes runs of what is read of a gap, in key order, as long as none of its keys changes. */
export class RunFilling {
  private readonly end: string;
  private readonly revision: number;
  private readonly runs: { readonly add: (run: Run) => void; readonly close: () => void };
  /** What begins here is not yet part of a run. */
  private start: string;
  /** Before here all is gathered. */
  private readTo: string;
  private gathered: StoredRecord[] = [];
  private gatheredBytes = 0;
  private bytesLeft = GAP_BYTES_MAX;
  private isSpoilt = false;

  constructor(
    gap: { readonly start: string; readonly end: string },
    revision: number,
    runs: { readonly add: (run: Run) => void; readonly close: () => void },
  ) {
    this.start = gap.start;
    this.readTo = gap.start;
    this.end = gap.end;
    this.revision = revision;
    this.runs = runs;
  }

  /** @param text of the next key @param record null where it is deleted */
  add(text: string, record: StoredRecord | null): void {
    if (this.isSpoilt) return;
    // The first key that sorts after it.
    this.readTo = `${text}\0`;
    if (record === null) return;
    this.gathered.push(record);
    this.gatheredBytes += record.key.length + record.value.length + RECORD_OVERHEAD_BYTES;
    if (this.gatheredBytes >= RUN_BYTES) this.makeRun();
  }

  /** All of the gap was read. */
  complete(): void {
    this.readTo = this.end;
  }

  /** No more is read. Safe to call twice. */
  close(): void {
    this.makeRun();
    this.spoil();
    this.runs.close();
  }

  /** @param text of its key */
  noteChanged(text: string): void {
    // What lies before is in a run, which is dropped by itself.
    if (text >= this.start && text < this.end) this.spoil();
  }

  /** Nothing more of it is kept, such as what may not be what there is. */
  spoil(): void {
    this.isSpoilt = true;
    this.gathered = [];
  }

  private makeRun(): void {
    const { start, readTo: end, revision } = this;
    if (this.isSpoilt || start >= end) return;
    this.runs.add({ start, end, revision, records: new PackedRecords(this.gathered) });
    this.start = end;
    this.bytesLeft -= this.gatheredBytes;
    this.gathered = [];
    this.gatheredBytes = 0;
    if (this.bytesLeft <= 0) this.spoil();
  }
}

function runBytes({ start, end, records }: Run): number {
  return RUN_OVERHEAD_BYTES + start.length + end.length + records.byteLength;
}
