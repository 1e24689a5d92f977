import type { StatusResponse } from "@quorate/client/generated";

type Numbers<T> = { readonly [Field in keyof T]: T[Field] extends bigint ? number : T[Field] };

/** A status reply with numbers in place of bigints. */
export type NodeStatus = Numbers<StatusResponse>;

export function statusView(response: StatusResponse): NodeStatus {
  const entries = Object.entries(response).map(([field, value]) => [
    field,
    typeof value === "bigint" ? Number(value) : value,
  ]);
  return Object.fromEntries(entries) as NodeStatus;
}
