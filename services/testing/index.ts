export {
  afterFirst,
  type Delivery,
  type Direction,
  delay,
  direction,
  drop,
  duplicate,
  exponentialLatency,
  FAIL_POINTS,
  type FailPointAction,
  type FailPointName,
  type FailPoints,
  type FailPointWindow,
  type FilterContext,
  first,
  type Hold,
  hold,
  inOrder,
  isolate,
  type NetworkFilter,
  notifyKind,
  ofKind,
  partition,
  randomLatency,
  reorder,
  sequence,
  splitInTwo,
  throttle,
  when,
} from "@quorate/services/faults";
export { ConsistencyError } from "./consistency-error";
export type { MemoryDisks } from "./host";
export type { ClusterOptions } from "./options";
export {
  SHARED_CLUSTER_VARIABLE,
  type SharedCluster,
  type SharedNamespace,
  sharedCluster,
} from "./shared-cluster";
export { startCluster } from "./start-cluster";
export { type NodeName, TestCluster, type WaitOptions } from "./test-cluster";
export { TestClusterError } from "./test-cluster-error";
export { type TestClientOptions, TestNode } from "./test-node";
