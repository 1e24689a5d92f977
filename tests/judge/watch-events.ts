/*
 * What watches told, held against the true order of changes. Records are texts, equal where the records are.
 */

/** One change of the committed order, with the revisions rising and the changes of one in their order. */
export type CommittedChange =
  | {
      readonly kind: "put" | "delete";
      readonly revision: number;
      readonly key: string;
      /** What is there afterwards; null for a deletion. */
      readonly record: string | null;
      /** What was there before; null where there was nothing. */
      readonly previous: string | null;
    }
  /** Everything was deleted at once: told to all, whatever they asked for. */
  | { readonly kind: "truncated"; readonly revision: number };

/** What a watch asked for. Keys are compared as texts. */
export interface WatchRequest {
  readonly start: string;
  /** Exclusive; null for the end. */
  readonly end: string | null;
  /** The first revision to be told; 0 for those after the beginning. */
  readonly startRevision: number;
  readonly withCurrentState: boolean;
  readonly withPrevious: boolean;
  readonly puts: boolean;
  readonly deletes: boolean;
}

export type WatchedFrame =
  | { readonly kind: "created"; readonly revision: number }
  | {
      readonly kind: "current";
      readonly revision: number;
      readonly records: readonly { readonly key: string; readonly record: string }[];
      readonly more: boolean;
    }
  | {
      readonly kind: "events";
      readonly revision: number;
      readonly events: readonly CommittedChange[];
      readonly more: boolean;
    }
  | { readonly kind: "progress"; readonly revision: number }
  | {
      readonly kind: "ended";
      readonly reason: string;
      readonly resumeRevision: number;
      readonly oldestRevision: number;
    };

/** Judges one watch, frame by frame as they come, and says where the next one has to go on. */
export class WatchCheck {
  /** All up to it was told; null before the beginning is known. */
  private toldRevision: number | null = null;
  private phase: "opening" | "current" | "live" | "ended" = "opening";
  /** Of the present state, until all of it has come. */
  private current: { readonly revision: number; readonly records: string[] } | null = null;
  /** Events of the revision that a frame ended amid. */
  private partial: CommittedChange[] = [];
  /** Of `changes`: those before were told or are not wanted. */
  private at = 0;

  /** @param changes the committed order, which may grow while the watch goes on */
  constructor(
    private readonly request: WatchRequest,
    private readonly changes: readonly CommittedChange[],
    /** The last revision that is committed, be it of a change elsewhere. */
    private readonly committed: () => number = () => changes.at(-1)?.revision ?? 0,
  ) {}

  /** The startRevision that misses nothing and repeats nothing; null before the watch has begun. */
  get nextRevision(): number | null {
    return this.phase === "opening" || this.phase === "current" || this.toldRevision === null
      ? null
      : this.toldRevision + 1;
  }

  /** Takes the next frame; what is wrong with it in a sentence, or null. */
  take(frame: WatchedFrame): string | null {
    if (this.phase === "ended") return `a frame (${frame.kind}) after the end`;
    switch (frame.kind) {
      case "created":
        return this.created(frame.revision);
      case "current":
        return this.phase === "current" ? this.takeCurrent(frame) : "present records outside the beginning";
      case "events":
        return this.phase === "live" ? this.takeEvents(frame) : "events before the beginning is over";
      case "progress":
        return this.phase === "live"
          ? this.progress(frame.revision)
          : "progress before the beginning is over";
      case "ended":
        return this.end(frame);
    }
  }

  private created(revision: number): string | null {
    if (this.phase !== "opening") return "it was created twice";
    const { startRevision, withCurrentState } = this.request;
    const early = this.notYet(Math.max(revision, startRevision - 1));
    if (early !== null) return early;
    this.phase = withCurrentState ? "current" : "live";
    if (!withCurrentState) this.begin(startRevision === 0 ? revision : startRevision - 1);
    return null;
  }

  private takeCurrent({
    revision,
    records,
    more,
  }: Extract<WatchedFrame, { kind: "current" }>): string | null {
    const early = this.notYet(revision);
    if (early !== null) return early;
    this.current ??= { revision, records: [] };
    if (this.current.revision !== revision) return "present records of two revisions";
    for (const { key, record } of records) this.current.records.push(`${key}\u0000${record}`);
    if (more) return null;
    const expected = this.recordsAt(revision);
    const told = this.current.records;
    this.current = null;
    this.phase = "live";
    this.begin(revision);
    return isSame(expected, told)
      ? null
      : `the present state at ${revision} is told as ${listText(told)}, but is ${listText(expected)}`;
  }

