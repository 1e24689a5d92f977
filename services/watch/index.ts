export { WatchHub, type WatchHubOptions, watchReplica } from "./hub";
export { Watch } from "./open-watch";
export type { WatchEndReason, WatchEvent, WatchFrame, WatchSpec } from "./watch";
export { DEFAULT_WATCH_BOUNDS, type WatchBounds, type WatchedReplica } from "./watched-state";
