export { type NodeConfig, type NodeConfigOutcome, nodeConfig } from "./config";
export { Node, type NodePorts, type OpenOutcome } from "./node";
export { sha256Digest, systemClock, turnScheduler } from "./platform";
export { HEARTBEAT_TICKS, type Profile, type ProfileName, profiles, ticksOf } from "./profile";
export type { NodeSeams } from "./seams";
export { softwareVersion } from "./version";
