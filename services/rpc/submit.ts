import { ErrorReason, Outcome, type ResponseHeader } from "@quorate/proto/kv";
import { type Answer, type Command, type Done, Refusal, type RequestId } from "@quorate/proto/log";
import { type ByteCall, CallFailure } from "#forward";
import { type CommandSource, encodeCommand, type WriteId } from "#kv";
import type { SubmitOutcome } from "#replica";
import { assert, unreachable } from "#std";
import { responseHeader } from "./header";
import type { NodeContext } from "./node-context";
import { notAppliedFailure, refusalFailure, unknownFailure } from "./outcome-failures";
import { checkNamespace } from "./request-fields";
import { requestIdOf } from "./request-id";

/** What a command says of the call that it comes from. */
export function sourceOf(
  node: NodeContext,
  request: { readonly namespace: string },
  call: ByteCall,
): CommandSource {
  return {
    namespace: checkNamespace(request.namespace),
    requestId: requestIdOf(call.headers.requestId),
    wallTimeMs: node.wallMs(),
  };
}

/** What a command that was carried out did. */
interface Carried {
  readonly done: Done;
  readonly header: ResponseHeader;
}

/** What the state machine answered to a command. */
interface Answered {
  readonly result: NonNullable<Answer["result"]>;
  readonly term: number;
  readonly revision: bigint;
}

/** What a caller is told of it; throws where that is a failure. */
type Wording<T> = (node: NodeContext, answered: Answered) => T;

/** Replicates a command; throws what a caller is told when it was not carried out. */
export function submit(node: NodeContext, call: ByteCall, command: Command): Promise<Carried> {
  return decideEncoded(node, call, encodeCommand(command), idOf(command), makesSpace(command), carried);
}

/**
 * The same for a command that is encoded, and makes no space.
 *
 * @param id that of the command
 * @param wording of what was done, unless it was refused
 */
export function submitEncoded<T>(
  node: NodeContext,
  call: ByteCall,
  command: Uint8Array,
  id: WriteId | null,
  wording: Wording<T>,
): Promise<T> {
  return decideEncoded(node, call, command, id, false, wording);
}

/** Throws the refusal where that is what was answered. */
export function doneOf({ result }: Pick<Answered, "result">): Done {
  if (result.$case === "refused") throw refusalFailure(result.value);
  return result.value;
}

function carried(node: NodeContext, answered: Answered): Carried {
  return { done: doneOf(answered), header: headerOf(node, answered) };
}

function headerOf(node: NodeContext, { term, revision }: Answered): ResponseHeader {
  return responseHeader(node, term, revision);
}

/** What gives up history or data, and the session that a client does it in, is taken while there is no space for more. */
function makesSpace({ operation }: Command): boolean {
  switch (operation?.$case) {
    case "compact":
    case "truncate":
    case "deleteNamespace":
    case "openSession":
    case "closeSession":
      return true;
    default:
      return false;
  }
}

/** What the state machine answered to a command, with a header for those who are told. */
interface Decided {
  readonly result: NonNullable<Answer["result"]>;
  readonly header: ResponseHeader;
}

/** Replicates a command, for callers to whom a refusal of the state machine is an answer; throws all other failures. */
export function decide(node: NodeContext, call: ByteCall, command: Command): Promise<Decided> {
  return decideEncoded(node, call, encodeCommand(command), idOf(command), makesSpace(command), decided);
}

function decided(node: NodeContext, answered: Answered): Decided {
  return { result: answered.result, header: headerOf(node, answered) };
}

function idOf({ requestId }: Command): WriteId | null {
  return requestId === undefined ? null : writeIdOf(requestId);
}

function writeIdOf({ clientId, sequence, firstUnanswered, follows }: RequestId): WriteId {
  const id = {
    clientId: Number(clientId),
    sequence: Number(sequence),
    firstUnanswered: Number(firstUnanswered),
  };
  return follows === undefined ? id : { ...id, follows: Number(follows) };
}

/** No async function, for it is on the way of each put: one takes as much memory as all else that is made here. */
function decideEncoded<T>(
  node: NodeContext,
  call: ByteCall,
  command: Uint8Array,
  id: WriteId | null,
  evenWithoutSpace: boolean,
  wording: Wording<T>,
): Promise<T> {
  const replicate = (): Promise<T> => {
    call.isSubmitted = true;
    const ended = node.commands?.submitted(command, call);
    const submitted = node.replica.submit(command, { evenWithoutSpace });
    node.writeOrder?.gone(id);
    return submitted.then((outcome) => {
      ended?.(outcome);
      return wording(node, answerOf(node, call, id, outcome));
    });
  };
  const turn = node.writeOrder?.turn(id, call) ?? null;
  if (turn === null) return replicate();
  return turn.then(() => {
    if (!call.aborted) return replicate();
    throw new CallFailure(ErrorReason.CANCELLED, "the caller left", { outcome: Outcome.NOT_APPLIED });
  });
}

/** Throws what a caller is told where there is none. */
function answerOf(node: NodeContext, call: ByteCall, id: WriteId | null, outcome: SubmitOutcome): Answered {
  switch (outcome.kind) {
    case "applied": {
      const { result, revision } = outcome.answer;
      assert(result !== undefined, "an answer says what was done or why not");
      if (result.$case === "refused" && result.value.refusal === Refusal.OUT_OF_ORDER) {
        node.writeOrder?.refused(id);
      } else {
        node.writeOrder?.settled(id);
      }
      return { result, term: outcome.entry.term, revision };
    }
    case "not_applied":
      call.isSubmitted = false;
      node.writeOrder?.refused(id);
      throw notAppliedFailure(node, outcome.reason);
    case "unknown":
      throw unknownFailure(outcome.reason);
    default:
      return unreachable(outcome);
  }
}
