export { AnswerPlaces, type AnswerRow } from "./answer-places";
export { changeCluster } from "./cluster-change";
export { crc32c } from "./crc32c";
export {
  createDataDirectory,
  type DataDirectory,
  type DataDirectoryOutcome,
  openDataDirectory,
} from "./data-directory";
export type { ChainedBatch } from "./database";
export type { DirectoryRefusal } from "./directory-refusal";
export { diskBytes } from "./disk-space";
export { EntryTail } from "./entry-tail";
export { GatheredRows } from "./gathered-rows";
export type { BootstrapMember, DataIdentity } from "./identity";
export {
  beginImageDirectory,
  createDataDirectoryFromImage,
  ImageDirectory,
  type ImageDirectoryOptions,
  type ImageDirectoryOutcome,
  installReceived,
  receiveState,
} from "./image-directory";
export { type ImageCounts, type ImageSummary, LEVEL_IMAGE_FORMAT, verifyImageRows } from "./image-rows";
export { type FilterBounds, KeyFilter } from "./key-filter";
export { type HashSeed, type KeySpace, keyHash, PROCESS_SEED } from "./key-hash";
export { KeyTable } from "./key-table";
export { KnownKeys } from "./known-keys";
export type { StateLimits } from "./level-state";
export { liveTables } from "./leveldb-manifest";
export { faultyTable } from "./leveldb-table";
export { LoadedView } from "./loaded-view";
export type { LogDisk, LogFile } from "./log-disk";
export {
  createLogOn,
  type LogStoreOpened,
  type LogStoreOptions,
  openLogOn,
  openLogStore,
} from "./log-open";
export { OverflowFile } from "./overflow-file";
export { PlaceIndex } from "./place-index";
export { type PledgeRead, pledgePath, readPledgedMs, writePledgedMs } from "./pledge-file";
export { type CachedRow, RecordCache } from "./record-cache";
export { RemovedRows } from "./removed-rows";
export { type EvictedRow, RowOverflow } from "./row-overflow";
export { snappyUncompress } from "./snappy";
export type { KeyRange } from "./state-layout";
export { openStateStore, type StateStoreOpened } from "./state-open";
export {
  DEFAULT_STORE_OPTIONS,
  type OpenedStores,
  openStores,
  rebuildState,
  type StateLost,
  type StoreOptions,
  type StoresOutcome,
} from "./stores";
export { type ChainLink, linkAfter, NO_LINK, oldestAfter } from "./version-chain";
