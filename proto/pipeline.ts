import type {
  PipelinedAnswer,
  PipelinedCall,
  PipelineRequest,
  PipelineResponse,
} from "./gen/quorate/kv/v1/kv_service";

export { OpenCalls } from "./open-calls";

/*
 * The frames of KvService.Pipeline, byte for byte as the generated code has them. By hand, since they are most of what a
 * pipelined call costs besides its own work: sizes are known before a frame is made, nothing of a body is copied when one
 * is read, and the few paths of methods are not decoded anew for each call.
 */

/** What a frame should not go beyond by another call or answer, in bytes: one that is larger by itself is a frame of its own. */
export const PIPELINE_FRAME_BYTES_MAX = 64 * 1024;

/** Thrown where bytes are no frame. */
export class MalformedFrameError extends Error {
  override readonly name = "MalformedFrameError";
}

const NO_BYTES = Buffer.alloc(0);

/** How many bytes the call is of a frame that holds it. */
export function pipelinedCallBytes(call: PipelinedCall): number {
  return withHead(callBodyBytes(call));
}

/** How many bytes the answer is of a frame that holds it. */
export function pipelinedAnswerBytes(answer: PipelinedAnswer): number {
  return withHead(answerBodyBytes(answer));
}

export function encodePipelineRequest({ calls, cancelled }: PipelineRequest): Buffer {
  let frameBytes = 0;
  const lengths: number[] = [];
  for (const call of calls) {
    const length = callBodyBytes(call);
    lengths.push(length);
    frameBytes += withHead(length);
  }
  let cancelledBytes = 0;
  for (const id of cancelled) cancelledBytes += varintBytes(id);
  if (cancelled.length > 0) frameBytes += withHead(cancelledBytes);
  const frame = Buffer.allocUnsafe(frameBytes);
  let at = 0;
  for (let place = 0; place < calls.length; place += 1) {
    const call = calls[place] as PipelinedCall;
    frame[at++] = tagOf(1, LENGTH_DELIMITED);
    at = writeVarint(frame, at, lengths[place] as number);
    at = writeNumber(frame, at, 1, call.id);
    at = writePath(frame, at, 2, call.method);
    at = writeText(frame, at, 3, call.requestId);
    at = writeNumber(frame, at, 4, call.deadlineMs);
    at = writeBytes(frame, at, 5, call.body);
    at = writeText(frame, at, 6, call.traceparent);
    at = writeText(frame, at, 7, call.forward);
    at = writeText(frame, at, 8, call.member);
    at = writeNumber(frame, at, 9, call.hops);
  }
  if (cancelled.length > 0) {
    frame[at++] = tagOf(2, LENGTH_DELIMITED);
    at = writeVarint(frame, at, cancelledBytes);
    for (const id of cancelled) at = writeVarint(frame, at, id);
  }
  return frame;
}

export function encodePipelineResponse({ answers }: PipelineResponse): Buffer {
  let frameBytes = 0;
  for (const answer of answers) frameBytes += withHead(answerBodyBytes(answer));
  const frame = Buffer.allocUnsafe(frameBytes);
  let at = 0;
  for (const answer of answers) {
    frame[at++] = tagOf(1, LENGTH_DELIMITED);
    at = writeVarint(frame, at, answerBodyBytes(answer));
    at = writeNumber(frame, at, 1, answer.id);
    at = writeBytes(frame, at, 2, answer.body);
    at = writeNumber(frame, at, 3, answer.code);
    at = writeText(frame, at, 4, answer.message);
    at = writeBytes(frame, at, 5, answer.statusDetails);
  }
  return frame;
}

/** Bodies view the frame. Throws a MalformedFrameError. */
export function decodePipelineRequest(frame: Uint8Array): PipelineRequest {
  const reader = new FrameReader(frame);
  const calls: PipelinedCall[] = [];
  const cancelled: number[] = [];
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === tagOf(1, LENGTH_DELIMITED)) {
      const end = reader.enter();
      calls.push(readCall(reader));
      reader.leave(end);
    } else if (tag === tagOf(2, LENGTH_DELIMITED)) {
      const end = reader.enter();
      while (reader.at < reader.end) cancelled.push(reader.varint());
      reader.leave(end);
    } else if (tag === tagOf(2, VARINT)) {
      cancelled.push(reader.varint());
    } else {
      reader.skip(tag);
    }
  }
  return { calls, cancelled };
}

