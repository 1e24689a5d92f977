import type { Timeline } from "./timeline";

/*
 * Colours: the set of Okabe and Ito, which people with any kind of colour vision tell apart. Faults differ by their row
 * and their label too, so that colour is never the only sign.
 */
const FAULT_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"] as const;

const WIDTH = 1_100;
const LEFT = 170;
const RIGHT = 24;
const ROW_HEIGHT = 22;
const ROWS_MAX = 32;
const CHART_HEIGHT = 130;
const GAP = 44;
const TICKS_MAX = 12;
/** A fault of no length, such as a kill, still shows. */
const BAR_WIDTH_MIN = 3;

/** One page that needs nothing else: the picture as SVG, and the same facts as tables. */
export function timelineHtml(timeline: Timeline): string {
  const { title, totals, durationMs, longestOutage, violations } = timeline;
  const outage = longestOutage === null ? "-" : `${seconds(longestOutage.endMs - longestOutage.startMs)} s`;
  const facts: readonly (readonly [string, string])[] = [
    ["duration", `${seconds(durationMs)} s`],
    ["ok", totals.ok.toLocaleString("en")],
    ["failed", totals.failed.toLocaleString("en")],
    ["unknown", totals.unknown.toLocaleString("en")],
    ["longest outage", outage],
    ["violations", String(violations.length)],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="verdict ${violations.length === 0 ? "good" : "bad"}">${verdictText(violations.length)}</p>
<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`).join("")}</dl>
<figure>
${picture(timeline)}
<figcaption>Faults, answered operations a second, and the longest answer of each second.</figcaption>
</figure>
${violationList(timeline)}
${faultTable(timeline)}
</main>
</body>
</html>
`;
}

export function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? character);
}

function verdictText(violations: number): string {
  if (violations === 0) return "&#10003; No violation was found.";
  return `&#10007; ${violations} violation${violations === 1 ? "" : "s"} found.`;
}

function picture(timeline: Timeline): string {
  const { durationMs, faults, violations, longestOutage } = timeline;
  const rowOf = rowsOf(faults);
  const rows = [...new Set(faults.map(rowOf))].sort();
  const names = [...new Set(faults.map(({ name }) => name))].sort();
  const x = (ms: number) => LEFT + (durationMs === 0 ? 0 : ms / durationMs) * (WIDTH - LEFT - RIGHT);
  const faultsTop = 34;
  const rateTop = faultsTop + Math.max(1, rows.length) * ROW_HEIGHT + GAP;
  const latencyTop = rateTop + CHART_HEIGHT + GAP;
  const bottom = latencyTop + CHART_HEIGHT;
  const parts: string[] = [];
  if (longestOutage !== null && longestOutage.endMs > longestOutage.startMs) {
    const [from, to] = [x(longestOutage.startMs), x(longestOutage.endMs)];
    const label = `longest outage: ${seconds(longestOutage.endMs - longestOutage.startMs)} s`;
    parts.push(
      `<g class="outage"><title>${label}</title>${rect(from, faultsTop - 8, Math.max(1, to - from), bottom - faultsTop + 8)}</g>`,
      text(
        clamp((from + to) / 2, LEFT + 70, WIDTH - RIGHT - 70),
        faultsTop - 14,
        label,
        "outage-label middle",
      ),
    );
  }
  parts.push(...axis(durationMs, x, faultsTop - 8, bottom));
  if (rows.length === 0) parts.push(text(LEFT - 10, faultsTop + 15, "no faults", "label end"));
  for (const [at, row] of rows.entries()) {
    const top = faultsTop + at * ROW_HEIGHT;
    parts.push(text(LEFT - 10, top + 15, shortened(row), "label end"));
    for (const fault of faults.filter((other) => rowOf(other) === row)) {
      const colour = FAULT_COLOURS[names.indexOf(fault.name) % FAULT_COLOURS.length];
      const from = x(fault.startMs);
      const width = Math.max(BAR_WIDTH_MIN, x(fault.endMs) - from);
      const span = `${seconds(fault.startMs)} s to ${fault.isOpen ? "the end" : `${seconds(fault.endMs)} s`}`;
      parts.push(
        `<g class="fault" fill="${colour}"><title>${escapeHtml(`${rowName(fault.name, fault.target)}: ${span}`)}</title>${rect(from, top + 3, width, ROW_HEIGHT - 6)}</g>`,
      );
    }
  }
  parts.push(...charts(timeline, x, rateTop, latencyTop));
  for (const { atMs, text: found } of violations) {
    const at = x(atMs);
    parts.push(
      `<g class="violation"><title>${escapeHtml(`violation at ${seconds(atMs)} s: ${found}`)}</title>` +
        `<line x1="${round(at)}" x2="${round(at)}" y1="${faultsTop - 8}" y2="${bottom}"/>` +
        `<path d="M${round(at - 6)} ${faultsTop - 18}h12l-6 10z"/></g>`,
    );
  }
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + 34}" role="img" aria-label="Timeline of ${faults.length} faults and ${timeline.totals.ok} answered operations">\n${parts.join("\n")}\n</svg>`;
}

