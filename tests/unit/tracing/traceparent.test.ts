import { describe, expect, it } from "@jest/globals";
import { contextOf, isSampled, traceparentOf } from "@quorate/services/tracing";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

describe("a traceparent", () => {
  it.each([
    ["sampled", `00-${TRACE}-${SPAN}-01`, true],
    ["not sampled", `00-${TRACE}-${SPAN}-00`, false],
    ["of a later version, which says more", `01-${TRACE}-${SPAN}-03-more`, true],
  ])("is read: %s", (_what, traceparent, sampled) => {
    const context = contextOf(traceparent);
    expect(context).toMatchObject({ traceId: TRACE, spanId: SPAN, isRemote: true });
    expect(context !== null && isSampled(context)).toBe(sampled);
  });

  it.each([
    ["nothing", ""],
    ["no hexadecimal", `00-${TRACE.replace("0", "g")}-${SPAN}-01`],
    ["capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["a trace of zeroes", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a span of zeroes", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["version 00 that says more", `00-${TRACE}-${SPAN}-01-more`],
    ["too short", `00-${TRACE}-${SPAN}`],
    ["too long", `01-${TRACE}-${SPAN}-01-${"x".repeat(300)}`],
  ])("that makes no sense is overlooked: %s", (_what, traceparent) => {
    expect(contextOf(traceparent)).toBeNull();
  });

  it("is written as it was read", () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const context = contextOf(traceparent);
    expect(context === null ? null : traceparentOf(context)).toBe(traceparent);
  });
});
