import { stopSharedCluster } from "./global-setup";

/** Ends the cluster of the global setup: for jest's `globalTeardown`. */
export default stopSharedCluster;
