import { bytesTag, countTag, MessageReader, MessageWriter } from "@quorate/proto/encoding";
import {
  EntryType,
  ExchangeRequest,
  type Hello,
  MessageType,
  Message as WireMessageType,
} from "@quorate/proto/raft";
import type { AppendMessage, Entry, EntryId, Message } from "#raft";
import { EMPTY_BYTES } from "#std";
import {
  type EntryTraces,
  entryTypesByKind,
  GROUP_ID,
  messageFromWire,
  messageToWire,
  typesByKind,
} from "./message-codec";

/*
 * Frames of the stream between peers. Appends, heartbeats and their answers are nearly all that a cluster says to itself under
 * load, and are encoded and decoded by hand; all else, and whatever is not plain, goes through the generated code. A test
 * holds the two equal.
 */

/** A frame as it came. */
export type PeerFrame =
  | { readonly kind: "hello"; readonly hello: Hello }
  /** Of this node's group; null for one of a kind that this version does not know, or that makes no sense. */
  | { readonly kind: "messages"; readonly messages: readonly (Message | null)[] }
  /** Of a newer version. */
  | { readonly kind: "unknown" };

const request = { messages: bytesTag(2) };

const batch = { messages: bytesTag(1) };

const fields = {
  groupId: countTag(1),
  type: countTag(2),
  to: bytesTag(3),
  from: bytesTag(4),
  term: countTag(5),
  logTerm: countTag(6),
  index: countTag(7),
  entries: bytesTag(8),
  commit: countTag(9),
  reject: countTag(10),
  rejectHint: countTag(11),
  readSequence: countTag(14),
  lowOnSpace: countTag(15),
};

const entryFields = {
  term: countTag(1),
  index: countTag(2),
  type: countTag(3),
  data: bytesTag(4),
  traceparent: bytesTag(5),
};

/** Encodes the frames of all links of a node: what is sent to each follower is the same but for a few bytes at its front. */
export class FrameEncoder {
  private readonly writer = new MessageWriter();
  private readonly entriesWriter = new MessageWriter();
  /** What was encoded last, which the next follower nearly always gets too. */
  private entries: readonly Entry[] = [];
  private entriesBytes: Uint8Array = EMPTY_BYTES;

  constructor(private readonly traces: EntryTraces | null = null) {}

  frame(messages: readonly Message[]): Uint8Array {
    const writer = this.writer.begin();
    for (let at = messages.length - 1; at >= 0; at -= 1) {
      const from = writer.length;
      this.write(messages[at] as Message);
      writer.message(batch.messages, from);
    }
    return writer.message(request.messages, 0).finish();
  }

  private write(message: Message): void {
    const { writer } = this;
    if (isOfLease(message)) {
      this.writeGenerated(message);
      return;
    }
    switch (message.kind) {
      case "append":
        writer
          .count(fields.commit, message.commit)
          .raw(this.bytesOf(message.entries))
          .count(fields.index, message.previous.index)
          .count(fields.logTerm, message.previous.term);
        break;
      case "append_response":
        if (message.hint !== null) {
          writer.count(fields.rejectHint, message.hint.index).flag(fields.reject, true);
        }
        writer.count(fields.index, message.index).count(fields.logTerm, message.hint?.term ?? 0);
        break;
      case "heartbeat":
        writer.count(fields.readSequence, message.readSequence).count(fields.commit, message.commit);
        break;
      case "heartbeat_response":
        writer.flag(fields.lowOnSpace, message.lowOnSpace).count(fields.readSequence, message.readSequence);
        break;
      default:
        this.writeGenerated(message);
        return;
    }
    writer
      .count(fields.term, message.term)
      .text(fields.from, message.from)
      .text(fields.to, message.to)
      .count(fields.type, typesByKind[message.kind])
      .count(fields.groupId, GROUP_ID);
  }

  private writeGenerated(message: Message): void {
    this.writer.raw(WireMessageType.encode(messageToWire(message, this.traces)).finish());
  }

  /** The fields of the entries. An entry never changes, so the same ones have the same bytes. */
  private bytesOf(entries: readonly Entry[]): Uint8Array {
    if (entries.length === 0) return EMPTY_BYTES;
    if (!areSame(entries, this.entries)) {
      this.entriesBytes = this.encoded(entries);
      this.entries = entries;
    }
    return this.entriesBytes;
  }

  private encoded(entries: readonly Entry[]): Uint8Array {
    const writer = this.entriesWriter.begin();
    for (let at = entries.length - 1; at >= 0; at -= 1) {
      const entry = entries[at] as Entry;
      const from = writer.length;
      if (this.traces !== null) writer.text(entryFields.traceparent, this.traces.traceparentOf(entry));
      writer
        .bytes(entryFields.data, entry.data)
        .count(entryFields.type, entryTypesByKind[entry.kind])
        .count(entryFields.index, entry.index)
        .count(entryFields.term, entry.term)
        .message(fields.entries, from);
    }
    return writer.finish();
  }
}

/** Ten a second or so, of fields that are not encoded by hand. */
function isOfLease(message: Message): boolean {
  switch (message.kind) {
    case "heartbeat":
      return message.pledge !== undefined;
    case "heartbeat_response":
      return message.pledgedRound !== undefined;
    default:
      return false;
  }
}

function areSame(entries: readonly Entry[], others: readonly Entry[]): boolean {
  if (entries.length !== others.length) return false;
  for (let at = entries.length - 1; at >= 0; at -= 1) if (entries[at] !== others[at]) return false;
  return true;
}

