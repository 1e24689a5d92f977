import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { Child } from "../../support/child";
import { eventually } from "../../support/eventually";
import { Workplace } from "../../support/workplace";

const FOREVER = ["-e", "setInterval(() => undefined, 1000)"];

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("a workplace", () => {
  test("M6: is gone with its files once it is removed", async () => {
    const workplace = new Workplace();
    writeFileSync(workplace.at("file"), "content");
    await workplace.remove();
    expect(existsSync(workplace.path)).toBe(false);
  });

  test("M6: kills its processes and removes its files when the test run that made it is killed", async () => {
    const workplace = new Workplace();
    const child = new Child(workplace, "sleeper", FOREVER);
    // What the guard sees of the end of this process is the end of the pipe between them.
    await workplace.remove();
    expect(await child.ended).toEqual({ code: null, signal: "SIGKILL" });
    expect(existsSync(workplace.path)).toBe(false);
  });

  test("leaves alone a process that has left it", async () => {
    const workplace = new Workplace();
    const sleeper: ChildProcess = spawn(process.execPath, FOREVER, { stdio: "ignore" });
    const pid = sleeper.pid as number;
    workplace.enter(pid);
    workplace.leave(pid);
    await workplace.remove();
    expect(isAlive(pid)).toBe(true);
    sleeper.kill("SIGKILL");
    await eventually("the sleeper is gone", () => !isAlive(pid));
  });
});

describe("a child process", () => {
  test("keeps the output of all its lives and says how it ended", async () => {
    const workplace = new Workplace();
    for (const word of ["first", "second"]) {
      const child = new Child(workplace, "speaker", ["-e", `console.error("${word}"); process.exit(3)`]);
      expect(await child.ended).toEqual({ code: 3, signal: null });
      expect(child.log()).toContain(word);
      expect(child.isRunning).toBe(false);
    }
    const again = new Child(workplace, "speaker", FOREVER);
    expect(again.log()).toBe("first\nsecond\n");
    again.signal("SIGKILL");
    expect(await again.ended).toEqual({ code: null, signal: "SIGKILL" });
    await workplace.remove();
  });
});
