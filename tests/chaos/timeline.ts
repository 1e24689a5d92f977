import type { HistoryRecord } from "../judge/history";
import type { StepReport } from "./report";

/** What ended in one second of a run. */
interface Second {
  ok: number;
  fail: number;
  unknown: number;
  /** Of the slowest operation that succeeded, in milliseconds. */
  slowestMs: number;
}

/** Seconds from the start of a run; operations without a known end are counted where they began. */
export function secondsOf(history: readonly HistoryRecord[], startedAtNs: bigint): readonly Second[] {
  const seconds: Second[] = [];
  for (const { status, invoke, return: end } of history) {
    const at = Math.max(0, Math.floor(Number(BigInt(end ?? invoke) - startedAtNs) / 1e9));
    while (seconds.length <= at) seconds.push({ ok: 0, fail: 0, unknown: 0, slowestMs: 0 });
    const second = seconds[at] as Second;
    second[status] += 1;
    if (status === "ok" && end !== undefined)
      second.slowestMs = Math.max(second.slowestMs, Number(BigInt(end) - BigInt(invoke)) / 1e6);
  }
  return seconds;
}

const BAR_WIDTH = 40;

/** A line a second: how many operations ended and how, and which faults were there. */
export function timelineText(
  history: readonly HistoryRecord[],
  steps: readonly StepReport[],
  startedAtNs: bigint,
): string {
  const seconds = secondsOf(history, startedAtNs);
  const okMax = Math.max(1, ...seconds.map(({ ok }) => ok));
  const head = "second    ok  fail  unknown  slowest";
  const lines = seconds.map(({ ok, fail, unknown, slowestMs }, at) => {
    const from = startedAtNs + BigInt(at) * NS_PER_S;
    const faults = steps.flatMap((step) => phaseIn(step, from, from + NS_PER_S));
    const bar = "#".repeat(Math.round((ok / okMax) * BAR_WIDTH)).padEnd(BAR_WIDTH);
    const numbers = [
      String(at).padStart(6),
      String(ok).padStart(6),
      String(fail).padStart(6),
      String(unknown).padStart(9),
      `${slowestMs.toFixed(0)} ms`.padStart(9),
    ];
    return `${numbers.join("")}  ${bar}  ${faults.join("; ")}`.trimEnd();
  });
  return [head, ...lines, ""].join("\n");
}

const NS_PER_S = 1_000_000_000n;

/** What a fault does between two instants: it strikes, is in force, or is healed and being recovered from. */
function phaseIn(report: StepReport, from: bigint, to: bigint): string[] {
  const { step, on, beganAtNs, healedAtNs, recoveredAtNs } = report;
  if (recoveredAtNs < from || beganAtNs >= to) return [];
  const name = `#${step.number} ${step.fault}`;
  if (beganAtNs >= from) return [`${name} begins: ${on}`];
  if (recoveredAtNs < to) return [`${name} recovered`];
  return [healedAtNs < from ? `${name} healed` : name];
}

const PIXELS_PER_S = 12;
const CHART_HEIGHT = 160;
const LANE_HEIGHT = 18;
const LEFT = 70;

/** The same as one page with a picture, without scripts and without anything from elsewhere. */
export function timelineHtml(
  history: readonly HistoryRecord[],
  steps: readonly StepReport[],
  startedAtNs: bigint,
  summary: string,
): string {
  const seconds = secondsOf(history, startedAtNs);
  const endMs = Math.max(
    seconds.length * 1000,
    ...steps.map((step) => msSince(startedAtNs, step.recoveredAtNs)),
  );
  const width = LEFT + (endMs / 1000) * PIXELS_PER_S + 20;
  const lanes = steps.map((step, at) => laneSvg(step, CHART_HEIGHT + 30 + at * LANE_HEIGHT, startedAtNs));
  const height = CHART_HEIGHT + 40 + steps.length * LANE_HEIGHT;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>chaos</title>
<style>
body { font: 14px sans-serif; margin: 1em }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto }
svg { font: 11px sans-serif }
.ok { fill: #4a9d5b } .fail { fill: #d9a400 } .unknown { fill: #c2453a }
.strikes { fill: #e3a49e } .holds { fill: #c2453a } .recovers { fill: #7aa6d6 }
</style>
<h1>Operations and faults</h1>
<p>Each second: <span style="color:#4a9d5b">ok</span>, <span style="color:#d9a400">failed</span>,
<span style="color:#c2453a">unknown</span>. Each fault: strikes (light), is in force (dark), is recovered from (blue).</p>
<div style="overflow-x:auto"><svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg">
${axisSvg(seconds)}
${barsSvg(seconds)}
${lanes.join("\n")}
</svg></div>
<pre>${escaped(summary)}</pre>
</html>
`;
}

function barsSvg(seconds: readonly Second[]): string {
  const perPixel = heightOf(seconds);
  return seconds
    .map(({ ok, fail, unknown }, at) => {
      let top = CHART_HEIGHT;
      return (["unknown", "fail", "ok"] as const)
        .map((status) => {
          const height = { ok, fail, unknown }[status] * perPixel;
          top -= height;
          return `<rect class="${status}" x="${LEFT + at * PIXELS_PER_S}" y="${top.toFixed(1)}" width="${PIXELS_PER_S - 1}" height="${height.toFixed(1)}"/>`;
        })
        .join("");
    })
    .join("\n");
}

function axisSvg(seconds: readonly Second[]): string {
  const most = Math.round((CHART_HEIGHT - 10) / heightOf(seconds));
  const marks = seconds
    .flatMap((_, at) => (at % 10 === 0 ? [at] : []))
    .map((at) => `<text x="${LEFT + at * PIXELS_PER_S}" y="${CHART_HEIGHT + 14}">${at} s</text>`);
  return [`<text x="0" y="14">${most} ops/s</text>`, ...marks].join("\n");
}

function heightOf(seconds: readonly Second[]): number {
  return (CHART_HEIGHT - 10) / Math.max(1, ...seconds.map(({ ok, fail, unknown }) => ok + fail + unknown));
}

function laneSvg(report: StepReport, y: number, startedAtNs: bigint): string {
  const { step, on, beganAtNs, struckAtNs, healedAtNs, recoveredAtNs } = report;
  const x = (at: bigint) => LEFT + (msSince(startedAtNs, at) / 1000) * PIXELS_PER_S;
  const part = (kind: string, from: bigint, to: bigint) =>
    `<rect class="${kind}" x="${x(from).toFixed(1)}" y="${y}" width="${Math.max(1, x(to) - x(from)).toFixed(1)}" height="${LANE_HEIGHT - 5}"/>`;
  const label = escaped(`#${step.number} ${step.fault}: ${on}`);
  return (
    part("strikes", beganAtNs, struckAtNs) +
    part("holds", struckAtNs, healedAtNs) +
    part("recovers", healedAtNs, recoveredAtNs) +
    `<text x="${(x(recoveredAtNs) + 6).toFixed(1)}" y="${y + 11}">${label}</text>`
  );
}

function msSince(startedAtNs: bigint, at: bigint): number {
  return Number(at - startedAtNs) / 1e6;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
