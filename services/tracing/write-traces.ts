import { type Attributes, type Span, SpanKind, type Tracer } from "@opentelemetry/api";
import type { LogObserver, StateObserver } from "#metrics";
import type { Entry, EntryId, Index, Term } from "#raft";
import type { LogBatch, SubmitOutcome } from "#replica";
import { parentOf } from "./traced-service";
import { contextOf, isSampled, traceparentOf } from "./traceparent";

/** Entries whose trace is known and that are not applied yet. Beyond it the oldest is forgotten: its trace lacks an end. */
const ENTRIES_MAX = 10_000;

interface TracedEntry {
  readonly term: Term;
  readonly traceparent: string;
}

export interface WriteTracesOptions {
  readonly tracer: Tracer;
  readonly memberId: string;
  /** The last entry that was applied when the node started. */
  readonly appliedIndex: Index;
}

/**
 * The way of traced writes through a member: from where they are proposed, on the leader, to where they are stored and
 * applied, on each member. On the leader an entry is recognised by its data, which the core does not copy; a follower
 * is told the trace with the entry.
 */
export class WriteTraces implements LogObserver, StateObserver {
  private readonly tracer: Tracer;
  private readonly attributes: Attributes;
  private readonly proposed = new WeakMap<Uint8Array, string>();
  private readonly entries = new Map<Index, TracedEntry>();
  private appliedIndex: Index;

  constructor({ tracer, memberId, appliedIndex }: WriteTracesOptions) {
    this.tracer = tracer;
    this.attributes = { "quorate.member": memberId };
    this.appliedIndex = appliedIndex;
  }

  /**
   * A call's command is about to be submitted.
   *
   * @returns how to tell its outcome; null where the call is not traced
   */
  submitted(command: Uint8Array, traceparent: string | null): ((outcome: SubmitOutcome) => void) | null {
    if (traceparent === null) return null;
    const parent = contextOf(traceparent);
    if (parent === null || !isSampled(parent)) return null;
    const span = this.tracer.startSpan(
      "quorate.propose",
      {
        kind: SpanKind.INTERNAL,
        attributes: { ...this.attributes, "quorate.command.bytes": command.length },
      },
      parentOf(traceparent),
    );
    this.proposed.set(command, traceparentOf(span.spanContext()));
    return (outcome) => endProposal(span, outcome);
  }

  /** What is sent along with an entry: empty where it is not traced. */
  traceparentOf({ term, index, data }: Entry): string {
    const own = this.proposed.get(data);
    if (own !== undefined) return own;
    const known = this.entries.get(index);
    return known?.term === term ? known.traceparent : "";
  }

  /** An entry of this trace came from the leader. */
  note({ term, index }: EntryId, traceparent: string): void {
    if (index <= this.appliedIndex || contextOf(traceparent) === null) return;
    this.entries.delete(index);
    this.entries.set(index, { term, traceparent });
    if (this.entries.size <= ENTRIES_MAX) return;
    const oldest = this.entries.keys().next();
    if (oldest.done !== true) this.entries.delete(oldest.value);
  }

  appended({ entries }: LogBatch, sync: boolean, startMs: number, endMs: number): void {
    for (const entry of entries) {
      const traceparent = this.traceparentOf(entry);
      if (traceparent === "") {
        // Another one took the place of an entry that was traced.
        this.entries.delete(entry.index);
        continue;
      }
      this.note(entry, traceparent);
      this.span("quorate.log.append", traceparent, startMs, endMs, {
        "quorate.term": entry.term,
        "quorate.index": entry.index,
        "quorate.entries": entries.length,
        "quorate.sync": sync,
      });
    }
  }

  applied(previous: EntryId, last: EntryId, startMs: number, endMs: number): void {
    const wasInstalled = previous.index > this.appliedIndex;
    this.appliedIndex = last.index;
    if (this.entries.size === 0) return;
    if (wasInstalled) {
      // What an installed state had applied already was not applied here.
      for (const index of [...this.entries.keys()]) if (index <= previous.index) this.entries.delete(index);
    }
    for (let index = previous.index + 1; index <= last.index; index += 1) {
      const entry = this.entries.get(index);
      if (entry === undefined) continue;
      this.entries.delete(index);
      this.span("quorate.apply", entry.traceparent, startMs, endMs, {
        "quorate.index": index,
        "quorate.entries": last.index - previous.index,
      });
    }
  }

  /** A span that is over: the times are of performance.now(). */
  private span(name: string, traceparent: string, startMs: number, endMs: number, more: Attributes): void {
    const { timeOrigin } = performance;
    this.tracer
      .startSpan(
        name,
        {
          kind: SpanKind.INTERNAL,
          startTime: timeOrigin + startMs,
          attributes: { ...this.attributes, ...more },
        },
        parentOf(traceparent),
      )
      .end(timeOrigin + endMs);
  }
}

function endProposal(span: Span, outcome: SubmitOutcome): void {
  span.setAttribute("quorate.outcome", outcome.kind);
  if (outcome.kind === "applied") {
    span.setAttribute("quorate.term", outcome.entry.term);
    span.setAttribute("quorate.index", outcome.entry.index);
  } else {
    span.setAttribute("quorate.reason", outcome.reason);
  }
  span.end();
}
