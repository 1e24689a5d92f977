import { describe, expect, it } from "@jest/globals";
import { Sketch } from "./sketch";
import { buildTimeline, type TimelineInput } from "./timeline";
import { timelineHtml } from "./timeline-html";
import { timelineText } from "./timeline-text";

const MS = 1_000_000;
const client = new Sketch("c");
const input: TimelineInput = {
  title: 'chaos <of> "3" nodes & more',
  records: [
    client.put([100 * MS, 200 * MS], "x"),
    client.put([300 * MS, 800 * MS], "y"),
    client.put([1000 * MS, null], "z"),
    client.get([4100 * MS, 4250 * MS], "y"),
    client.get([4900 * MS, 5100 * MS], "y"),
  ],
  faults: [
    { name: "kill", target: "n2", startNs: BigInt(1_000 * MS), endNs: BigInt(1_000 * MS) },
    { name: "cut", target: "n1 > n3", startNs: BigInt(2_000 * MS), endNs: null },
  ],
  violations: [{ atNs: BigInt(5_000 * MS), text: "read <script>alert(1)</script>" }],
};

describe("a timeline", () => {
  it("counts each second, and finds the longest time without an answer", () => {
    const timeline = buildTimeline(input);
    expect(timeline.seconds.map(({ ok, failed, unknown }) => [ok, failed, unknown])).toEqual([
      [2, 0, 1],
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
      [1, 0, 0],
      [1, 0, 0],
    ]);
    expect(timeline.seconds[0]?.latencyMsMax).toBe(500);
    expect(timeline.totals).toEqual({ ok: 4, failed: 0, unknown: 1 });
    expect(timeline.longestOutage).toEqual({ startMs: 700, endMs: 4_150 });
  });

  it("is told in text", () => {
    const text = timelineText(buildTimeline(input));
    expect(text).toContain("5.0 s: 4 ok, 0 failed, 1 unknown");
    expect(text).toContain("longest time without an answer: 3.5 s, from 0.7 s to 4.2 s");
    expect(text).toContain("|█ ");
    expect(text).toMatch(/at 0\.9 s +kill n2/);
    expect(text).toMatch(/1\.9 s to the end +cut n1 > n3/);
    expect(text).toContain("at 4.9 s: read <script>");
  });

  it("is one page without anything from elsewhere, and every text escaped", () => {
    const html = timelineHtml(buildTimeline(input));
    expect(html).toContain("<h1>chaos &lt;of&gt; &quot;3&quot; nodes &amp; more</h1>");
    expect(html).toContain("n1 &gt; n3");
    expect(html).not.toContain("<script");
    expect(html).not.toMatch(/(?:src|href)=|url\(|@import|https?:/);
    expect(html.match(/<g class="fault"/g)).toHaveLength(2);
    expect(html.match(/<g class="violation"/g)).toHaveLength(1);
    expect(html.match(/<g class="outage"/g)).toHaveLength(1);
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("has a row for each fault alone where targets are many", () => {
    const faults = Array.from({ length: 40 }, (_, at) => ({
      name: at % 2 === 0 ? "cut" : "kill",
      target: `n${at}`,
      startNs: BigInt(at * MS),
      endNs: BigInt((at + 1) * MS),
    }));
    const html = timelineHtml(buildTimeline({ ...input, faults }));
    const labels = [...html.matchAll(/class="label end"[^>]*>(cut|kill)[^<]*</g)].map((match) => match[0]);
    expect(labels).toHaveLength(2);
    expect(html).toContain("<title>kill n39: ");
  });

  it("of nothing is a picture too", () => {
    const timeline = buildTimeline({ title: "nothing", records: [], faults: [], violations: [] });
    expect(timelineText(timeline)).toContain("no violation");
    expect(timelineHtml(timeline)).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("closes each element that it opens", () => {
    const html = timelineHtml(buildTimeline(input)).replace(/<style>[\s\S]*?<\/style>/, "");
    const open: string[] = [];
    for (const [, slash, name, rest] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/gi)) {
      const isVoid = rest?.endsWith("/") === true || name === "meta";
      if (slash === "/") expect(open.pop()).toBe(name);
      else if (!isVoid) open.push(name ?? "");
    }
    expect(open).toEqual([]);
  });
});
