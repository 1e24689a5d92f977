import type { PipelinedCall } from "@quorate/proto/kv";
import type { OutgoingCall } from "./outgoing-call";

/** The metadata that a pipelined call has fields for. */
const FIELD_OF = {
  "quorate-request-id": "requestId",
  traceparent: "traceparent",
  "quorate-forward": "forward",
  "quorate-member": "member",
} as const;

/** Whether a pipelined call can say all of it. */
export function isPipelinable(metadata: Readonly<Record<string, string>>): boolean {
  for (const name in metadata) if (!Object.hasOwn(FIELD_OF, name)) return false;
  return true;
}

/** The call as it goes into a frame that leaves now. */
export function pipelinedCall(
  { path, body, metadata, deadlineAtMs }: OutgoingCall,
  id: number,
  nowMs: number,
): PipelinedCall {
  return {
    id,
    method: path,
    requestId: metadata["quorate-request-id"] ?? "",
    deadlineMs: Math.max(1, Math.floor(deadlineAtMs - nowMs)),
    body,
    traceparent: metadata.traceparent ?? "",
    forward: metadata["quorate-forward"] ?? "",
    member: metadata["quorate-member"] ?? "",
    hops: 0,
  };
}
