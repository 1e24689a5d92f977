/**
 * The generated service definitions and messages, for those who want bare typed gRPC clients: with nice-grpc,
 * `createClient(KvServiceDefinition, createChannel("127.0.0.1:7400"))`. Such a client has neither retries nor sessions.
 */
export * from "@quorate/proto/cluster";
export * from "@quorate/proto/kv";
export { RpcStatus } from "@quorate/proto/rpc-status";
