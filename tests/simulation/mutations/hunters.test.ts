import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { eventually } from "../../support/eventually";
import type { Hunt } from "./hunt";
import { runTasks, type Task } from "./hunters";

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "quorate-hunters-"));
  mkdirSync(join(tree, "tests/simulation/mutations"), { recursive: true });
});

afterEach(() => rmSync(tree, { recursive: true }));

function task(name: string): Task {
  const hunt: Hunt = { tree: name, profile: "calm", operations: 0, seeds: [] };
  return { name, hunt, onEnded: () => undefined };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH: it is gone.
  }
}

it("ends all processes when one of them dies, and says whose hunt it was", async () => {
  const pidFile = join(tree, "pid");
  // One hunts for ever; the other dies as soon as that one has begun.
  writeFileSync(
    join(tree, "tests/simulation/mutations/hunter-process.js"),
    `const { existsSync, readFileSync, writeFileSync } = require("node:fs");
    const hasBegun = () => existsSync(${JSON.stringify(pidFile)}) && readFileSync(${JSON.stringify(pidFile)}).length > 0;
    process.on("message", ({ tree }) => {
      if (tree === "endless") writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
      setInterval(() => {
        if (tree === "deadly" && hasBegun()) process.exit(3);
      }, 5);
    });`,
  );
  await expect(runTasks(tree, 2, [task("endless"), task("deadly")])).rejects.toThrow(
    "deadly: the process that hunted ended with 3",
  );
  const pid = Number(readFileSync(pidFile, "utf8"));
  await eventually("the other process is gone", () => !isAlive(pid));
});
