import { escapeHtml } from "../judge/timeline-html";
import { type Cell, cellName, cpuMicrosOf } from "./cells";
import type { CpuCost, Ratio } from "./comparison";
import { OPPONENT_TITLES, type OpponentName } from "./contender";
import type { Goal, Mark } from "./goals";
import { PAGE_STYLE } from "./page-style";
import { type Bar, barChart, legend, lineChart } from "./plots";
import {
  baselineText,
  byOpponent,
  cellsText,
  cpuByRole,
  footprintText,
  isNoisy,
  MARKS,
  machineText,
  type Report,
  ROLES,
  type Role,
  troublesOf,
} from "./report";
import { spreadOf } from "./statistics";
import type { Route } from "./workload";

/** Of the set of Okabe and Ito; lines differ by their dashes too. */
const WAYS = {
  leader: { colour: "#0072b2", dashes: "" },
  gateway: { colour: "#009e73", dashes: "6 3" },
  unary: { colour: "#cc79a7", dashes: "2 3" },
  follower: { colour: "#56b4e9", dashes: "8 3 2 3" },
  "unary-gateway": { colour: "#8a6d3b", dashes: "4 2" },
  "unary-follower": { colour: "#e69f00", dashes: "1 2" },
} as const satisfies Record<Route, { readonly colour: string; readonly dashes: string }>;

const OPPONENT_STYLES = {
  etcd: { colour: "#d55e00", dashes: "10 4" },
  "etcd-go": { colour: "#7f7f7f", dashes: "10 4 2 4" },
  "few-keys": { colour: "#d55e00", dashes: "1 4" },
} as const satisfies Record<OpponentName, { readonly colour: string; readonly dashes: string }>;

const ROLE_COLOURS = {
  leader: "#0072b2",
  followers: "#56b4e9",
  gateway: "#009e73",
  load: "#e69f00",
} as const satisfies Record<Role, string>;

const MARK_COLOURS = {
  stretch: "#009e73",
  reached: "#0072b2",
  missed: "#d55e00",
  undecided: "#8c8c8c",
} as const satisfies Record<Mark, string>;

const PERCENTILES = ["p50", "p95", "p99", "p99.9"] as const;

