import { bytesTag, type Count, countTag, MessageReader, MessageWriter } from "./encoding";
import type { Put } from "./gen/quorate/log/v1/command";

/*
 * The commonest command by hand, for it is encoded once for each put and decoded once on each replica, and the answer that nearly
 * all commands have, which each replica keeps. Their bytes are those of the generated code, as all that is on disk for ever.
 */

/** What a Command that puts says beside the put. */
export interface PlainCommand {
  readonly wallTimeMs: Count;
  readonly requestId: {
    readonly clientId: Count;
    readonly sequence: Count;
    readonly firstUnanswered: Count;
    readonly follows?: Count | undefined;
  } | null;
  readonly namespace: string;
}

export interface PlainPut {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly leaseId: Count;
  readonly returnPrevious: boolean;
  readonly expectedModRevision: Count | null;
}

/** A Command that puts, as it is read here: what says nothing that a number cannot hold. */
export interface DecodedPut {
  readonly wallTimeMs: number;
  readonly requestId: DecodedRequestId | null;
  readonly namespace: string;
  readonly operation: { readonly $case: "put"; readonly value: Put };
}

export interface DecodedRequestId {
  readonly clientId: number;
  readonly sequence: number;
  readonly firstUnanswered: number;
  /** null where it is not said. */
  readonly follows: number | null;
}

const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const command = {
  wallTimeMs: countTag(1),
  requestId: bytesTag(2),
  namespace: bytesTag(3),
  put: bytesTag(10),
};

const request = {
  clientId: countTag(1),
  sequence: countTag(2),
  firstUnanswered: countTag(3),
  follows: countTag(4),
};

const put = {
  key: bytesTag(1),
  value: bytesTag(2),
  leaseId: countTag(3),
  returnPrevious: countTag(4),
  expectedModRevision: countTag(5),
};

const answer = { revision: countTag(1), done: bytesTag(2) };

const writer = new MessageWriter("together");
/**
 * Answers are kept one by one, each for as long as its client likes: so few share memory, lest one of them holds much. With memory
 * of its own an answer of 12 bytes takes 230, which outlive a collection of the young; as a view, half of that.
 */
const ANSWERS_BYTES = 256;
const answerWriter = new MessageWriter("together", ANSWERS_BYTES);
const reader = new MessageReader();

/** The bytes share memory with those of the puts before and after. */
export function encodePutCommand(fields: PlainCommand, said: PlainPut): Uint8Array {
  const { requestId } = fields;
  writer
    .begin()
    .optionalCount(put.expectedModRevision, said.expectedModRevision ?? undefined)
    .flag(put.returnPrevious, said.returnPrevious)
    .count(put.leaseId, said.leaseId)
    .bytes(put.value, said.value)
    .bytes(put.key, said.key)
    .message(command.put, 0)
    .text(command.namespace, fields.namespace);
  if (requestId !== null) {
    const from = writer.length;
    writer
      .optionalCount(request.follows, requestId.follows)
      .count(request.firstUnanswered, requestId.firstUnanswered)
      .count(request.sequence, requestId.sequence)
      .count(request.clientId, requestId.clientId)
      .message(command.requestId, from);
  }
  return writer.count(command.wallTimeMs, fields.wallTimeMs).finish();
}

/** The bytes of an Answer that says no more than that its command was carried out. */
export function encodePlainAnswer(revision: Count): Uint8Array {
  return answerWriter.begin().message(answer.done, 0).count(answer.revision, revision).finish();
}

/** null for another command, and where the generated code is to decode it: see MessageReader. Byte fields are views. */
export function decodePutCommand(bytes: Uint8Array): DecodedPut | null {
  let wallTimeMs = 0;
  let requestId: DecodedRequestId | null = null;
  let namespace = "";
  let value: Put | null = null;
  reader.begin(bytes);
  while (reader.hasMore) {
    switch (reader.tag()) {
      case command.wallTimeMs:
        wallTimeMs = reader.count();
        break;
      case command.requestId:
        requestId = readRequestId();
        break;
      case command.namespace:
        namespace = reader.text();
        break;
      case command.put:
        value = readPut();
        break;
      default:
        reader.giveUp();
    }
  }
  const isPlain = reader.finish();
  if (!isPlain || value === null) return null;
  return { wallTimeMs, requestId, namespace, operation: { $case: "put", value } };
}

function readRequestId(): DecodedRequestId {
  let clientId = 0;
  let sequence = 0;
  let firstUnanswered = 0;
  let follows: number | null = null;
  const end = reader.enter();
  while (reader.hasMore) {
    switch (reader.tag()) {
      case request.clientId:
        clientId = reader.count();
        break;
      case request.sequence:
        sequence = reader.count();
        break;
      case request.firstUnanswered:
        firstUnanswered = reader.count();
        break;
      case request.follows:
        follows = reader.count();
        break;
      default:
        reader.giveUp();
    }
  }
  reader.leave(end);
  return { clientId, sequence, firstUnanswered, follows };
}

function readPut(): Put {
  let key = EMPTY_BYTES;
  let value = EMPTY_BYTES;
  let leaseId = 0n;
  let returnPrevious = false;
  let expectedModRevision: bigint | undefined;
  const end = reader.enter();
  while (reader.hasMore) {
    switch (reader.tag()) {
      case put.key:
        key = reader.bytes();
        break;
      case put.value:
        value = reader.bytes();
        break;
      case put.leaseId:
        leaseId = reader.int64();
        break;
      case put.returnPrevious:
        returnPrevious = reader.flag();
        break;
      case put.expectedModRevision:
        expectedModRevision = reader.int64();
        break;
      default:
        reader.giveUp();
    }
  }
  reader.leave(end);
  return { key, value, leaseId, returnPrevious, expectedModRevision };
}
