import type { StoredRecord } from "@quorate/services/kv";
import type { EntryId, MemberId } from "@quorate/services/raft";
import type { ReadOutcome, ReadPoint, ReadRequest, SubmitOutcome } from "@quorate/services/replica";

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

/** Told at once, on the side of the server. May throw a Violation. */
export interface ClientWatcher {
  submitted?(event: SubmitEvent): void;
  answered?(event: AnswerEvent): void;
  read?(event: ReadEvent): void;
  readRefused?(event: ReadRefusedEvent): void;
}
