export { type Backup, BackupTaker, type SentWrite } from "./backup";
export { RESTORED_SIZES, RestoredCluster, type RestoredParts } from "./restored-cluster";
