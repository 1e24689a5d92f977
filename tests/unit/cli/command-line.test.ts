import { describe, expect, test } from "@jest/globals";
import { EXIT } from "@quorate/cli";
import { quorate } from "./captured-terminal";

const NOBODY = ["--endpoints", "127.0.0.1:1", "--deadline", "0.2"];

describe("wrong usage is one line that names it, exit code 2", () => {
  test.each<[readonly string[], string]>([
    [["bogus"], "bogus"],
    [["get"], "key"],
    [["get", "a", "b"], "argument"],
    [["get", "a", "--wrong"], "--wrong"],
    [["put", "a"], "--file"],
    [["put", "a", "b", "--file", "c"], "--file"],
    [["put", "a", "b", "--if-revision", "-1"], "--if-revision"],
    [["incr", "a", "x"], "by"],
    [["incr", "a", "9223372036854775808"], "64 bits"],
    [["scan", "--limit", "0"], "--limit"],
    [["scan", "a", "--start", "b"], "--start"],
    [["del", "--prefix", ""], "empty prefix"],
    [["get", "a", "--deadline", "soon"], "--deadline"],
    [["import", "x", "--format", "xml"], "--format"],
    [["export", "--state", "x"], "--state"],
    [["cluster", "start", "--nodes", "0"], "--nodes"],
    [["cluster", "start", "--base-port", "x"], "--base-port"],
    [["cluster", "explode"], "explode"],
  ])("%p", async (argv, name) => {
    const { exitCode, out, err } = await quorate([...argv, ...NOBODY.slice(0, 2)]);
    expect({ exitCode, out }).toEqual({ exitCode: EXIT.usage, out: "" });
    expect(err).toContain(name);
    expect(err.trimEnd()).not.toContain("\n");
  });
});

describe("help", () => {
  const COMMANDS = [
    "put",
    "get",
    "del",
    "exists",
    "scan",
    "count",
    "incr",
    "decr",
    "append",
    "prepend",
    "status",
    "import",
    "export",
    "cluster",
  ];

  test("lists each command and the exit codes", async () => {
    const { exitCode, out } = await quorate(["--help"]);
    expect(exitCode).toBe(EXIT.ok);
    for (const command of COMMANDS) expect(out).toContain(`\n  ${command} `);
    expect(out).toContain("Exit codes: 0 done, 1 a call failed, 2 wrong usage, 3 no such key.");
  });

  test.each(COMMANDS)("of %s has an example and the global options", async (command) => {
    const { exitCode, out } = await quorate([command, "--help"]);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/\nExamples?\n {2}quorate /);
    expect(out).toContain("--endpoints");
  });

  test("without a command is shown, with exit code 2", async () => {
    const { exitCode, out } = await quorate([]);
    expect([exitCode, out.startsWith("Usage: quorate")]).toEqual([EXIT.usage, true]);
  });
});

describe("a cluster that cannot be reached", () => {
  test("is one line with a way out, exit code 1", async () => {
    const { exitCode, err } = await quorate(["get", "a", ...NOBODY]);
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toMatch(/^UNAVAILABLE: cannot reach 127\.0\.0\.1:1: .*quorate cluster start\n$/);
  });

  test("is an object for programs", async () => {
    const { exitCode, err } = await quorate(["put", "a", "b", "--json", ...NOBODY]);
    expect(exitCode).toBe(EXIT.failed);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "UNAVAILABLE", outcome: "not_applied" } });
  });

  test("is looked for where the environment says", async () => {
    const { err } = await quorate(["get", "a", "--deadline", "0.2"], { QUORATE_ENDPOINTS: "127.0.0.1:2" });
    expect(err).toContain("127.0.0.1:2");
  });

  test("a cluster that was never started is named by its directory", async () => {
    const { exitCode, err } = await quorate(["cluster", "status", "--data-dir", "no/such/place"]);
    expect([exitCode, err]).toEqual([
      EXIT.failed,
      "there is no cluster in no/such/place: name another with --data-dir, or start one\n",
    ]);
  });
});
