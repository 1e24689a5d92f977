import { BackupRequest, BackupResponse } from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { type ByteCall, type ByteSink, CallFailure } from "#forward";
import { DEFAULT_NAMESPACE } from "#kv";
import type { ReadRequest } from "#replica";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";
import { readFailure } from "./outcome-failures";

/** What is there now, of a namespace that always is. */
const NEWEST: ReadRequest = {
  namespace: DEFAULT_NAMESPACE,
  consistency: "linearizable",
  minRevision: 0,
  maxStalenessMs: 0,
  revision: 0,
};

/** Streams a backup of this node's state, no faster than the caller takes it. */
export async function backup(node: NodeContext, call: ByteCall, sink: ByteSink): Promise<void> {
  const { stale } = decodeRequest(BackupRequest, call.body);
  const { backup: begin } = node.administration;
  if (begin === null) {
    throw new CallFailure(ErrorReason.UNIMPLEMENTED, "this node makes no backups: it keeps nothing on disk");
  }
  if (!stale) {
    const outcome = await node.replica.readPoint(NEWEST, call);
    if (outcome.kind !== "ready") throw readFailure(outcome, NEWEST);
  }
  for await (const data of begin()) await sink.write(BackupResponse.encode({ data }).finish());
}
