import type { StoredRecord } from "@quorate/services/kv";
import type { EntryId, MemberId } from "@quorate/services/raft";
import type { ReadOutcome, ReadPoint, ReadRequest, SubmitOutcome } from "@quorate/services/replica";
import type { WatchFrame, WatchSpec } from "@quorate/services/watch";

/** A replica has told a client that its command was applied; whether the client ever hears of it is another matter. */
export interface AnswerEvent {
  readonly client: string;
  readonly member: MemberId;
  /** As it was submitted. */
  readonly command: Uint8Array;
  readonly entry: EntryId;
  readonly answer: Extract<SubmitOutcome, { kind: "applied" }>["answer"];
}

/** A replica has read a key for a client. */
export interface ReadEvent {
  readonly client: string;
  readonly member: MemberId;
  readonly key: Uint8Array;
  readonly request: ReadRequest;
  /** The monotonic clock of the member when the read came to it. */
  readonly arrivedMs: number;
  readonly point: ReadPoint;
  readonly record: StoredRecord | null;
}

/** A replica has told a client that what it asks for cannot be read. */
export interface ReadRefusedEvent extends Omit<ReadEvent, "point" | "record"> {
  readonly outcome: Extract<ReadOutcome, { kind: "compacted" | "future_revision" | "unknown_namespace" }>;
}

/** A command comes to a replica for the first time, or again. */
export interface SubmitEvent {
  readonly command: Uint8Array;
}

/** A client asks for a watch. */
export interface WatchBeginsEvent {
  readonly client: string;
  readonly spec: WatchSpec;
}

/** A member tells a frame of a watch; whether the client ever gets it is another matter. */
export interface WatchedEvent extends WatchBeginsEvent {
  readonly member: MemberId;
  readonly frame: WatchFrame;
}

/** The client takes a frame of the watch that it asked for last. */
export interface TakenEvent {
  readonly client: string;
  readonly frame: WatchFrame;
}

/** Told at once; all but `taken` on the side of the server. May throw a Violation. */
export interface ClientWatcher {
  submitted?(event: SubmitEvent): void;
  answered?(event: AnswerEvent): void;
  read?(event: ReadEvent): void;
  readRefused?(event: ReadRefusedEvent): void;
  watchBegins?(event: WatchBeginsEvent): void;
  watched?(event: WatchedEvent): void;
  taken?(event: TakenEvent): void;
  /** The startRevision with which a client goes on; null for from now. */
  nextRevision?(client: string): number | null;
  /** A client does not go on where it was. */
  watchForgets?(client: string): void;
}
