import { describe, expect, test } from "@jest/globals";
import { readFlags } from "@quorate/services/launcher";

describe("npm start --", () => {
  test("without flags nothing is set but the place of the data", () => {
    expect(readFlags([])).toEqual({ kind: "flags", flags: { dataDir: "./data" } });
  });

  test("all flags are taken", () => {
    const argv = [
      "--nodes",
      "5",
      "--base-port",
      "7500",
      "--data-dir",
      "x",
      "--profile",
      "fast",
      "--restore",
      "b",
    ];
    const flags = { nodes: 5, basePort: 7500, dataDir: "x", profile: "fast", restore: "b" };
    expect(readFlags(argv)).toEqual({ kind: "flags", flags });
  });

  test.each([
    [["--nodes", "0"], "--nodes"],
    [["--nodes", "20"], "--nodes"],
    [["--nodes", "three"], "--nodes"],
    [["--nodes"], "--nodes"],
    [["--base-port", "0"], "--base-port"],
    [["--base-port", "65476"], "--base-port"],
    [["--base-port", "74.5"], "--base-port"],
    [["--profile", "slow"], "--profile"],
    [["--wrong"], "--wrong"],
    [["surplus"], "argument"],
  ])("L8: %p is refused in one line that names it", (argv, name) => {
    const outcome = readFlags(argv);
    expect(outcome).toMatchObject({ kind: "wrong", line: expect.stringContaining(name) });
    expect((outcome as { line: string }).line).not.toContain("\n");
  });

  test("--help names each flag", () => {
    const outcome = readFlags(["--help"]);
    for (const flag of ["--nodes", "--base-port", "--data-dir", "--profile", "--restore"]) {
      expect(outcome).toMatchObject({ kind: "help", text: expect.stringContaining(flag) });
    }
  });
});
