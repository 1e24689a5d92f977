export { Status as RpcStatus } from "./gen/google/rpc/status";
