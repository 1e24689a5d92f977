export const OPERATIONS = [
  "put",
  "get",
  "get-stale",
  "mixed",
  "cas",
  "scan",
  "txn",
  "ycsb-a",
  "ycsb-b",
  "ycsb-c",
  "ycsb-d",
  "ycsb-e",
  "ycsb-f",
] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Which endpoint is called, and whether by the typed client or by single calls of generated code. */
export const ROUTES = ["leader", "follower", "gateway", "unary", "unary-follower", "unary-gateway"] as const;
export type Route = (typeof ROUTES)[number];

/** So many operations open at a time, or so many begun each second whatever becomes of them. */
export type Load =
  | { readonly kind: "closed"; readonly inFlight: number }
  | { readonly kind: "open"; readonly perSecond: number };

/** What is done over and over, how often, and through what. */
export interface Workload {
  readonly operation: Operation;
  readonly load: Load;
  readonly route: Route;
}

/** Names a cell of a table, such as put/64 or put@gateway/64; an open loop's is put/1000ps. */
export function workloadName({ operation, route, load }: Workload): string {
  return `${operation}${route === "leader" ? "" : `@${route}`}/${loadName(load)}`;
}

export function loadName(load: Load): string {
  return load.kind === "closed" ? String(load.inFlight) : `${load.perSecond}ps`;
}
