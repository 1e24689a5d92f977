import {
  AppendRequest,
  AppendResponse,
  CloseSessionRequest,
  CloseSessionResponse,
  CompactRequest,
  CompactResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  DeleteRequest,
  DeleteResponse,
  decodePutRequest,
  encodePutResponse,
  IncrementRequest,
  IncrementResponse,
  OpenSessionRequest,
  OpenSessionResponse,
  PrependRequest,
  PrependResponse,
  PutRequest,
  TruncateRequest,
  TruncateResponse,
} from "@quorate/proto/kv";
import type { ByteCall, EndingCall } from "#forward";
import {
  appendCommand,
  closeSessionCommand,
  compactCommand,
  deleteCommand,
  deleteRangeCommand,
  encodePutCommand,
  incrementCommand,
  openSessionCommand,
  truncateCommand,
} from "#kv";
import { plainHeader, recordOfAnswer } from "./header";
import { decodeRequest, type UnaryMethod, unaryMethod } from "./method";
import type { NodeContext } from "./node-context";
import {
  checkCondition,
  checkCount,
  checkKey,
  checkNotNegative,
  checkRange,
  checkRangeIsNamed,
  checkSessionTtlMs,
  checkValue,
  invalid,
} from "./request-fields";
import {
  type Answered,
  doneOf,
  type EncodedWrite,
  Submission,
  sourceOf,
  submit,
  type Telling,
} from "./submit";
import { txn } from "./txn";

/** Each turns a request into a command, has it replicated, and words the answer of the state machine. */
export const writeMethods = {
  openSession: unaryMethod(OpenSessionRequest, OpenSessionResponse, async (node, request, call) => {
    const ttlMs = checkSessionTtlMs(request.ttlMs);
    const { done, header } = await submit(
      node,
      call,
      openSessionCommand(sourceOf(node, request, call), ttlMs),
    );
    return { header, clientId: done.clientId, ttlMs: done.ttlMs };
  }),

  closeSession: unaryMethod(CloseSessionRequest, CloseSessionResponse, async (node, request, call) => {
    const clientId = checkNotNegative(request.clientId, "client_id");
    const { header } = await submit(node, call, closeSessionCommand(sourceOf(node, request, call), clientId));
    return { header };
  }),

  put: (node, call) =>
    new Promise((answered, failed) => {
      new Submission(node, call, putOf(node, call), { wording: putAnswer, answered, failed }).begin();
    }),

  delete: unaryMethod(DeleteRequest, DeleteResponse, async (node, request, call) => {
    const command = deleteCommand(sourceOf(node, request, call), {
      key: checkKey(request.key, node.limits),
      returnPrevious: request.returnPrevious,
      expectedModRevision: checkCondition(request.expectedModRevision),
    });
    const { done, header } = await submit(node, call, command);
    return { header, deleted: done.deleted, previous: recordOfAnswer(done.previous) };
  }),

  deleteRange: unaryMethod(DeleteRangeRequest, DeleteRangeResponse, async (node, request, call) => {
    checkRangeIsNamed(request, "start, end and prefix (Truncate empties a namespace)");
    const range = checkRange(request, node.limits);
    const command = deleteRangeCommand(sourceOf(node, request, call), range, node.limits.batchRecordsMax);
    const { done, header } = await submit(node, call, command);
    return { header, deleted: done.deleted };
  }),

  increment: unaryMethod(IncrementRequest, IncrementResponse, async (node, request, call) => {
    const key = checkKey(request.key, node.limits);
    const command = incrementCommand(sourceOf(node, request, call), key, request.delta);
    const { done, header } = await submit(node, call, command);
    return { header, value: done.value };
  }),

  append: unaryMethod(AppendRequest, AppendResponse, (node, request, call) =>
    append(node, request, call, false),
  ),

  prepend: unaryMethod(PrependRequest, PrependResponse, (node, request, call) =>
    append(node, request, call, true),
  ),

  truncate: unaryMethod(TruncateRequest, TruncateResponse, async (node, request, call) => {
    const { done, header } = await submit(node, call, truncateCommand(sourceOf(node, request, call)));
    return { header, deleted: done.deleted };
  }),

  txn,

  compact: unaryMethod(CompactRequest, CompactResponse, async (node, request, call) => {
    const revision = checkCount(request.revision, "revision");
    if (revision === 0) throw invalid("revision must be set: the oldest one that is to be kept");
    const { header } = await submit(node, call, compactCommand(sourceOf(node, request, call), revision));
    return { header };
  }),
} as const satisfies Record<string, UnaryMethod>;

/** Put for calls that are told their ends themselves. Throws a refusal at once. */
export function directPut(
  failed: (error: unknown, call: EndingCall) => void,
): (node: NodeContext, call: EndingCall) => void {
  const telling: Telling<Uint8Array, EndingCall> = {
    wording: putAnswer,
    answered: (body, call) => call.answered(body),
    failed,
  };
  return (node, call) => new Submission(node, call, putOf(node, call), telling).begin();
}

function putOf(node: NodeContext, call: ByteCall): EncodedWrite {
  const request = decodePutRequest(call.body) ?? decodeRequest(PutRequest, call.body);
  const source = sourceOf(node, request, call);
  const command = encodePutCommand(source, {
    key: checkKey(request.key, node.limits),
    value: checkValue(request.value, node.limits),
    leaseId: checkNotNegative(request.leaseId, "lease_id"),
    returnPrevious: request.returnPrevious,
    expectedModRevision: checkCondition(request.expectedModRevision),
  });
  return { command, id: source.requestId, evenWithoutSpace: false };
}

function putAnswer(node: NodeContext, answered: Answered): Uint8Array {
  const { previous } = doneOf(answered);
  return encodePutResponse(plainHeader(node, answered.term, answered.revision), previous ?? null);
}

async function append(
  node: NodeContext,
  request: AppendRequest | PrependRequest,
  call: ByteCall,
  atStart: boolean,
): Promise<AppendResponse> {
  const command = appendCommand(sourceOf(node, request, call), {
    key: checkKey(request.key, node.limits),
    value: checkValue(request.value, node.limits),
    atStart,
    valueBytesMax: node.limits.valueBytesMax,
  });
  const { done, header } = await submit(node, call, command);
  return { header, record: recordOfAnswer(done.record) };
}