/** Bodies view the frame. Throws a MalformedFrameError. */
export function decodePipelineResponse(frame: Uint8Array): PipelineResponse {
  const reader = new FrameReader(frame);
  const answers: PipelinedAnswer[] = [];
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === tagOf(1, LENGTH_DELIMITED)) {
      const end = reader.enter();
      answers.push(readAnswer(reader));
      reader.leave(end);
    } else {
      reader.skip(tag);
    }
  }
  return { answers };
}

function readCall(reader: FrameReader): PipelinedCall {
  const call = {
    id: 0,
    method: "",
    requestId: "",
    deadlineMs: 0,
    body: NO_BYTES as Uint8Array,
    traceparent: "",
    forward: "",
    member: "",
    hops: 0,
  };
  while (reader.at < reader.end) {
    const tag = reader.varint();
    switch (tag) {
      case tagOf(1, VARINT):
        call.id = reader.varint();
        break;
      case tagOf(2, LENGTH_DELIMITED):
        call.method = reader.path();
        break;
      case tagOf(3, LENGTH_DELIMITED):
        call.requestId = reader.text();
        break;
      case tagOf(4, VARINT):
        call.deadlineMs = reader.varint();
        break;
      case tagOf(5, LENGTH_DELIMITED):
        call.body = reader.bytes();
        break;
      case tagOf(6, LENGTH_DELIMITED):
        call.traceparent = reader.text();
        break;
      case tagOf(7, LENGTH_DELIMITED):
        call.forward = reader.text();
        break;
      case tagOf(8, LENGTH_DELIMITED):
        call.member = reader.text();
        break;
      case tagOf(9, VARINT):
        call.hops = reader.varint();
        break;
      default:
        reader.skip(tag);
    }
  }
  return call;
}

function readAnswer(reader: FrameReader): PipelinedAnswer {
  const answer = {
    id: 0,
    body: NO_BYTES as Uint8Array,
    code: 0,
    message: "",
    statusDetails: NO_BYTES as Uint8Array,
  };
  while (reader.at < reader.end) {
    const tag = reader.varint();
    switch (tag) {
      case tagOf(1, VARINT):
        answer.id = reader.varint();
        break;
      case tagOf(2, LENGTH_DELIMITED):
        answer.body = reader.bytes();
        break;
      case tagOf(3, VARINT):
        answer.code = reader.varint();
        break;
      case tagOf(4, LENGTH_DELIMITED):
        answer.message = reader.text();
        break;
      case tagOf(5, LENGTH_DELIMITED):
        answer.statusDetails = reader.bytes();
        break;
      default:
        reader.skip(tag);
    }
  }
  return answer;
}

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

