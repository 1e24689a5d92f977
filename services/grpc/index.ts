export { type CallHandler, type CallWindows, GrpcServer, type GrpcServerOptions } from "./grpc-server";
export { type RequestListener, readRequest } from "./one-request";
export { OutgoingStream, type OutgoingStreamOptions } from "./outgoing-stream";
export { type CallListener, ServerCall } from "./server-call";
export { type CallStatus, cutDetails } from "./status";
export { timeoutText } from "./timeout";
