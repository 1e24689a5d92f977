import type { Event, WatchCurrent, WatchEvents, WatchResponse } from "@quorate/proto/kv";
import { toNumber } from "#client/numbers";
import { KvRecord } from "#client/record";
import { changeOf, type KvEvent } from "./event";

/** What has been received and is to be handed on, in this order. */
export type Received =
  | { readonly kind: "event"; readonly event: KvEvent; readonly byteCount: number }
  /** All changes up to the revision came before this. */
  | { readonly kind: "reached"; readonly revision: number };

/** What is to be asked of the cluster next. */
export type Need =
  | { readonly kind: "watch"; readonly startRevision: number; readonly withCurrentState: boolean }
  /** The records of this revision behind `after`: the rest of a state of which a part was received. */
  | { readonly kind: "state"; readonly revision: number; readonly after: Uint8Array | null };

/** What all bookkeeping of a change or record in memory comes to, besides key and values. */
const OVERHEAD_BYTES = 200;

/** A position among the changes: never in a part of a state. */
interface EventsPhase {
  readonly kind: "events";
  /** All changes up to here were received. */
  reached: number;
  /** The keys of the revision behind it of which only a part was received. */
  partial: { readonly revision: number; readonly keys: Set<string> } | null;
}

type Phase =
  /** Nothing is known yet. */
  | { readonly kind: "start" }
  | { readonly kind: "state"; readonly revision: number; last: Uint8Array | null }
  | EventsPhase;

/**
 * How far one watch has come, over however many streams: what it takes from them, each change once and in order, and
 * what it has to ask for when a stream has ended. A stream that is begun anew tells the revision that was cut again as a
 * whole; a key changes once in a revision, so keys tell which of its changes were received.
 */
export class Reception {
  readonly #wantsState: boolean;
  readonly #take: (received: Received) => void;
  #phase: Phase;
  #announced = -1;

  /** @param take is called for each part that is new */
  constructor(
    start: { readonly fromRevision: number | undefined; readonly currentState: boolean },
    take: (received: Received) => void,
  ) {
    this.#wantsState = start.currentState;
    this.#take = take;
    this.#phase =
      start.fromRevision === undefined
        ? { kind: "start" }
        : { kind: "events", reached: start.fromRevision - 1, partial: null };
  }

  need(): Need {
    const phase = this.#phase;
    switch (phase.kind) {
      case "start":
        return { kind: "watch", startRevision: 0, withCurrentState: this.#wantsState };
      case "state":
        return { kind: "state", revision: phase.revision, after: phase.last };
      case "events":
        return { kind: "watch", startRevision: phase.reached + 1, withCurrentState: false };
    }
  }

  /** Whether a part of the state was received, and more is to come. */
  get isAmidState(): boolean {
    return this.#phase.kind === "state";
  }

  /** Forgets the part of the state that was received. */
  restartState(): void {
    if (this.#phase.kind === "state") this.#phase = { kind: "start" };
  }

  /** @throws Error when the response does not fit what was received before */
  onResponse({ header, response }: WatchResponse): void {
    const revision = toNumber(header?.revision ?? 0n);
    switch (response?.$case) {
      case "created":
        if (this.#phase.kind === "start" && !this.#wantsState) this.#followFrom(revision);
        else if (this.#phase.kind === "events") this.#announce(this.#phase.reached);
        return;
      case "current":
        this.#onCurrent(revision, response.value);
        return;
      case "events":
        this.#onEvents(revision, response.value);
        return;
      case "progressed":
        this.#reach(this.#events(), revision);
        return;
      default:
        // Told by a newer server about something else than changes.
        return;
    }
  }

  /** Takes a record of the state that was read by other means; one that was received before is left out. */
  onStateRecord(record: KvRecord): void {
    const phase = this.#phase;
    if (phase.kind !== "state") throw new Error("a record came outside of the state");
    if (phase.last !== null && Buffer.compare(phase.last, record.keyBytes) >= 0) return;
    phase.last = record.keyBytes;
    const byteCount = sizeOf(record);
    this.#take({ kind: "event", event: { kind: "current", record }, byteCount });
  }

  /** The state is complete. */
  onStateEnd(): void {
    const phase = this.#phase;
    if (phase.kind !== "state") throw new Error("a state ended that had not begun");
    const { revision } = phase;
    this.#take({ kind: "event", event: { kind: "synced", revision }, byteCount: OVERHEAD_BYTES });
    this.#followFrom(revision);
  }

  #followFrom(revision: number): void {
    this.#phase = { kind: "events", reached: revision, partial: null };
    this.#announce(revision);
  }

  #onCurrent(revision: number, { records, more }: WatchCurrent): void {
    if (this.#phase.kind === "start" && this.#wantsState) {
      this.#phase = { kind: "state", revision, last: null };
    }
    for (const record of records) this.onStateRecord(new KvRecord(record));
    if (!more) this.onStateEnd();
  }

  #onEvents(revision: number, { events, more }: WatchEvents): void {
    const phase = this.#events();
    const last = events.at(-1);
    const lastRevision = toNumber(last?.revision ?? 0n);
    for (const event of events) this.#onEvent(phase, event, more ? lastRevision : Number.POSITIVE_INFINITY);
    this.#reach(phase, more ? lastRevision - 1 : Math.max(revision, lastRevision));
  }

  /** @param cutRevision the revision whose other changes are to follow */
  #onEvent(phase: EventsPhase, message: Event, cutRevision: number): void {
    const revision = toNumber(message.revision);
    if (revision <= phase.reached) return;
    // All of the revisions before this one came before it.
    this.#reach(phase, revision - 1);
    const key = keyOf(message);
    if (phase.partial?.keys.has(key) === true) return;
    if (revision === cutRevision) {
      phase.partial ??= { revision, keys: new Set() };
      phase.partial.keys.add(key);
    }
    const event = changeOf(message);
    if (event !== null) this.#take({ kind: "event", event, byteCount: sizeOf(event) });
  }

  #events(): EventsPhase {
    if (this.#phase.kind !== "events") throw new Error("changes came before the watch knew where it was");
    return this.#phase;
  }

  #reach(phase: EventsPhase, revision: number): void {
    if (revision <= phase.reached) return;
    phase.reached = revision;
    if (phase.partial !== null && phase.partial.revision <= revision) phase.partial = null;
    this.#announce(revision);
  }

  #announce(revision: number): void {
    if (revision <= this.#announced) return;
    this.#announced = revision;
    this.#take({ kind: "reached", revision });
  }
}

/** Keys are never empty, so that the empty one stands for all. */
function keyOf({ record }: Event): string {
  return record === undefined ? "" : Buffer.from(record.key).toString("latin1");
}

function sizeOf(told: KvEvent | KvRecord): number {
  if (told instanceof KvRecord) return OVERHEAD_BYTES + told.keyBytes.length + told.bytes.length;
  if (told.kind === "truncated" || told.kind === "synced") return OVERHEAD_BYTES;
  const key = told.kind === "delete" ? told.keyBytes.length : 0;
  const record = told.kind === "delete" ? 0 : sizeOf(told.record);
  const previous = told.kind === "current" || told.previous === undefined ? 0 : sizeOf(told.previous);
  return OVERHEAD_BYTES + key + record + previous;
}