/** In memory of its own. */
function ownCopy(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? EMPTY_BYTES : new Uint8Array(bytes);
}

const reader = new MessageReader();

/** Up to here a frame holds an entry or two, or none. */
const FEW_BYTES_MAX = 512;

/**
 * The frame that the bytes stand for. Entry data is copied out of them, that of a frame of many in one piece: they come and go
 * together.
 *
 * @throws Error where they are no frame
 */
export function decodeFrame(bytes: Uint8Array, traces: EntryTraces | null = null): PeerFrame {
  const isCopied = bytes.length > FEW_BYTES_MAX;
  const messages = plainMessages(isCopied ? new Uint8Array(bytes) : bytes, {
    isCopied,
    isTraced: traces !== null,
  });
  if (messages !== null) return { kind: "messages", messages };
  const { frame } = ExchangeRequest.decode(bytes);
  switch (frame?.$case) {
    case "hello":
      return { kind: "hello", hello: frame.value };
    case "messages": {
      const ours = frame.value.messages.filter(({ groupId }) => groupId === GROUP_ID);
      return { kind: "messages", messages: ours.map((wire) => messageFromWire(wire, traces)) };
    }
    case undefined:
      return { kind: "unknown" };
  }
}

interface Reading {
  /** Whether the frame's bytes are a copy, so that entries may keep views of them. */
  readonly isCopied: boolean;
  /** Whether traces of entries are to be noted. */
  readonly isTraced: boolean;
}

/** The messages of a frame that holds nothing but plain ones of the kinds that are decoded by hand; else null. */
function plainMessages(bytes: Uint8Array, reading: Reading): readonly Message[] | null {
  const messages: Message[] = [];
  reader.begin(bytes);
  if (!reader.hasMore || reader.tag() !== request.messages) reader.giveUp();
  const frameEnd = reader.enter();
  while (reader.hasMore) {
    if (reader.tag() !== batch.messages) {
      reader.giveUp();
      break;
    }
    const messageEnd = reader.enter();
    const message = plainMessage(reading);
    if (message === null) reader.giveUp();
    else messages.push(message);
    reader.leave(messageEnd);
  }
  reader.leave(frameEnd);
  // A frame holds one field: of several the last would count.
  if (reader.hasMore) reader.giveUp();
  return reader.finish() ? messages : null;
}

function plainMessage(reading: Reading): Message | null {
  let groupId = 0;
  let type = 0;
  let to = "";
  let from = "";
  let term = 0;
  let logTerm = 0;
  let index = 0;
  let entries: Entry[] | null = null;
  let commit = 0;
  let reject = false;
  let rejectHint = 0;
  let readSequence = 0;
  let lowOnSpace = false;
  while (reader.hasMore) {
    switch (reader.tag()) {
      case fields.groupId:
        groupId = reader.count();
        break;
      case fields.type:
        type = reader.count();
        break;
      case fields.to:
        to = reader.text();
        break;
      case fields.from:
        from = reader.text();
        break;
      case fields.term:
        term = reader.count();
        break;
      case fields.logTerm:
        logTerm = reader.count();
        break;
      case fields.index:
        index = reader.count();
        break;
      case fields.entries: {
        const entry = plainEntry(reading);
        if (entry === null) return null;
        if (entries === null) entries = [entry];
        else entries.push(entry);
        break;
      }
      case fields.commit:
        commit = reader.count();
        break;
      case fields.reject:
        reject = reader.flag();
        break;
      case fields.rejectHint:
        rejectHint = reader.count();
        break;
      case fields.readSequence:
        readSequence = reader.count();
        break;
      case fields.lowOnSpace:
        lowOnSpace = reader.flag();
        break;
      default:
        return null;
    }
  }
  if (groupId !== GROUP_ID || from === "" || to === "") return null;
  switch (type) {
    case MessageType.APPEND: {
      const previous: EntryId = { term: logTerm, index };
      return {
        kind: "append",
        from,
        to,
        term,
        previous,
        entries: entries ?? [],
        commit,
      } satisfies AppendMessage;
    }
    case MessageType.APPEND_RESPONSE: {
      const hint = reject ? { term: logTerm, index: rejectHint } : null;
      return { kind: "append_response", from, to, term, index, hint };
    }
    case MessageType.HEARTBEAT:
      return { kind: "heartbeat", from, to, term, commit, readSequence };
    case MessageType.HEARTBEAT_RESPONSE:
      return { kind: "heartbeat_response", from, to, term, readSequence, lowOnSpace };
    default:
      return null;
  }
}

/** An ordinary one; null for a change of the configuration, which is rare, or one whose trace is to be noted. */
function plainEntry({ isCopied, isTraced }: Reading): Entry | null {
  let term = 0;
  let index = 0;
  let type = 0;
  let data: Uint8Array = EMPTY_BYTES;
  let traceparent = "";
  const end = reader.enter();
  while (reader.hasMore) {
    switch (reader.tag()) {
      case entryFields.term:
        term = reader.count();
        break;
      case entryFields.index:
        index = reader.count();
        break;
      case entryFields.type:
        type = reader.count();
        break;
      case entryFields.data:
        data = reader.bytes();
        break;
      case entryFields.traceparent:
        traceparent = reader.text();
        break;
      default:
        return null;
    }
  }
  reader.leave(end);
  if (type !== EntryType.UNSPECIFIED || (isTraced && traceparent !== "")) return null;
  return { term, index, kind: "normal", data: isCopied ? data : ownCopy(data) };
}
