export {
  createDataDirectory,
  type DataDirectory,
  type DataDirectoryOutcome,
  type DirectoryRefusal,
  openDataDirectory,
} from "./data-directory";
export { diskBytes, freeBytes } from "./disk-space";
export type { BootstrapMember, DataIdentity } from "./identity";
export { type LogStoreOpened, type LogStoreOptions, openLogStore } from "./log-open";
export { openStateStore, type StateStoreOpened } from "./state-open";
export type { StateLimits } from "./state-store";
export {
  DEFAULT_STORE_OPTIONS,
  type OpenedStores,
  openStores,
  type StoreOptions,
  type StoresOutcome,
} from "./stores";
