import { type StatusObject, status } from "@grpc/grpc-js";
import type { Hello } from "@quorate/proto/raft";
import { helloFault, type MemberRegister, type PeerIdentity, REMOVED_PREFIX, refusalText } from "./greeting";

/** A call between peers that is not served: what the other side is told. */
export class PeerRefusal extends Error {
  override readonly name = "PeerRefusal";
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }

  toStatus(): Pick<StatusObject, "code" | "details"> {
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
    throw new PeerRefusal(status.FAILED_PRECONDITION, refusalText(fault ?? ""));
  }
  return hello;
}

/** What a peer says of this node's removal from the cluster in refusing a call; null where it says nothing of it. */
export function removalIn(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code, details } = error as { readonly code?: unknown; readonly details?: unknown };
  if (code !== status.FAILED_PRECONDITION || typeof details !== "string") return null;
  return details.startsWith(REMOVED_PREFIX) ? details.slice(REMOVED_PREFIX.length) : null;
}
