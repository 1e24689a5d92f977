import { isSpanContextValid, type SpanContext, TraceFlags } from "@opentelemetry/api";

/** version, trace id, parent id, flags (W3C Trace Context, section 3.2). */
const SHAPE = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const LENGTH_MAX = 256;

/** The context that a traceparent names; null where it names none, which W3C Trace Context says is to be overlooked. */
export function contextOf(traceparent: string): SpanContext | null {
  if (traceparent.length > LENGTH_MAX) return null;
  const match = SHAPE.exec(traceparent);
  if (match === null) return null;
  const [, version = "", traceId = "", spanId = "", flags = "", rest] = match;
  // Later versions may say more, behind what this one says; this one says no more.
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  const context = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
  return isSpanContextValid(context) ? context : null;
}

export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

export function isSampled(context: SpanContext): boolean {
  return (context.traceFlags & TraceFlags.SAMPLED) !== 0;
}
