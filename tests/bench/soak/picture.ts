import { escapeHtml } from "../../judge/timeline-html";
import { PAGE_STYLE } from "../page-style";
import { machineText } from "../report";
import { FIGURE_NAMES, FIGURES, type FigureName, type SoakSample, shown } from "./figures";
import { isWell, judgedSamples, outcomeOf, type SoakReport, VERDICTS } from "./report";

/** Colours of the set of Okabe and Ito; nodes differ by the dashes of their lines too. */
const LINES = [
  { colour: "#0072b2", dashes: "" },
  { colour: "#d55e00", dashes: "6 3" },
  { colour: "#009e73", dashes: "2 3" },
] as const;

const WIDTH = 1_100;
const HEIGHT = 150;
const LEFT = 150;
const RIGHT = 24;
const TOP = 16;
const BOTTOM = 30;

/** One page that needs nothing else: a chart for each figure, and the judgement of each node. */
export function soakHtml(report: SoakReport): string {
  const { options, operations, failed, machine } = report;
  const title = `Soak: ${options.minutes} minutes at ${options.rate} operations a second`;
  const facts: readonly (readonly [string, string])[] = [
    ["operations", operations.toLocaleString("en")],
    ["failed", failed.toLocaleString("en")],
    ["samples", String(report.samples.length)],
    ["keys", options.keys.toLocaleString("en")],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="verdict ${isWell(report) ? "good" : "bad"}">${isWell(report) ? "&#10003;" : "&#10007;"} ${outcomeOf(report)}</p>
<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`).join("")}</dl>
<p class="legend">${legend(report)}</p>
${FIGURE_NAMES.map((figure) => chart(figure, report)).join("\n")}
${table(report)}
<pre>${escapeHtml(machineText(machine))}</pre>
</main>
</body>
</html>
`;
}

function chart(figure: FigureName, report: SoakReport): string {
  const { samples, options } = report;
  const nodes = nodesOf(samples);
  const most = Math.max(
    Number.EPSILON,
    ...samples.flatMap((sample) => nodes.map((node) => finite(sample.nodes[node]?.[figure]))),
  );
  const endSeconds = samples.at(-1)?.atSeconds ?? 1;
  const x = (seconds: number) => round(LEFT + (seconds / endSeconds) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) => round(TOP + HEIGHT - (value / most) * HEIGHT);
  const judgedFrom = judgedSamples(samples, options)[0]?.atSeconds ?? 0;
  const lines = nodes.map((node, at) => {
    const points = samples.map(
      (sample) => `${x(sample.atSeconds)},${y(finite(sample.nodes[node]?.[figure]))}`,
    );
    const { colour, dashes } = lineOf(at);
    return `<polyline points="${points.join(" ")}" stroke="${colour}" stroke-dasharray="${dashes}"><title>${escapeHtml(node)}</title></polyline>`;
  });
  const { title } = FIGURES[figure];
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(share * most);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>${text(LEFT - 10, at + 4, shown(figure, share * most), "tick end")}`;
  });
  const ticks = ticksOf(endSeconds).map((seconds) =>
    text(x(seconds), TOP + HEIGHT + 18, timeText(seconds), "tick middle"),
  );
  return `<figure><figcaption>${title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${TOP + HEIGHT + BOTTOM}" role="img" aria-label="${title} of ${nodes.join(", ")} over ${timeText(endSeconds)}">
<rect class="warm-up" x="${LEFT}" y="${TOP}" width="${round(x(judgedFrom) - LEFT)}" height="${HEIGHT}"><title>warm-up, not judged</title></rect>
${grid.join("\n")}
${ticks.join("\n")}
${lines.join("\n")}
</svg></figure>`;
}

function legend({ samples }: SoakReport): string {
  const entries = nodesOf(samples).map((node, at) => {
    const { colour, dashes } = lineOf(at);
    return `<span><svg class="key" viewBox="0 0 30 8"><line x1="0" x2="30" y1="4" y2="4" stroke="${colour}" stroke-width="2" stroke-dasharray="${dashes}"/></svg> ${escapeHtml(node)}</span>`;
  });
  return `${entries.join(" ")} <span>Shaded: the warm-up, which is not judged.</span>`;
}

function table({ judgements }: SoakReport): string {
  const rows = judgements.map(({ figure, node, median, growth, z, verdict }) => {
    const cells = [
      FIGURES[figure].title,
      node,
      shown(figure, median),
      `${growth < 0 ? "" : "+"}${shown(figure, growth)}`,
      z.toFixed(1),
      VERDICTS[verdict],
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`;
  });
  const names = ["figure", "node", "median", "rise over the run", "z", "verdict"];
  const head = `<tr>${names.map((name) => `<th>${name}</th>`).join("")}</tr>`;
  return `<h2>Slopes</h2><table>${head}\n${rows.join("\n")}</table>`;
}

function nodesOf(samples: readonly SoakSample[]): readonly string[] {
  return Object.keys(samples[0]?.nodes ?? {});
}

function lineOf(at: number): (typeof LINES)[number] {
  return LINES[at % LINES.length] as (typeof LINES)[number];
}

/** Where nothing ended in a window there is no latency. */
function finite(value: number | undefined): number {
  return value === undefined || Number.isNaN(value) ? 0 : value;
}

function ticksOf(endSeconds: number): readonly number[] {
  const steps = [1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
  const step = steps.find((seconds) => endSeconds / seconds <= 10) ?? endSeconds / 10;
  return Array.from({ length: Math.floor(endSeconds / step) + 1 }, (_, at) => at * step);
}

function timeText(seconds: number): string {
  return seconds >= 120 ? `${round(seconds / 60)} min` : `${round(seconds)} s`;
}

function text(x: number, y: number, content: string, kind: string): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}">${escapeHtml(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
