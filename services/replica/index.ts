export {
  type Clock,
  type Digest,
  type LogBatch,
  type LogStore,
  type RangeQuery,
  type RecordsQuery,
  type Scheduler,
  type StateBatch,
  type StateStore,
  StoreFailure,
  type Transport,
} from "./ports";
