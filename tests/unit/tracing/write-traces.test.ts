import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WriteTraces } from "@quorate/services/tracing";
import { type Recorder, recorder } from "./spans";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALL = `00-${TRACE}-b7ad6b7169203331-01`;
const ENTRY = { term: 2, index: 11, kind: "normal" as const, data: new Uint8Array([1, 2]) };

let spans: Recorder;

beforeEach(() => {
  spans = recorder();
});

afterEach(() => spans.close());

function tracesOf(memberId: string): WriteTraces {
  return new WriteTraces({ tracer: spans.provider.getTracer("test"), memberId, appliedIndex: 10 });
}

function names(): readonly string[] {
  return spans.finished().map(({ name, attributes }) => `${name} ${attributes["quorate.member"]}`);
}

describe("the traces of writes", () => {
  it("go with an entry from the leader to a follower, and to where each applies it", () => {
    const leader = tracesOf("n1");
    const ended = leader.submitted(ENTRY.data, CALL);
    const sent = leader.traceparentOf(ENTRY);
    expect(sent.slice(3, 35)).toBe(TRACE);
    expect(sent).not.toBe(CALL);
    leader.appended({ entries: [ENTRY], hardState: null }, true, 5, 6);

    const follower = tracesOf("n2");
    const received = { ...ENTRY, data: new Uint8Array(ENTRY.data) };
    expect(follower.traceparentOf(received)).toBe("");
    follower.note({ term: 2, index: 11 }, sent);
    expect(follower.traceparentOf(received)).toBe(sent);
    follower.appended({ entries: [received], hardState: null }, true, 6, 7);
    for (const member of [leader, follower]) member.applied({ term: 2, index: 10 }, ENTRY, 7, 8);
    ended?.({ kind: "applied", answer: { result: undefined, revision: 1n }, entry: ENTRY });

    expect(names()).toEqual([
      "quorate.log.append n1",
      "quorate.log.append n2",
      "quorate.apply n1",
      "quorate.apply n2",
      "quorate.propose n1",
    ]);
    const propose = spans.finished().at(-1)!;
    for (const span of spans.finished().slice(0, -1)) {
      expect(span.parentSpanContext?.spanId).toBe(propose.spanContext().spanId);
    }
    const [append] = spans.finished();
    const [seconds, nanos] = append!.duration;
    expect(seconds * 1e3 + nanos / 1e6).toBeCloseTo(1, 3);
  });

  it.each([
    ["of a call without one", null],
    ["that was not sampled", CALL.replace(/01$/, "00")],
    ["that makes no sense", "gibberish"],
  ])("are not made %s", (_what, traceparent) => {
    const traces = tracesOf("n1");
    expect(traces.submitted(ENTRY.data, traceparent)).toBeNull();
    expect(traces.traceparentOf(ENTRY)).toBe("");
    traces.appended({ entries: [ENTRY], hardState: null }, true, 5, 6);
    expect(names()).toEqual([]);
  });

  it("are not those of an entry that took the place of another", () => {
    const traces = tracesOf("n2");
    traces.note(ENTRY, CALL);
    const other = { ...ENTRY, term: 3, data: new Uint8Array([3]) };
    expect(traces.traceparentOf(other)).toBe("");
    traces.appended({ entries: [other], hardState: null }, true, 5, 6);
    traces.applied({ term: 2, index: 10 }, other, 7, 8);
    expect(names()).toEqual([]);
  });

  it("of entries that an installed state holds are forgotten", () => {
    const traces = tracesOf("n2");
    traces.note(ENTRY, CALL);
    traces.applied({ term: 2, index: 50 }, { term: 2, index: 51 }, 7, 8);
    expect(names()).toEqual([]);
    expect(traces.traceparentOf(ENTRY)).toBe("");
  });

  it("of entries that are never applied are bounded: the oldest goes", () => {
    const traces = tracesOf("n2");
    for (let index = 11; index <= 10_011; index += 1) traces.note({ term: 2, index }, CALL);
    expect(traces.traceparentOf(ENTRY)).toBe("");
    expect(traces.traceparentOf({ ...ENTRY, index: 12 })).toBe(CALL);
  });
});
