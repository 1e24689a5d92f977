import type { Hello } from "@quorate/proto/raft";
import { Status } from "nice-grpc-common";
import type { CallStatus } from "#grpc";
import { helloFault, type MemberRegister, type PeerIdentity, REMOVED_PREFIX, refusalText } from "./greeting";

/** A call between peers that came to nothing: what the other side is told of it, or has told. */
export class PeerRefusal extends Error {
  override readonly name = "PeerRefusal";
  /** A gRPC status code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  toStatus(): CallStatus {
    return { code: this.code, details: this.message };
  }
}

/** Throws the refusal where the caller of a single call is no peer. */
export function checkCaller(
  hello: Hello | undefined,
  own: PeerIdentity,
  register: Pick<MemberRegister, "membership" | "memberStore">,
): Hello {
  const fault = hello === undefined ? "it did not introduce itself" : helloFault(hello, own, register);
  if (fault !== null || hello === undefined) {
    throw new PeerRefusal(Status.FAILED_PRECONDITION, refusalText(fault ?? ""));
  }
  return hello;
}

/** What a peer says of this node's removal from the cluster in refusing a call; null where it says nothing of it. */
export function removalIn(error: unknown): string | null {
  if (!(error instanceof PeerRefusal) || error.code !== Status.FAILED_PRECONDITION) return null;
  const { message } = error;
  return message.startsWith(REMOVED_PREFIX) ? message.slice(REMOVED_PREFIX.length) : null;
}
