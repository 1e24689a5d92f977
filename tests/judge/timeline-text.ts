import type { Timeline, TimelineSecond } from "./timeline";

const BARS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const COLUMNS_MAX = 100;

/** The timeline for a terminal: totals, a strip of throughput, the faults in order, what the judge found. */
export function timelineText(timeline: Timeline): string {
  const { title, durationMs, totals, faults, longestOutage, violations } = timeline;
  const counts = `${totals.ok} ok, ${totals.failed} failed, ${totals.unknown} unknown`;
  const lines = [title, `${seconds(durationMs)} s: ${counts}`];
  if (longestOutage !== null) {
    const { startMs, endMs } = longestOutage;
    const length = seconds(endMs - startMs);
    lines.push(
      `longest time without an answer: ${length} s, from ${seconds(startMs)} s to ${seconds(endMs)} s`,
    );
  }
  lines.push("", ...throughputLines(timeline.seconds), "", "faults:");
  if (faults.length === 0) lines.push("  none");
  for (const { name, target, startMs, endMs, isOpen } of faults) {
    const end = isOpen ? "the end" : `${seconds(endMs)} s`;
    const span = startMs === endMs ? `at ${seconds(startMs)} s` : `${seconds(startMs)} s to ${end}`;
    lines.push(`  ${span.padEnd(24)} ${name} ${target}`);
  }
  lines.push("", violations.length === 0 ? "no violation" : "violations:");
  for (const { atMs, text } of violations) {
    lines.push(`  at ${seconds(atMs)} s: ${text.replaceAll("\n", "\n    ")}`);
  }
  return `${lines.join("\n")}\n`;
}

function throughputLines(all: readonly TimelineSecond[]): string[] {
  const width = Math.ceil(all.length / COLUMNS_MAX);
  const columns: number[] = [];
  for (let at = 0; at < all.length; at += width) {
    const slice = all.slice(at, at + width);
    columns.push(slice.reduce((sum, { ok }) => sum + ok, 0) / slice.length);
  }
  const most = Math.max(0, ...columns);
  const strip = columns.map((rate) => barOf(rate, most)).join("");
  const unit = width === 1 ? "a second" : `${width} seconds`;
  return [`operations a second, at most ${Math.round(most)}; one column is ${unit}:`, `|${strip}|`];
}

function barOf(rate: number, most: number): string {
  // Little is not nothing.
  return BARS[rate === 0 ? 0 : Math.max(1, Math.round((rate / most) * (BARS.length - 1)))] ?? " ";
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
