import { ErrorReason, Outcome, type ResponseHeader } from "@quorate/proto/kv";
import { type Answer, type Command, type Done, Refusal, type RequestId } from "@quorate/proto/log";
import { type ByteCall, CallFailure } from "#forward";
import { type CommandSource, encodeCommand, type WriteId } from "#kv";
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
interface Decided {
  readonly result: NonNullable<Answer["result"]>;
  readonly header: ResponseHeader;
}

/** Replicates a command; throws what a caller is told when it was not carried out. */
export async function submit(node: NodeContext, call: ByteCall, command: Command): Promise<Carried> {
  return doneOf(await decide(node, call, command));
}

/**
 * The same for a command that is encoded, and makes no space.
 *
 * @param id that of the command
 */
export async function submitEncoded(
  node: NodeContext,
  call: ByteCall,
  command: Uint8Array,
  id: WriteId | null,
): Promise<Carried> {
  return doneOf(await decideEncoded(node, call, command, id, false));
}

function doneOf({ result, header }: Decided): Carried {
  if (result.$case === "refused") throw refusalFailure(result.value);
  return { done: result.value, header };
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

/** Replicates a command, for callers to whom a refusal of the state machine is an answer; throws all other failures. */
export function decide(node: NodeContext, call: ByteCall, command: Command): Promise<Decided> {
  const id = command.requestId === undefined ? null : writeIdOf(command.requestId);
  return decideEncoded(node, call, encodeCommand(command), id, makesSpace(command));
}

function writeIdOf({ clientId, sequence, firstUnanswered, follows }: RequestId): WriteId {
  const id = {
    clientId: Number(clientId),
    sequence: Number(sequence),
    firstUnanswered: Number(firstUnanswered),
  };
  return follows === undefined ? id : { ...id, follows: Number(follows) };
}

async function decideEncoded(
  node: NodeContext,
  call: ByteCall,
  command: Uint8Array,
  id: WriteId | null,
  evenWithoutSpace: boolean,
): Promise<Decided> {
  const turn = node.writeOrder?.turn(id, call) ?? null;
  if (turn !== null) {
    await turn;
    if (call.aborted)
      throw new CallFailure(ErrorReason.CANCELLED, "the caller left", { outcome: Outcome.NOT_APPLIED });
  }
  call.isSubmitted = true;
  const ended = node.commands?.submitted(command, call);
  const submitted = node.replica.submit(command, { evenWithoutSpace });
  node.writeOrder?.gone(id);
  const outcome = await submitted;
  ended?.(outcome);
  switch (outcome.kind) {
    case "applied": {
      const { result, revision } = outcome.answer;
      assert(result !== undefined, "an answer says what was done or why not");
      if (result.$case === "refused" && result.value.refusal === Refusal.OUT_OF_ORDER) {
        node.writeOrder?.refused(id);
      } else {
        node.writeOrder?.settled(id);
      }
      return { result, header: responseHeader(node, outcome.entry.term, revision) };
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
