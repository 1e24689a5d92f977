import type { Connect } from "@quorate/client";
import type { ImageInterference, Interference, NetworkControls } from "@quorate/services/faults";
import type { ClusterTime } from "./cluster-time";
import type { Host } from "./host";

/** A running set of nodes, in memory or on disk, with what joins them. */
export interface ClusterRoom {
  readonly time: ClusterTime;
  /** In the order of their numbers. */
  readonly hosts: readonly Host[];
  /** A place for one more node, which has not joined yet. @throws TestClusterError where there is none left */
  addHost(): Host;
  /** Everything that a cut has to be said to; filters go to the first. */
  /** What troubles images of the state on their way. */
  readonly images: ImageInterference;
  readonly networks: readonly [NetworkControls, ...NetworkControls[]];
  /** Knows the cuts that there are. */
  readonly cuts: Interference;
  /** How clients of this process reach the nodes; null for gRPC. */
  readonly connect: Connect | null;
  /** Opens gRPC where there is none yet. */
  listen(): Promise<void>;
  /** Whether other processes can reach the nodes. */
  readonly isListening: boolean;
  cutsChanged(): void;
  /** Ends all nodes and removes what they leave. */
  close(): Promise<void>;
}
