import { type Tracer, trace } from "@opentelemetry/api";

/**
 * The tracer of whichever OpenTelemetry SDK the process has registered, or will register; without one, spans are made of
 * nothing and go nowhere.
 */
export function quorateTracer(softwareVersion?: string): Tracer {
  return trace.getTracer("quorate", softwareVersion);
}
