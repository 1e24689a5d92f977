import { hexEncode } from "@quorate/services/std";
import type { WatchFrame, WatchSpec } from "@quorate/services/watch";
import { type CommittedChange, WatchCheck, type WatchedFrame } from "../../judge/watch-events";
import type { TakenEvent, WatchBeginsEvent, WatchedEvent } from "../clients/events";
import { broken } from "./invariant";
import { type Reference, recordText } from "./reference";

/**
 * What watches tell (invariant 8). Each frame is looked at twice: when a member tells it, for then it must not tell what is
 * not committed yet, and when the client takes it, for what the client was told altogether has to be right.
 */
export class Watches {
  private readonly checks = new Map<string, WatchCheck>();
  private acknowledgedRevision = 0;
  /** What was acknowledged when a watch was asked for: one that its client has left may still be told something. */
  private readonly known = new WeakMap<WatchSpec, number>();

  constructor(private readonly reference: Pick<Reference, "changes" | "revision" | "firstRevisionEver">) {}

  /** A write was acknowledged to somebody. */
  wrote(revision: number): void {
    this.acknowledgedRevision = Math.max(this.acknowledgedRevision, revision);
  }

  begins({ client, spec }: WatchBeginsEvent): void {
    this.known.set(spec, this.acknowledgedRevision);
    const request = {
      start: hexEncode(spec.range.start),
      end: spec.range.end === null ? null : hexEncode(spec.range.end),
      startRevision: spec.startRevision,
      withCurrentState: spec.withCurrentState,
      withPrevious: spec.withPrevious,
      puts: spec.puts,
      deletes: spec.deletes,
    };
    const changes = this.reference.changes(spec.namespace === "" ? "default" : spec.namespace);
    this.checks.set(client, new WatchCheck(request, changes, () => this.reference.revision));
  }

  /** A member tells it. */
  watched({ client, member, spec, frame }: WatchedEvent): void {
    const told = `${member} tells ${client}`;
    const { revision } = this.reference;
    const last = lastRevision(frame);
    if (last > revision) {
      broken(
        "a watch tells the committed order",
        `${told} of revision ${last}, but only ${revision} is committed`,
      );
    }
    if (
      frame.kind === "created" &&
      frame.revision < (this.known.get(spec) ?? 0) &&
      spec.startRevision === 0
    ) {
      broken(
        "a watch tells the committed order",
        `${told} from revision ${frame.revision} on, but ${this.known.get(spec)} was acknowledged before`,
      );
    }
    if (frame.kind !== "ended") return;
    if (frame.reason === "compacted") {
      const given = this.reference.firstRevisionEver(spec.namespace);
      if (frame.oldestRevision <= given) return;
      broken(
        "a watch tells the committed order",
        `${told} that the first revision is ${frame.oldestRevision}, but no more than up to ${given} was ever given up`,
      );
    }
    if (frame.reason === "future_revision" && spec.startRevision <= (this.known.get(spec) ?? 0) + 1) {
      broken(
        "a watch tells the committed order",
        `${told} that ${spec.startRevision} is yet to come, but ${this.known.get(spec)} was acknowledged before`,
      );
    }
  }

  /** The client takes it. */
  taken({ client, frame }: TakenEvent): void {
    const fault = this.checks.get(client)?.take(asWatched(frame)) ?? null;
    if (fault !== null) broken("a watch tells the committed order", `${client}: ${fault}`);
  }

  /** Where a client goes on; null for from now. */
  nextRevision(client: string): number | null {
    return this.checks.get(client)?.nextRevision ?? null;
  }

  forget(client: string): void {
    this.checks.delete(client);
  }
}

function lastRevision(frame: WatchFrame): number {
  switch (frame.kind) {
    case "created":
    case "current":
    case "progress":
      return frame.revision;
    case "events":
      return Math.max(frame.revision, frame.events.at(-1)?.revision ?? 0);
    case "ended":
      return 0;
  }
}

function asWatched(frame: WatchFrame): WatchedFrame {
  switch (frame.kind) {
    case "current": {
      const records = frame.records.map((record) => ({
        key: hexEncode(record.key),
        record: recordText(record),
      }));
      return { ...frame, records };
    }
    case "events":
      return { ...frame, events: frame.events.map(asChange) };
    default:
      return frame;
  }
}

function asChange(event: Extract<WatchFrame, { kind: "events" }>["events"][number]): CommittedChange {
  const { kind, revision } = event;
  if (kind === "truncated") return { kind, revision };
  const previous = event.previous === null ? null : recordText(event.previous);
  return kind === "put"
    ? { kind, revision, key: hexEncode(event.record.key), record: recordText(event.record), previous }
    : { kind, revision, key: hexEncode(event.key), record: null, previous };
}
