export {
  Entry,
  EntryType,
  ExchangeRequest,
  ExchangeResponse,
  Hello,
  Message,
  MessageBatch,
  MessageType,
  type PeerServiceClient,
  PeerServiceDefinition,
  type PeerServiceImplementation,
} from "./gen/quorate/raft/v1/peer_service";