function charts(
  { seconds: all, durationMs }: Timeline,
  x: (ms: number) => number,
  rateTop: number,
  latencyTop: number,
): string[] {
  const rateMax = Math.max(1, ...all.map(({ ok, failed, unknown }) => ok + failed + unknown));
  const latencyMax = Math.max(1, ...all.map(({ latencyMsMax }) => latencyMsMax ?? 0));
  const bar = (at: number, from: number, value: number, most: number, top: number, kind: string) => {
    if (value === 0) return "";
    const left = x(at * 1_000);
    const width = Math.max(1, x(Math.min(durationMs, (at + 1) * 1_000)) - left - 0.5);
    const height = (value / most) * CHART_HEIGHT;
    return rect(left, top + CHART_HEIGHT - (from / most) * CHART_HEIGHT - height, width, height, kind);
  };
  const rate = all
    .map(
      ({ ok, failed, unknown }, at) =>
        bar(at, 0, ok, rateMax, rateTop, "ok") +
        bar(at, ok, failed, rateMax, rateTop, "failed") +
        bar(at, ok + failed, unknown, rateMax, rateTop, "unknown"),
    )
    .join("");
  const latency = all
    .map(({ latencyMsMax }, at) => bar(at, 0, latencyMsMax ?? 0, latencyMax, latencyTop, "latency"))
    .join("");
  return [
    ...chartFrame(rateTop, "operations", "a second", `${rateMax}`),
    `<g class="rate">${rate}</g>`,
    legend(rateTop - 10),
    ...chartFrame(latencyTop, "longest answer", "of each second", `${Math.round(latencyMax)} ms`),
    `<g class="latencies">${latency}</g>`,
  ];
}

function chartFrame(top: number, title: string, unit: string, most: string): string[] {
  const line = (y: number) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`;
  return [
    line(top),
    line(top + CHART_HEIGHT),
    text(LEFT - 10, top + 5, most, "tick end"),
    text(LEFT - 10, top + CHART_HEIGHT / 2, title, "label end"),
    text(LEFT - 10, top + CHART_HEIGHT / 2 + 15, unit, "tick end"),
    text(LEFT - 10, top + CHART_HEIGHT, "0", "tick end"),
  ];
}

function legend(y: number): string {
  return ["ok", "failed", "unknown"]
    .map((kind, at) => {
      const left = LEFT + at * 90;
      return rect(left, y - 9, 10, 10, kind) + text(left + 15, y, kind, "tick");
    })
    .join("");
}

function axis(durationMs: number, x: (ms: number) => number, top: number, bottom: number): string[] {
  const stepMs = tickStepMs(durationMs);
  const parts: string[] = [];
  for (let ms = 0; ms <= durationMs; ms += stepMs) {
    const at = round(x(ms));
    parts.push(
      `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>`,
      text(
        x(ms),
        bottom + 18,
        ms >= 120_000 ? `${round(ms / 60_000)} min` : `${ms / 1_000} s`,
        "tick middle",
      ),
    );
  }
  return parts;
}

function tickStepMs(durationMs: number): number {
  const steps = [100, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000];
  return steps.find((step) => durationMs / step <= TICKS_MAX) ?? Math.ceil(durationMs / TICKS_MAX);
}

function violationList({ violations }: Timeline): string {
  if (violations.length === 0) return "";
  const items = violations.map(
    ({ atMs, text: found }) => `<li><strong>${seconds(atMs)} s</strong><pre>${escapeHtml(found)}</pre></li>`,
  );
  return `<h2>Violations</h2>\n<ol>${items.join("\n")}</ol>`;
}

function faultTable({ faults }: Timeline): string {
  const rows = faults.map(({ name, target, startMs, endMs, isOpen }) => {
    const cells = [name, target, `${seconds(startMs)} s`, isOpen ? "the end" : `${seconds(endMs)} s`];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`;
  });
  const head = "<tr><th>fault</th><th>target</th><th>from</th><th>to</th></tr>";
  return `<details><summary>${faults.length} faults as a table</summary><table>${head}\n${rows.join("\n")}</table></details>`;
}

/** A row for each fault and target; where that would be too many to look at, one for each fault. */
function rowsOf(faults: Timeline["faults"]): (fault: Timeline["faults"][number]) => string {
  const targets = new Set(faults.map(({ name, target }) => rowName(name, target)));
  return targets.size > ROWS_MAX ? ({ name }) => name : ({ name, target }) => rowName(name, target);
}

function rowName(name: string, target: string): string {
  return `${name} ${target}`;
}

function shortened(label: string): string {
  return label.length > 24 ? `${label.slice(0, 23)}…` : label;
}

function rect(x: number, y: number, width: number, height: number, kind?: string): string {
  const named = kind === undefined ? "" : ` class="${kind}"`;
  return `<rect${named} x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}"/>`;
}

function text(x: number, y: number, content: string, kind: string): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}">${escapeHtml(content)}</text>`;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --page: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --line: #30363d; --page: #0d1117; --card: #161b22; }
}
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 24px; }
h1 { font-size: 22px; margin: 0 0 8px; }
h2 { font-size: 17px; }
.verdict { font-weight: 600; margin: 0 0 16px; }
.verdict.bad { border-left: 4px solid #d55e00; padding-left: 10px; }
.verdict.good { border-left: 4px solid #009e73; padding-left: 10px; }
dl { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 16px; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; }
dt { color: var(--soft); font-size: 12px; }
dd { margin: 0; font-size: 18px; font-variant-numeric: tabular-nums; }
figure { margin: 0; overflow-x: auto; }
figcaption { color: var(--soft); font-size: 13px; }
svg { width: 100%; min-width: 720px; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .fault rect { rx: 2px; opacity: 0.9; }
svg .ok { fill: #0072b2; }
svg .failed { fill: #e69f00; }
svg .unknown { fill: #d55e00; }
svg .latency { fill: #009e73; }
svg .outage rect { fill: #e69f00; opacity: 0.18; }
svg .outage-label { font-weight: 600; }
svg .violation line { stroke: #d55e00; stroke-width: 2; stroke-dasharray: 5 3; }
svg .violation path { fill: #d55e00; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto; }
table { border-collapse: collapse; margin-top: 8px; }
th, td { text-align: left; padding: 3px 14px 3px 0; border-bottom: 1px solid var(--line); }
summary { cursor: pointer; margin-top: 16px; }
`;
