export { type NodeConfig, type NodeConfigOutcome, type NodeStart, nodeConfig } from "./config";
export { type FreeSpaceOptions, FreeSpaceWatch, freeBytesOf } from "./free-space";
export { Node, type NodePorts, type OpenOutcome } from "./node";
export { sha256Digest, systemClock, turnScheduler } from "./platform";
export { HEARTBEAT_TICKS, type Profile, type ProfileName, profiles, ticksOf } from "./profile";
export type { NodeSeams } from "./seams";
export { settings as nodeSettings } from "./settings";
export { ListenFailure, listening, startFault } from "./start-fault";
export { softwareVersion } from "./version";
