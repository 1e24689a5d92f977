// Runs jest in a process of its own, and learns from a file what it counted.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Runs jest, its output to this terminal ("inherit") or to a file.
 *
 * @param untilMs when it is ended with all its workers, by the clock of Date.now(); never by default
 */
export async function runJest(args, variables, output, untilMs = Number.POSITIVE_INFINITY) {
  const directory = mkdtempSync(join(tmpdir(), "quorate-run-"));
  const summaryPath = join(directory, "summary.json");
  const program = join(root, "node_modules/jest/bin/jest.js");
  const environment = { ...process.env, ...variables, QUORATE_TEST_SUMMARY: summaryPath };
  const run = await runProgram([program, ...args], environment, output, untilMs);
  // Jest writes no summary when it cannot even begin, or was ended: that is one failure.
  const summary = existsSync(summaryPath)
    ? JSON.parse(readFileSync(summaryPath, "utf8"))
    : { passed: 0, failed: run.exitCode === 0 ? 0 : 1, skipped: 0 };
  rmSync(directory, { recursive: true });
  return { summary, ...run };
}

/** Runs a program of Node; one that has a time to end by gets a process group of its own, to be ended with its workers. */
export async function runProgram(argv, environment, output, untilMs) {
  const hasOwnGroup = untilMs !== Number.POSITIVE_INFINITY;
  const sink = output === "inherit" ? "inherit" : openSync(output, "w");
  const child = spawn(process.execPath, argv, {
    cwd: root,
    stdio: ["ignore", sink, sink],
    env: environment,
    detached: hasOwnGroup,
  });
  // The terminal sends Ctrl-C to its own group only. This process stays, to report how the child ended.
  let isInterrupted = false;
  const onSignal = (signal) => {
    isInterrupted = true;
    if (hasOwnGroup) signalGroup(child, signal);
  };
  const signals = hasOwnGroup ? ["SIGINT", "SIGTERM", "SIGHUP"] : ["SIGINT"];
  for (const signal of signals) process.on(signal, onSignal);
  let isLate = false;
  const end = () => {
    isLate = true;
    signalGroup(child, "SIGKILL");
  };
  const timer = hasOwnGroup ? setTimeout(end, Math.max(0, untilMs - Date.now())) : undefined;
  const exitCode = await new Promise((done) => child.on("close", (code) => done(code ?? 1)));
  clearTimeout(timer);
  for (const signal of signals) process.off(signal, onSignal);
  if (typeof sink === "number") closeSync(sink);
  return { exitCode, isLate, isInterrupted };
}

export function summaryLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // It has ended meanwhile.
    if (error.code !== "ESRCH") throw error;
  }
}
