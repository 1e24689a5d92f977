export { Counter, type CounterSetOptions } from "./counter";
export {
  CollectionCurrent,
  CollectionDelete,
  type CollectionEvent,
  CollectionPut,
  typedEvent,
} from "./event";
export type { CollectionItem } from "./item";
export { CACHE_ENTRIES_MAX, type CacheOptions, type CacheWaitOptions, NearCache } from "./near-cache";
export { CollectionOperations } from "./operations";
