import { CallFailure } from "@quorate/services/forward";
import type { NodeContext } from "@quorate/services/rpc";
import type { FakeNode } from "./fake-node";
import { none, serve } from "./node-rig";

export const CLUSTER = "/quorate.cluster.v1.ClusterService/";

/** Calls a unary method of ClusterService on a node. */
export async function ask(
  node: FakeNode,
  method: string,
  body: Uint8Array = none,
  changes: Partial<NodeContext> = {},
) {
  const { error, answer } = await (await serve(node, changes)).unary(`${CLUSTER}${method}`, body);
  return {
    failure: error === null ? null : CallFailure.from(error),
    code: error?.code,
    answer: answer ?? none,
  };
}
