export { drop } from "./drop";
export { duplicate } from "./duplicate";
export {
  FAIL_POINTS,
  type FailPointAction,
  type FailPointName,
  FailPoints,
  type FailPointVerdict,
  type FailPointWindow,
} from "./fail-points";
export type { Delivery, Direction, FilterContext, NetworkFilter, Timers } from "./filter";
export { FilteredSnapshotSource } from "./filtered-snapshot-source";
export { FilteredTransport } from "./filtered-transport";
export { guardLogStore } from "./guarded-log-store";
export { guardSnapshotSource } from "./guarded-snapshot-source";
export { guardStateStore } from "./guarded-state-store";
export { guardTransport } from "./guarded-transport";
export { type Hold, hold } from "./hold";
export {
  breakStream,
  type ChunkDelivery,
  type ChunkFate,
  damageChunks,
  delayChunks,
  firstChunks,
  type ImageFilter,
  stallStream,
  whenChunk,
} from "./image-filter";
export { ImageInterference } from "./image-interference";
export { Interference, type NetworkControls } from "./interference";
export { delay, exponentialLatency, inOrder, randomLatency } from "./latency";
export { Network, type NetworkMember, type NetworkOptions, type NetworkPort } from "./network";
export { notifyKind } from "./notify";
export { reorder } from "./reorder";
export { afterFirst, direction, first, ofKind, when } from "./selection";
export { isolate, partition, splitInTwo } from "./separation";
export { sequence } from "./sequence";
export { throttle } from "./throttle";
