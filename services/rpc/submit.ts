import { ErrorReason, Outcome, type ResponseHeader } from "@quorate/proto/kv";
import { type Answer, type Command, type Done, Refusal, type RequestId } from "@quorate/proto/log";
import { type ByteCall, CallFailure } from "#forward";
import { type CommandSource, encodeCommand, type WriteId } from "#kv";
import type { QueuedCommand, SubmitOutcome } from "#replica";
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
export interface Answered {
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

function decideEncoded<T>(
  node: NodeContext,
  call: ByteCall,
  command: Uint8Array,
  id: WriteId | null,
  evenWithoutSpace: boolean,
  wording: Wording<T>,
): Promise<T> {
  return new Promise((answered, failed) => {
    new Submission(node, call, { command, id, evenWithoutSpace }, { wording, answered, failed }).begin();
  });
}

/** A command that is encoded, as a call brings it. */
export interface EncodedWrite {
  readonly command: Uint8Array;
  readonly id: WriteId | null;
  /** Whether it is taken even while there is no space for more. */
  readonly evenWithoutSpace: boolean;
}

/** How a call is told its end: one of the two, once. */
export interface Telling<T, Call> {
  readonly wording: Wording<T>;
  answered(answer: T, call: Call): void;
  failed(error: unknown, call: Call): void;
}

/** A command on its way through the replica, which it is handed to as it is: a put makes nothing else for that. */
export class Submission<T, Call extends ByteCall> implements QueuedCommand {
  readonly data: Uint8Array;
  private readonly node: NodeContext;
  private readonly call: Call;
  private readonly id: WriteId | null;
  private readonly evenWithoutSpace: boolean;
  private readonly telling: Telling<T, Call>;
  private ended: ((outcome: SubmitOutcome) => void) | undefined = undefined;

  constructor(
    node: NodeContext,
    call: Call,
    { command, id, evenWithoutSpace }: EncodedWrite,
    telling: Telling<T, Call>,
  ) {
    this.data = command;
    this.node = node;
    this.call = call;
    this.id = id;
    this.evenWithoutSpace = evenWithoutSpace;
    this.telling = telling;
  }

  /** Hands it to the replica when its turn has come, which mostly is at once. */
  begin(): void {
    const { call, id, node } = this;
    const turn = node.writeOrder?.turn(id, call) ?? null;
    if (turn === null) this.replicate();
    else turn.then(() => this.replicateUnlessLeft()).catch((error: unknown) => this.fail(error));
  }

  settle(outcome: SubmitOutcome): void {
    const { call, id, node, telling } = this;
    let answer: T;
    try {
      this.ended?.(outcome);
      answer = telling.wording(node, answerOf(node, call, id, outcome));
    } catch (error) {
      this.fail(error);
      return;
    }
    telling.answered(answer, call);
  }

  private replicateUnlessLeft(): void {
    if (this.call.aborted) {
      throw new CallFailure(ErrorReason.CANCELLED, "the caller left", { outcome: Outcome.NOT_APPLIED });
    }
    this.replicate();
  }

  private replicate(): void {
    const { call, data, evenWithoutSpace, id, node } = this;
    call.isSubmitted = true;
    this.ended = node.commands?.submitted(data, call);
    // Before it may be refused, which takes that back; what waits for it goes on in a turn of its own.
    node.writeOrder?.gone(id);
    node.replica.enqueue(this, evenWithoutSpace ? EVEN_WITHOUT_SPACE : undefined);
  }

  private fail(error: unknown): void {
    this.telling.failed(error, this.call);
  }
}

const EVEN_WITHOUT_SPACE = { evenWithoutSpace: true };

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
