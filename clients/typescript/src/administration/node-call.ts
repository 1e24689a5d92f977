import type { CallOptions } from "#client/call-options";
import type { CallPlan } from "#client/call-plan";
import type { Core } from "#client/core";

/** Which node a call is about: without a choice the endpoint in use (a node itself, behind a gateway the leader). */
export interface NodeCallOptions extends Omit<CallOptions, "onHeader" | "namespace"> {
  /** The member to ask, reached through the endpoint in use. */
  readonly member?: string;
  /** The host:port to ask directly, and no other. */
  readonly address?: string;
}

/** What calls about the whole cluster take. */
export type ClusterCallOptions = Pick<CallOptions, "deadlineMs" | "signal">;

/** How a call about a node is made. */
export function nodePlan(core: Core, options: NodeCallOptions): CallPlan {
  const { member, address } = options;
  return {
    ...core.plan(options),
    ...(member === undefined ? {} : { metadata: { "quorate-member": member } }),
    ...(address === undefined ? {} : { address }),
  };
}
