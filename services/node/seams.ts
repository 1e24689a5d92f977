import type { ByteService, CallChannels } from "#forward";
import type { LogStore, Scheduler, SnapshotSource, StateStore, Transport } from "#replica";

/** Where a test may put something between the parts of a node. Asked once, when the node is put together. */
export interface NodeSeams {
  readonly log?: (store: LogStore) => LogStore;
  readonly state?: (store: StateStore) => StateStore;
  /** To peers. */
  readonly transport?: (transport: Transport) => Transport;
  /** Images of the state from peers. */
  readonly snapshots?: (source: SnapshotSource) => SnapshotSource;
  /** To the client ports of other nodes, for calls that are passed on. */
  readonly channels?: (channels: CallChannels) => CallChannels;
  /** What clients reach. */
  readonly service?: (service: ByteService) => ByteService;
  readonly scheduler?: Scheduler;
  /** What the file system of the data directory says that it has left. */
  readonly freeBytes?: (path: string) => Promise<number>;
  readonly tick?: (tick: () => void) => () => void;
}
