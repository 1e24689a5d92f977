export { ConsistencyError } from "./consistency-error";
export type { ClusterOptions } from "./options";
export { startCluster } from "./start-cluster";
export { type NodeName, TestCluster, type WaitOptions } from "./test-cluster";
export { TestClusterError } from "./test-cluster-error";
export { type TestClientOptions, TestNode } from "./test-node";
