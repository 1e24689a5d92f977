import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import { type ClientTracer, QuorateError } from "@quorate/client";
import { type Recorder, recorder } from "../tracing/spans";
import { connectionLost, HEADER, ScriptedEndpoints, sessionAnswer } from "./scripted-endpoints";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";

let spans: Recorder;
let tracer: Tracer;

beforeEach(() => {
  spans = recorder();
  tracer = spans.provider.getTracer("test");
});

afterEach(() => spans.close());

describe("a client with a tracer", () => {
  test("a tracer of OpenTelemetry is one for the client", () => {
    const accepted: ClientTracer = tracer;
    expect(accepted).toBe(tracer);
  });

  test("a write is one span, however often it is sent, and each attempt names it", async () => {
    const ends = new ScriptedEndpoints(
      `${A},${B}`,
      ({ method, address }) =>
        sessionAnswer(method) ?? (address === A ? connectionLost : { header: HEADER, previous: undefined }),
      { tracer },
    );
    await ends.timing.drive(ends.client.kv.put("k", "v"));
    const puts = spans.finished().filter(({ name }) => name === "quorate.kv.v1.KvService/Put");
    expect(puts).toHaveLength(1);
    const [put] = puts;
    expect(put).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: { "rpc.system": "grpc", "rpc.service": "quorate.kv.v1.KvService", "rpc.method": "Put" },
      status: { code: SpanStatusCode.UNSET },
    });
    const { traceId, spanId } = put!.spanContext();
    const attempts = ends.of("Put");
    expect(attempts.length).toBeGreaterThan(1);
    for (const { traceparent } of attempts) expect(traceparent).toBe(`00-${traceId}-${spanId}-01`);
  });

  test("a call that fails says so in its span, and fails as ever", async () => {
    const refusal = new QuorateError("no such namespace", {
      code: "NOT_FOUND",
      reason: "UNKNOWN_NAMESPACE",
      outcome: "not_applied",
    });
    const ends = new ScriptedEndpoints(A, () => refusal, { tracer });
    const failure = await ends.failure(ends.client.kv.get("k"));
    expect(failure.reason).toBe("UNKNOWN_NAMESPACE");
    expect(spans.finished().map(({ status }) => status)).toEqual([
      { code: SpanStatusCode.ERROR, message: "UNKNOWN_NAMESPACE: no such namespace" },
    ]);
  });

  test("without a tracer nothing is said of traces", async () => {
    const ends = new ScriptedEndpoints(A, () => ({ header: HEADER, record: undefined }));
    await ends.timing.drive(ends.client.kv.get("k"));
    expect(ends.attempts.map(({ traceparent }) => traceparent)).toEqual([undefined]);
  });
});
