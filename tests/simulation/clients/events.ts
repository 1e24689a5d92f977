import type { StoredRecord } from "@quorate/services/kv";
import type { EntryId, MemberId } from "@quorate/services/raft";
import type { ReadPoint, ReadRequest, SubmitOutcome } from "@quorate/services/replica";

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

/** Told at once, on the side of the server. May throw a Violation. */
export interface ClientWatcher {
  answered?(event: AnswerEvent): void;
  read?(event: ReadEvent): void;
}
