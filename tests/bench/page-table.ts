import { readFileSync, writeFileSync } from "node:fs";
import type { Cell } from "./cells";
import { cellName } from "./cells";
import { RATIO_GOALS } from "./goals";
import type { Machine } from "./machine";
import { BadOption } from "./options";
import type { Report } from "./report";
import { spreadOf } from "./statistics";

/** Between these the performance page has what a run measured. */
const BEGIN = "<!-- what follows is written by: npm run bench -- page REPORT.json -->";
const END = "<!-- as far as here -->";

const PAGE = "docs/performance.md";

/** More than this on average at the beginning: the figures are those of a machine that did something else. */
const LOAD_NOISY = 0.7;

type Measured = Pick<Report, "cells" | "ratios" | "machine" | "command">;

/** Writes the table of a report, as `--json` wrote it, into the performance page. @throws BadOption */
export function pageWork(args: readonly string[]): (() => void) | null {
  if (args[0] !== "page") return null;
  const [, report, page = PAGE] = args;
  if (report === undefined) throw new BadOption("page: the file that --json wrote is missing");
  return () => {
    const measured = JSON.parse(readFileSync(report, "utf8")) as Measured;
    writeFileSync(page, withTable(readFileSync(page, "utf8"), measured));
  };
}

/** The page with this report's table in place of the one that it has. @throws Error where it has no place for one */
export function withTable(page: string, measured: Measured): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page has no "${BEGIN}" with an end after it`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${tableOf(measured)}\n\n${page.slice(end)}`;
}

/** How the column of a store that ran beside is headed. */
const HEADS = { etcd: "npm etcd3", "etcd-go": "etcd's Go client" } as const;

/** A table for each client of etcd that ran beside, and where they were measured. */
function tableOf(measured: Measured): string {
  const { ratios, machine, command } = measured;
  const withGo = ratios.some(({ against }) => against === "etcd-go");
  const tables = [
    rowsTo(measured, "etcd"),
    ...(withGo
      ? [
          "The same members of etcd in the same rounds, called through etcd's own Go client:",
          rowsTo(measured, "etcd-go"),
        ]
      : []),
  ];
  return [...tables, provenanceOf(machine, command)].join("\n\n");
}

/** A line for each cell that there is a goal for, in the order of the goals. */
function rowsTo({ cells, ratios }: Measured, against: keyof typeof HEADS): string {
  const rows = [...RATIO_GOALS[against]].map(([name, goal]) => {
    const ratio = ratios.find((known) => known.against === against && known.name === name);
    if (ratio?.mark == null) throw new BadOption(`page: the report has no ratio to ${against} for ${name}`);
    // Plain calls, and those through the gateway, are held against the same calls of the other's client.
    const other = `${against} ${name.replace(/@\w+/, "")}`;
    return [
      `\`${name}\``,
      thousands(throughputOf(cells, name)),
      thousands(throughputOf(cells, other)),
      `${ratio.median.toFixed(2)} (${ratio.lowerQuartile.toFixed(2)})`,
      String(goal.reach),
      ratio.mark,
    ];
  });
  const head = [
    ...["cell", "Quorate, calls/s", `${HEADS[against]}, calls/s`],
    ...["times (lower quartile)", "goal", ""],
  ];
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function provenanceOf(machine: Machine, command: string): string {
  const load = machine.loadBefore.toFixed(1);
  const noise =
    machine.loadBefore > LOAD_NOISY
      ? ` Others were at work: the load was ${load} when it began, so these figures are those of a machine that does something else as well.`
      : "";
  return `Measured by \`${withoutFiles(command)}\` on ${machine.cores} cores of ${machine.cpu}, ${machine.disk}, Node ${machine.node}, commit ${machine.commit}.${noise}`;
}

/** Where the reader's files go is for the reader to say. */
function withoutFiles(command: string): string {
  return command.replaceAll(/ --(json|html|save-baseline|baseline) \S+/g, "");
}

function throughputOf(cells: readonly Cell[], name: string): number {
  const cell = cells.find((known) => cellName(known) === name);
  if (cell === undefined) throw new BadOption(`page: the report has no ${name}`);
  return spreadOf(cell.rounds.map(({ operationsPerSecond }) => operationsPerSecond)).median;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}
