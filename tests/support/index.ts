export {
  BareEndpoint,
  BareFailure,
  type BareOptions,
  BareService,
  bareClients,
  CHANNEL_OPTIONS,
  type CodeName,
  failedReply,
  type Reply,
  type Serving,
  unaryBytes,
} from "./bare";
export { bytes, hex, noise, text } from "./bytes";
export { Child, type Exit, type Surroundings } from "./child";
export { type Agreement, startTestCluster, TestCluster } from "./cluster";
export { type Corruption, corruptStoredRecords } from "./corrupt-record";
export { eventually, NeverWill, type Patience } from "./eventually";
export { clusterOfFile, type FileCluster, withCluster } from "./file-cluster";
export { Link, type LinkFault } from "./link";
export { isLongRun } from "./long-run";
export { ownEntries } from "./own-entries";
export { type Direction, PeerLinks } from "./peer-links";
export { PortBlock } from "./port-block";
export { callOf, RawPipeline } from "./raw-pipeline";
export { onSmallDisk, takeSpace } from "./small-disk";
export type { NodeStatus } from "./status-view";
export { type ClusterOptions, Topology } from "./topology";
export { TraceModel } from "./trace-model";
export { underOneLeader } from "./under-one-leader";
export { Workplace } from "./workplace";
