import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

export interface Recorder {
  readonly provider: BasicTracerProvider;
  finished(): readonly ReadableSpan[];
  close(): Promise<void>;
}

/** Spans that are kept in memory when they end. */
export function recorder(): Recorder {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return {
    provider,
    finished: () => exporter.getFinishedSpans(),
    close: () => provider.shutdown(),
  };
}

/** A span with those below it, as one line each: what it is, whose it is. */
export interface SpanTree {
  readonly name: string;
  readonly member: string;
  readonly below: readonly SpanTree[];
}

/** The spans of a trace below a span, sorted by name and member. */
export function treeBelow(spans: readonly ReadableSpan[], spanId: string): readonly SpanTree[] {
  return spans
    .filter((span) => span.parentSpanContext?.spanId === spanId)
    .map((span) => ({
      name: span.name,
      member: String(span.attributes["quorate.member"] ?? ""),
      below: treeBelow(spans, span.spanContext().spanId),
    }))
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

/** The roots of all traces: spans without a parent. */
export function rootsOf(spans: readonly ReadableSpan[]): readonly ReadableSpan[] {
  return spans.filter((span) => span.parentSpanContext === undefined);
}

function keyOf({ name, member }: SpanTree): string {
  return `${name} ${member}`;
}
