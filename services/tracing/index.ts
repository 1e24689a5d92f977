export { type TracedServiceOptions, traceService } from "./traced-service";
export { contextOf, isSampled, traceparentOf } from "./traceparent";
export { quorateTracer } from "./tracer";
export { WriteTraces, type WriteTracesOptions } from "./write-traces";
