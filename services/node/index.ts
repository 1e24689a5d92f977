export { type NodeConfig, type NodeConfigOutcome, nodeConfig } from "./config";
export { Node, type NodePorts, type OpenOutcome } from "./node";
export { sha256Digest, systemClock, turnScheduler } from "./platform";
export { type Profile, type ProfileName, profiles, ticksOf } from "./profile";