function tagOf(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function callBodyBytes(call: PipelinedCall): number {
  return (
    numberBytes(call.id) +
    lengthBytes(call.method === "" ? 0 : pathBytes(call.method).length) +
    lengthBytes(textBytes(call.requestId)) +
    numberBytes(call.deadlineMs) +
    lengthBytes(call.body.length) +
    lengthBytes(textBytes(call.traceparent)) +
    lengthBytes(textBytes(call.forward)) +
    lengthBytes(textBytes(call.member)) +
    numberBytes(call.hops)
  );
}

function answerBodyBytes(answer: PipelinedAnswer): number {
  return (
    numberBytes(answer.id) +
    lengthBytes(answer.body.length) +
    numberBytes(answer.code) +
    lengthBytes(textBytes(answer.message)) +
    lengthBytes(answer.statusDetails.length)
  );
}

/** A message inside of a frame: its tag, its length, itself. */
function withHead(length: number): number {
  return 1 + varintBytes(length) + length;
}

/** A field of so many bytes, which is left out where it is empty. */
function lengthBytes(length: number): number {
  return length === 0 ? 0 : withHead(length);
}

function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** @param value a whole number below 2 ** 32 */
function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

function textBytes(text: string): number {
  return text === "" ? 0 : Buffer.byteLength(text);
}

function writeVarint(frame: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    frame[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  frame[at++] = rest;
  return at;
}

function writeNumber(frame: Buffer, at: number, field: number, value: number): number {
  if (value === 0) return at;
  frame[at] = tagOf(field, VARINT);
  return writeVarint(frame, at + 1, value);
}

function writeBytes(frame: Buffer, at: number, field: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return at;
  frame[at] = tagOf(field, LENGTH_DELIMITED);
  const start = writeVarint(frame, at + 1, bytes.length);
  frame.set(bytes, start);
  return start + bytes.length;
}

function writePath(frame: Buffer, at: number, field: number, path: string): number {
  return path === "" ? at : writeBytes(frame, at, field, pathBytes(path));
}

function writeText(frame: Buffer, at: number, field: number, text: string): number {
  if (text === "") return at;
  frame[at] = tagOf(field, LENGTH_DELIMITED);
  const length = Buffer.byteLength(text);
  const start = writeVarint(frame, at + 1, length);
  frame.write(text, start, length);
  return start + length;
}

/** Far more than there are methods: what else is called a method is not kept. */
const PATHS_KEPT_MAX = 256;
const PATH_BYTES_KEPT_MAX = 128;

const bytesOfPaths = new Map<string, Buffer>();
/** What was decoded before, by length: two paths of one length differ near their ends. */
const pathsOfLength: { readonly bytes: Buffer; readonly path: string }[][] = [];

function pathBytes(path: string): Buffer {
  let bytes = bytesOfPaths.get(path);
  if (bytes === undefined) {
    bytes = Buffer.from(path);
    if (bytes.length <= PATH_BYTES_KEPT_MAX && bytesOfPaths.size < PATHS_KEPT_MAX)
      bytesOfPaths.set(path, bytes);
  }
  return bytes;
}

let pathsKept = 0;

function internedPath(frame: Buffer, start: number, end: number): string {
  const length = end - start;
  const known = pathsOfLength[length];
  if (known !== undefined) {
    for (const { bytes, path } of known) {
      let at = length - 1;
      while (at >= 0 && bytes[at] === frame[start + at]) at -= 1;
      if (at < 0) return path;
    }
  }
  const path = frame.toString("utf8", start, end);
  if (length <= PATH_BYTES_KEPT_MAX && pathsKept < PATHS_KEPT_MAX) {
    pathsKept += 1;
    const entry = { bytes: Buffer.from(frame.subarray(start, end)), path };
    if (known === undefined) pathsOfLength[length] = [entry];
    else known.push(entry);
  }
  return path;
}

/** Reads fields, never beyond the message that it is in. */
class FrameReader {
  at = 0;
  end: number;
  private readonly frame: Buffer;
  private readonly buffer: ArrayBufferLike;
  private readonly byteOffset: number;

  constructor(frame: Uint8Array) {
    this.buffer = frame.buffer;
    this.byteOffset = frame.byteOffset;
    this.frame = Buffer.isBuffer(frame)
      ? frame
      : Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
    this.end = frame.length;
  }

  /** A whole number below 2 ** 32: what is beyond it is dropped, as Protobuf has it. */
  varint(): number {
    const { frame, end } = this;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= end) throw new MalformedFrameError("a number is cut off");
      const byte = frame[this.at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new MalformedFrameError("a number is longer than 10 bytes");
  }

  /** Goes into a message of the frame. @returns where the outer one ends, for leave() */
  enter(): number {
    const outerEnd = this.end;
    this.end = this.lengthEnd();
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.end = outerEnd;
  }

  bytes(): Uint8Array {
    const end = this.lengthEnd();
    const { at } = this;
    this.at = end;
    // A Buffer's own way to a part of it takes twice as long.
    return new Uint8Array(this.buffer, this.byteOffset + at, end - at);
  }

  text(): string {
    const end = this.lengthEnd();
    const text = this.frame.toString("utf8", this.at, end);
    this.at = end;
    return text;
  }

  path(): string {
    const end = this.lengthEnd();
    const path = internedPath(this.frame, this.at, end);
    this.at = end;
    return path;
  }

  /** Leaves out a field that this version does not know. */
  skip(tag: number): void {
    if (tag >>> 3 === 0) throw new MalformedFrameError("a field has the number 0");
    switch (tag & 7) {
      case VARINT:
        this.varint();
        return;
      case FIXED_64:
        this.at = this.within(this.at + 8);
        return;
      case LENGTH_DELIMITED:
        this.at = this.lengthEnd();
        return;
      case FIXED_32:
        this.at = this.within(this.at + 4);
        return;
      default:
        throw new MalformedFrameError(`a field is of the wire type ${tag & 7}`);
    }
  }

  /** Where the field that begins here ends. */
  private lengthEnd(): number {
    const length = this.varint();
    return this.within(this.at + length);
  }

  private within(at: number): number {
    if (at > this.end) throw new MalformedFrameError("a field is longer than what it is in");
    return at;
  }
}
