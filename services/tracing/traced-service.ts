import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { ByteCall, ByteService, ByteSink } from "#forward";
import { contextOf, traceparentOf } from "./traceparent";

export interface TracedServiceOptions {
  readonly tracer: Tracer;
  /** What every span says of who served the call. */
  readonly attributes: Attributes;
}

/**
 * A service each of whose calls is a span, below the one that the call names; what is passed on is below it in turn.
 * Streams both ways are left out: they last as long as their caller, and a trace of days shows nothing.
 */
export function traceService(service: ByteService, options: TracedServiceOptions): ByteService {
  return {
    unary: (call) => within(call, options, () => service.unary(call)),
    stream: (call, sink: ByteSink) => within(call, options, () => service.stream(call, sink)),
    duplex: (call, source, sink) => service.duplex(call, source, sink),
  };
}

/** The context below what a traceparent names; a new trace begins where it names nothing. */
export function parentOf(traceparent: string | null): Context {
  const parent = traceparent === null ? null : contextOf(traceparent);
  return parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
}

async function within<T>(
  call: ByteCall,
  { tracer, attributes }: TracedServiceOptions,
  serve: () => Promise<T>,
): Promise<T> {
  const name = call.method.path.slice(1);
  const slash = name.indexOf("/");
  const span = tracer.startSpan(
    name,
    {
      kind: SpanKind.SERVER,
      attributes: {
        "rpc.system": "grpc",
        "rpc.service": name.slice(0, slash),
        "rpc.method": name.slice(slash + 1),
        ...attributes,
      },
    },
    parentOf(call.traceparent),
  );
  call.traceparent = traceparentOf(span.spanContext());
  try {
    return await serve();
  } catch (error) {
    noteFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function noteFailure(span: Span, error: unknown): void {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code === "number") span.setAttribute("rpc.grpc.status_code", code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: String(message ?? error) });
}