  private takeEvents({ revision, events, more }: Extract<WatchedFrame, { kind: "events" }>): string | null {
    const last = events.at(-1);
    // All that it was about was filtered out: it says no more than how far it is.
    if (last === undefined) return more ? null : this.completeTo(revision);
    const told = this.toldRevision as number;
    let latest = this.partial.at(-1)?.revision ?? 0;
    for (const event of events) {
      const early = this.notYet(event.revision);
      if (early !== null) return early;
      if (event.revision <= told) return `${changeText(event)} is told again: all up to ${told} was told`;
      if (event.revision < latest) return `${changeText(event)} is told after one of revision ${latest}`;
      latest = event.revision;
    }
    this.partial.push(...events);
    if (!more) {
      return revision < last.revision
        ? `revision ${revision} before that of its own events`
        : this.completeTo(revision);
    }
    if (revision >= last.revision || revision < told) return `revision ${revision} amid that of its events`;
    const begun = this.partial.filter((event) => event.revision > revision);
    this.partial = this.partial.filter((event) => event.revision <= revision);
    const fault = this.completeTo(revision);
    this.partial = begun;
    return fault;
  }

  private progress(revision: number): string | null {
    if (this.partial.length > 0) return "progress amid a revision";
    const told = this.toldRevision as number;
    return revision < told ? `progress to ${revision} after ${told}` : this.completeTo(revision);
  }

  private end({
    reason,
    resumeRevision,
    oldestRevision,
  }: Extract<WatchedFrame, { kind: "ended" }>): string | null {
    const wasLive = this.phase === "live";
    this.phase = "ended";
    const { startRevision } = this.request;
    if (reason === "compacted") {
      const wanted = this.toldRevision === null ? startRevision : this.toldRevision + 1;
      if (oldestRevision <= wanted)
        return `compacted, but its next revision ${wanted} is not below ${oldestRevision}`;
    }
    if (resumeRevision === 0 || !wasLive) return null;
    const told = this.toldRevision as number;
    if (resumeRevision <= told)
      return `it is to be resumed at ${resumeRevision}, but all up to ${told} was told`;
    const missed = this.expectedTo(resumeRevision - 1);
    if (missed.length === 0) return null;
    return `resumed at ${resumeRevision}, it would miss ${listText(missed.map(changeText))}`;
  }

  private begin(toldRevision: number): void {
    this.toldRevision = toldRevision;
    while ((this.changes[this.at]?.revision ?? Number.POSITIVE_INFINITY) <= toldRevision) this.at += 1;
  }

  /** All that is wanted up to a revision has been told now, in order, and nothing else. */
  private completeTo(revision: number): string | null {
    const early = this.notYet(revision);
    if (early !== null) return early;
    const expected = this.expectedTo(revision).map((change) => this.eventText(change));
    const told = this.partial.map((event) => this.eventText(event));
    this.partial = [];
    this.begin(Math.max(revision, this.toldRevision as number));
    return isSame(expected, told)
      ? null
      : `up to ${revision} it told ${listText(told)}, but there was ${listText(expected)}`;
  }

  private expectedTo(revision: number): readonly CommittedChange[] {
    const found: CommittedChange[] = [];
    for (let at = this.at; at < this.changes.length; at += 1) {
      const change = this.changes[at] as CommittedChange;
      if (change.revision > revision) break;
      if (this.isWanted(change)) found.push(change);
    }
    return found;
  }

  private isWanted(change: CommittedChange): boolean {
    if (change.kind === "truncated") return true;
    const { puts, deletes } = this.request;
    return (change.kind === "put" ? puts : deletes) && this.isInRange(change.key);
  }

  private isInRange(key: string): boolean {
    const { start, end } = this.request;
    return key >= start && (end === null || key < end);
  }

  private recordsAt(revision: number): readonly string[] {
    const records = new Map<string, string>();
    for (const change of this.changes) {
      if (change.revision > revision) break;
      if (change.kind === "truncated") records.clear();
      else if (change.record === null) records.delete(change.key);
      else if (this.isInRange(change.key)) records.set(change.key, change.record);
    }
    return [...records]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, record]) => `${key}\u0000${record}`);
  }

  private eventText(change: CommittedChange): string {
    if (change.kind === "truncated" || this.request.withPrevious) return changeText(change);
    return changeText({ ...change, previous: null });
  }

  private notYet(revision: number): string | null {
    const last = this.committed();
    return revision > last ? `revision ${revision} is told, but only ${last} is committed` : null;
  }
}

function changeText(change: CommittedChange): string {
  if (change.kind === "truncated") return `${change.revision}: truncated`;
  const { kind, revision, key, record, previous } = change;
  return `${revision}: ${kind} ${key}${record === null ? "" : ` ${record}`}${previous === null ? "" : ` over ${previous}`}`;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, at) => text === right[at]);
}

function listText(texts: readonly string[]): string {
  return `[${texts.join(", ")}]`;
}
