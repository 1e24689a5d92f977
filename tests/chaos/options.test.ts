import { describe, expect, it } from "@jest/globals";
import { FAULT_NAMES } from "./faults";
import { BadOption, type ChaosOptions, chaosOptions, commandOf } from "./options";

function parse(text: string): ChaosOptions {
  const options = chaosOptions(text.split(" ").filter(Boolean), () => 99);
  if (options === "help") throw new Error("no help was asked for");
  return options;
}

describe("the command line", () => {
  it("has defaults, among them a seed that is drawn", () => {
    expect(parse("")).toEqual({
      durationMs: 120_000,
      stepsMax: Number.MAX_SAFE_INTEGER,
      faults: FAULT_NAMES,
      nodes: 3,
      profile: "default",
      seed: 99,
      opsPerSecond: 200,
      out: "reports/chaos-99",
      json: false,
    });
  });

  it("takes groups and single faults, in whatever order they are named", () => {
    const { faults } = parse("--faults pause,kill-all,disk-full");
    expect(faults).toEqual(["kill-all", "pause-leader", "pause-follower", "pause-flicker", "disk-full"]);
    expect(parse("--faults disk-full,pause,kill-all,kill-all").faults).toEqual(faults);
  });

  it("is printed so that it runs the same plan again", () => {
    const options = parse(
      "--minutes 0.5 --steps 4 --faults kill --nodes 5 --profile fast --seed 0 --rate 50",
    );
    const command = commandOf(options);
    expect(command).toMatch(/^npm run chaos -- /);
    expect(parse(command.replace("npm run chaos -- ", ""))).toEqual(options);
  });

  it("shows its help", () => {
    expect(chaosOptions(["--help"], () => 1)).toBe("help");
  });

  it.each([
    ["--minutes 0", /--minutes must be a number above 0/],
    ["--minutes x", /--minutes/],
    ["--nodes 4", /--nodes must be 3 or 5/],
    ["--seed -1", /--seed/],
    ["--rate 0", /--rate must be a whole number of at least 1/],
    ["--steps 1.5", /--steps/],
    ["--profile wan", /--profile must be default or fast/],
    ["--faults kill,fire", /--faults: there is no "fire"/],
    ["--fault kill", /--fault/],
  ])("refuses %s", (text, message) => {
    expect(() => parse(text)).toThrow(BadOption);
    expect(() => parse(text)).toThrow(message);
  });
});
