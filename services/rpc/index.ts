export { CallCounters, type MethodCount } from "./call-counters";
export { helloFault, type PeerIdentity, type StoreRegister } from "./greeting";
export { messageFromWire, messageToWire } from "./message-codec";
export type { MemberAddresses, NodeContext, ProcessFacts, ServedReplica } from "./node-context";
export { NodeService } from "./node-service";
export { PeerLink, type PeerLinkBounds, type PeerLinkOptions } from "./peer-link";
export { PeerServer, type PeerServerOptions } from "./peer-server";
export { PeerTransport, type PeerTransportOptions } from "./peer-transport";
export { isWellFormedMessage } from "./well-formed-message";