/** One page that needs nothing else: what was measured, as plots and as the tables that are printed. */
export function benchHtml(report: Report): string {
  const { machine, cells, ratios, cpuCosts, footprint, baseline, command } = report;
  const troubles = [
    ...(isNoisy(machine)
      ? ["Others were at work on the machine when the run began: ratios may hold, figures do not."]
      : []),
    ...troublesOf(cells),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bench: ${escapeHtml(machine.commit)}</title>
<style>${PAGE_STYLE}
svg .range { stroke: var(--ink); stroke-width: 1.5; }
svg .mark { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 3 2; }
</style>
</head>
<body>
<main>
<h1>Bench of ${escapeHtml(machine.commit)}</h1>
<p><code>${escapeHtml(command)}</code></p>
<pre>${escapeHtml(machineText(machine))}</pre>
${troubles.map((trouble) => `<p class="verdict bad">${escapeHtml(trouble)}</p>`).join("\n")}
${[...byOpponent(ratios)].map(([against, own]) => ratioSection(own, against)).join("\n")}
${cpuCosts.length === 0 ? "" : costSection(cpuCosts)}
${cells.length === 0 ? "" : cellSections(cells)}
${footprint === null ? "" : `<h2>Footprint</h2><pre>${escapeHtml(footprintText(footprint))}</pre>`}
${baseline === null ? "" : `<h2>Base line</h2><pre>${escapeHtml(baselineText(baseline))}</pre>`}
</main>
</body>
</html>
`;
}

function ratioSection(ratios: readonly Ratio[], against: OpponentName): string {
  const other = OPPONENT_TITLES[against];
  const bars = ratios.map(({ name, median, lowerQuartile, goal, mark }): Bar => {
    const colour = mark === null ? WAYS.leader.colour : MARK_COLOURS[mark];
    return {
      label: name,
      parts: [{ value: median, colour, title: `${median.toFixed(2)} times` }],
      range: { min: lowerQuartile, max: median },
      marks: goalMarks(goal, "times"),
      text: `${median.toFixed(2)} (quartile ${lowerQuartile.toFixed(2)})${mark === null ? "" : `, ${MARKS[mark]}`}`,
    };
  });
  return `<h2>Against ${escapeHtml(other)}</h2>
${barChart(`Throughput as a multiple of that of ${other}; dashed: to reach, and stretch; thin line: down to the lower quartile`, bars)}
${markLegend()}`;
}

function costSection(costs: readonly CpuCost[]): string {
  const bars = costs.map(({ name, cpuMicros, goal, mark }): Bar => {
    const text = `${cpuMicros.toFixed(0)} us, ${MARKS[mark]}`;
    return {
      label: name,
      parts: [{ value: cpuMicros, colour: MARK_COLOURS[mark], title: text }],
      marks: goalMarks(goal, "us"),
      text,
    };
  });
  return `<h2>What an operation costs</h2>
${barChart("CPU of servers and client together, microseconds; dashed: at most, and stretch", bars)}
${markLegend()}`;
}

function cellSections(cells: readonly Cell[]): string {
  const operations = [...new Set(cells.map(({ workload }) => workload.operation))];
  const panels = operations.map((operation) => {
    const own = cells.filter(({ workload }) => workload.operation === operation);
    return `<h2>${escapeHtml(operation)}</h2>
${barChart("Operations a second: median, and the range of the rounds", own.map(throughputBar))}
${lineChart("Latency of the median round, from when an operation was due", PERCENTILES, own.map(latencyLine), "ms")}
${barChart("CPU by process, microseconds an operation", own.map(cpuBar))}
${legend(ROLES.map((name) => ({ name, colour: ROLE_COLOURS[name] })))}`;
  });
  return `${panels.join("\n")}
<h2>All cells</h2>
<pre>${escapeHtml(cellsText(cells))}</pre>`;
}

function throughputBar(cell: Cell): Bar {
  const { median, min, max } = spreadOf(cell.rounds.map(({ operationsPerSecond }) => operationsPerSecond));
  const text = `${Math.round(median).toLocaleString("en")}/s`;
  return {
    label: cellName(cell),
    parts: [{ value: median, colour: styleOf(cell).colour, title: text }],
    range: { min, max },
    text,
  };
}

function latencyLine(cell: Cell) {
  const median = (figure: "p50Ms" | "p95Ms" | "p99Ms" | "p999Ms") =>
    spreadOf(cell.rounds.map((round) => round[figure])).median;
  return {
    name: cellName(cell),
    ...styleOf(cell),
    values: [median("p50Ms"), median("p95Ms"), median("p99Ms"), median("p999Ms")],
  };
}

function cpuBar(cell: Cell): Bar {
  const roles = cell.rounds.map(cpuByRole);
  return {
    label: cellName(cell),
    parts: ROLES.map((role) => {
      const { median } = spreadOf(roles.map((byRole) => byRole[role]));
      return { value: median, colour: ROLE_COLOURS[role], title: `${role}: ${median.toFixed(0)} us` };
    }),
    text: `${cpuMicrosOf(cell).toFixed(0)} us`,
  };
}

function styleOf({ store, workload }: Cell): { readonly colour: string; readonly dashes: string } {
  return store === "quorate" ? WAYS[workload.route] : OPPONENT_STYLES[store];
}

function goalMarks(goal: Goal | null, unit: string) {
  if (goal === null) return [];
  const reach = { at: goal.reach, title: `to reach: ${goal.reach} ${unit}` };
  return goal.stretch === null
    ? [reach]
    : [reach, { at: goal.stretch, title: `stretch: ${goal.stretch} ${unit}` }];
}

function markLegend(): string {
  const marks = Object.keys(MARKS) as Mark[];
  return legend(marks.map((mark) => ({ name: MARKS[mark].toLowerCase(), colour: MARK_COLOURS[mark] })));
}
