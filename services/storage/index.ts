export { crc32c } from "./crc32c";
export {
  createDataDirectory,
  type DataDirectory,
  type DataDirectoryOutcome,
  type DirectoryRefusal,
  openDataDirectory,
} from "./data-directory";
export { diskBytes } from "./disk-space";
export type { BootstrapMember, DataIdentity } from "./identity";
export type { StateLimits } from "./level-state";
export { liveTables } from "./leveldb-manifest";
export { faultyTable } from "./leveldb-table";
export { type LogStoreOpened, type LogStoreOptions, openLogStore } from "./log-open";
export { snappyUncompress } from "./snappy";
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
