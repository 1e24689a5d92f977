export { BackupDamaged } from "./damage";
export { type BackupCheck, type BackupRefusal, backupChunks, backupRefusal, verifyBackup } from "./file";
export type { BackupCounts, BackupInfo } from "./format";
export { type BackupPart, backupParts } from "./reader";
export { backup } from "./writer";
