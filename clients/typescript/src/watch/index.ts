export {
  type ChangeCause,
  type ChangeOrigin,
  type KvCurrent,
  KvDelete,
  type KvEvent,
  KvPut,
  type KvSynced,
  type KvTruncated,
} from "./event";
export { WatchFeed } from "./feed";
export { type WatchOptions, type WatchTarget, watchFields } from "./target";
export { Watch } from "./watch";
export { Watches } from "./watches";
