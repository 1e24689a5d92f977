export { type BackupVerdict, verifyBackupFile } from "./backup-file";
export { type MemberDescription, PROFILES, type Profile } from "./cluster-file";
export { LauncherFault } from "./fault";
export { basePort, type FlagsOutcome, type LauncherFlags, nodeCount, readFlags } from "./flags";
export {
  GATEWAY,
  LocalCluster,
  type LocalClusterOptions,
  type ProcessStatus,
  READY_MS_MAX,
  startLocalCluster,
} from "./local-cluster";
export { NODES_MAX, nodePorts, type PortReservation, reservePorts } from "./ports";
export { lastSentence } from "./process-log";
