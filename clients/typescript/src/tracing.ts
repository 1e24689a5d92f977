import type { CallPlan } from "./call-plan";
import { QuorateError } from "./errors";

/** What a client needs of an OpenTelemetry span. */
export interface ClientSpan {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  end(): void;
}

/**
 * What a client needs of an OpenTelemetry tracer: `trace.getTracer("my-service")` of `@opentelemetry/api` is one. It makes
 * each span below the one that is active where the call is made.
 */
export interface ClientTracer {
  startSpan(
    name: string,
    options: { readonly kind: number; readonly attributes: Readonly<Record<string, string>> },
  ): ClientSpan;
}

/** SpanKind.CLIENT and SpanStatusCode.ERROR of @opentelemetry/api, which a client is not to need. */
const KIND_CLIENT = 2;
const STATUS_ERROR = 2;

/** Makes a call within a span, which is named to whoever serves it (W3C Trace Context). All its attempts are in one span. */
export async function inSpan<Response>(
  tracer: ClientTracer,
  method: { readonly path: string },
  plan: CallPlan,
  run: (plan: CallPlan) => Promise<Response>,
): Promise<Response> {
  const name = method.path.slice(1);
  const slash = name.indexOf("/");
  const span = tracer.startSpan(name, {
    kind: KIND_CLIENT,
    attributes: {
      "rpc.system": "grpc",
      "rpc.service": name.slice(0, slash),
      "rpc.method": name.slice(slash + 1),
    },
  });
  const { traceId, spanId, traceFlags } = span.spanContext();
  const flags = traceFlags.toString(16).padStart(2, "0");
  const metadata = { ...plan.metadata, traceparent: `00-${traceId}-${spanId}-${flags}` };
  try {
    return await run({ ...plan, metadata });
  } catch (thrown) {
    const { reason, message } = QuorateError.from(thrown);
    span.setStatus({ code: STATUS_ERROR, message: `${reason}: ${message}` });
    throw thrown;
  } finally {
    span.end();
  }
}
