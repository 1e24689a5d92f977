import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { formatHistory } from "./history-file";
import { simulatedHistory } from "./simulated-history";
import { Sketch } from "./sketch";

const program = resolve(__dirname, "../dist/judge/main.js");
const client = new Sketch("c");
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-judge-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function judge(content: string, ...flags: readonly string[]) {
  const path = join(directory, "history.jsonl");
  writeFileSync(path, content);
  return spawnSync(process.execPath, [program, path, ...flags], { encoding: "utf8" });
}

describe("npm run judge", () => {
  it("K5: ends with 0 for a linearizable history", () => {
    const { status, stdout } = judge(formatHistory([client.put([0, 1], "x"), client.get([2, 3], "x")]));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^linearizable: 2 operations on 1 key$/m);
  });

  it("K5: ends with 1 for a violation, in JSON too", () => {
    const { status, stdout } = judge(formatHistory([client.get([0, 1], "x")]), "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: { kind: "violation", key: "k" } });
  });

  it("K5: ends with 3 for what stays undecided", () => {
    const options = { operations: ["get", "incr"], count: 400, clients: 12, keys: 1 } as const;
    const hard = simulatedHistory({ seed: 3, ...options, hasRevisions: false });
    const { status, stdout } = judge(formatHistory(hard), "--states-max", "0");
    expect(status).toBe(3);
    expect(stdout).toContain("no order was found within");
  });

  it.each([
    ["no history", "{}\n", [], 'line 1: field "client": is missing'],
    ["an option that is not there", "", ["--nonsense"], "--nonsense"],
  ])("ends with 2 and one line for %s", (_, content, flags, message) => {
    const { status, stderr, stdout } = judge(content, ...flags);
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
