import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import type { TraceEvent } from "@quorate/services/raft";
import { TraceModel } from "#support";
import { runCommandLine } from "./command-line";

/**
 * What the model does not know (see services/raft/trace.ts): pre-vote, check-quorum, another disk in mid-run, and members
 * and snapshots that come and go.
 */
const BEYOND_THE_MODEL = /prevote=true|checkquorum=true|set-log|propose-conf-change|compact|send-snapshot/;

const scripts = readdirSync(__dirname).filter(
  (name) => name.endsWith(".txt") && !BEYOND_THE_MODEL.test(readFileSync(join(__dirname, name), "utf8")),
);

test("most scripts are within the model", () => {
  expect(scripts.length).toBeGreaterThanOrEqual(30);
});

test.each(scripts)("every line that --trace prints is a step of the model: %s", (name) => {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  expect(runCommandLine([join(__dirname, name), "--trace"], { print, complain: print })).toBe(0);
  expect(lines.length).toBeGreaterThan(0);
  const model = new TraceModel();
  for (const line of lines) model.read((JSON.parse(line) as { readonly event: TraceEvent }).event);
});
