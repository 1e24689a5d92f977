import { BackupRequest, BackupResponse } from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { type ByteCall, type ByteSink, CallFailure } from "#forward";
import { decodeRequest } from "./method";
import type { NodeContext } from "./node-context";

/** Streams a backup of this node's state, no faster than the caller takes it. */
export async function backup(node: NodeContext, call: ByteCall, sink: ByteSink): Promise<void> {
  decodeRequest(BackupRequest, call.body);
  const { backup: begin } = node.administration;
  if (begin === null) {
    throw new CallFailure(ErrorReason.UNIMPLEMENTED, "this node makes no backups: it keeps nothing on disk");
  }
  for await (const data of begin()) await sink.write(BackupResponse.encode({ data }).finish());
}
