import { describe, expect, it } from "@jest/globals";
import { RATIO_GOALS } from "./goals";
import { BadOption, type BenchOptions, benchOptions } from "./options";
import { OPERATIONS, workloadName } from "./workload";

function options(line: string): BenchOptions {
  const read = benchOptions(line === "" ? [] : line.split(" "));
  if (read === "help") throw new Error("only help was asked for");
  return read;
}

function names(line: string): readonly string[] {
  return options(line).workloads.map(workloadName);
}

describe("options", () => {
  it("has the shape that the targets are stated for by default", () => {
    expect(options("")).toMatchObject({
      keys: 20_000,
      valueBytes: 256,
      footprint: false,
      footprintKeys: 100_000,
      rounds: 3,
      against: [],
      json: null,
      html: null,
      baseline: null,
      saveBaseline: null,
    });
    expect(names("")).toEqual(["put/1", "put/64", "put/256", "get/1", "get/64", "get/256"]);
  });

  it("measures for parts of a second, too", () => {
    expect(options("--seconds 0.5 --warm-up-seconds 0")).toMatchObject({ seconds: 0.5, warmUpSeconds: 0 });
  });

  it("waits until a loaded cluster has come to rest, unless told otherwise", () => {
    expect(options("").settleSeconds).toBe(120);
    expect(options("--settle-seconds 0").settleSeconds).toBe(0);
  });

  it.each([
    ["--cell cas --in-flight 64", ["cas/64"]],
    ["--cell put,get --rate 500,1000", ["put/500ps", "put/1000ps", "get/500ps", "get/1000ps"]],
    ["--cell put --in-flight 8 --via gateway", ["put@gateway/8"]],
    ["--cell put --in-flight 8 --unary", ["put@unary/8"]],
    ["--cell put --in-flight 8 --unary --via gateway", ["put@unary-gateway/8"]],
    ["--cell put,put@unary,get@gateway --in-flight 64", ["put/64", "put@unary/64", "get@gateway/64"]],
    ["--cell put,put --in-flight 1,1", ["put/1"]],
    [
      "--cell ycsb@unary --in-flight 2",
      ["a", "b", "c", "d", "e", "f"].map((letter) => `ycsb-${letter}@unary/2`),
    ],
    ["--cell footprint", []],
    ["--cell goals", [...RATIO_GOALS.etcd.keys()]],
    ["--cell goals --against few-keys --keys 1000000", ["put/64", "get/64"]],
    [
      "--cell goals --against etcd-go",
      [...RATIO_GOALS.etcd.keys()].filter((name) => name !== "put@unary/64"),
    ],
    ["--cell goals --against etcd-go,etcd", [...RATIO_GOALS["etcd-go"].keys(), "put@unary/64"]],
    ["--cell all --in-flight 1", OPERATIONS.map((operation) => `${operation}/1`)],
  ])("%s measures %j", (line, expected) => {
    expect(names(line)).toEqual(expected);
  });

  it("a footprint is measured where it is named, or all is", () => {
    expect(options("--cell put,footprint").footprint).toBe(true);
    expect(options("--cell all").footprint).toBe(true);
    expect(options("--cell goals").footprint).toBe(false);
  });

  it("takes as many rounds against another store as a verdict needs", () => {
    expect(options("--against etcd")).toMatchObject({ against: ["etcd"], rounds: 5 });
    expect(options("--against etcd --rounds 7").rounds).toBe(7);
    expect(options("--against etcd,etcd-go,etcd").against).toEqual(["etcd", "etcd-go"]);
  });

  it("names the files to write and to read", () => {
    expect(options("--json - --html a.html --save-baseline b.json --baseline c.json")).toMatchObject({
      json: "-",
      html: "a.html",
      saveBaseline: "b.json",
      baseline: "c.json",
    });
  });

  it.each([
    ["--cell puts", "--cell"],
    ["--cell put@proxy", "--cell"],
    ["--in-flight 0", "--in-flight"],
    ["--in-flight 1 --rate 10", "--rate"],
    ["--rate fast", "--rate"],
    ["--rounds two", "--rounds"],
    ["--seconds 0", "--seconds"],
    ["--seconds 1e1", "--seconds"],
    ["--warm-up-seconds soon", "--warm-up-seconds"],
    ["--settle-seconds never", "--settle-seconds"],
    ["--keys 1", "--keys"],
    ["--via proxy", "--via"],
    ["--against redis", "--against"],
    ["--against etcd,redis", "--against"],
    ["--sceonds 5", "--sceonds"],
    ["--json", "--json"],
  ])("refuses %s naming %s", (line, name) => {
    expect(() => options(line)).toThrow(BadOption);
    expect(() => options(line)).toThrow(name);
  });
});
