import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { EXIT } from "@quorate/cli";
import { ServerError, Status } from "nice-grpc";
import { quorate } from "./captured-terminal";
import { type FakeAnswer, FakeNodes } from "./fake-nodes";

let nodes: FakeNodes;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-backup-"));
});

afterEach(() => {
  nodes.stop();
  rmSync(directory, { recursive: true });
});

async function start(backup: FakeAnswer): Promise<void> {
  nodes = await FakeNodes.start(1, { backup });
}

const parts = ["a whole ", "state"].map((text) => new TextEncoder().encode(text));

/** Breaks off behind the first part. */
function* half(): Generator<Uint8Array> {
  yield parts[0] as Uint8Array;
  throw new ServerError(Status.UNAVAILABLE, "shutting down");
}

describe("quorate backup save", () => {
  test("F6: writes a file, which appears when it is whole", async () => {
    await start(() => parts);
    const file = join(directory, "b");
    const { exitCode, out, err } = await quorate(["backup", "save", file, "--endpoints", nodes.endpoints]);
    expect([exitCode, out, err]).toEqual([EXIT.ok, "", `saved 13 B to ${file}\n`]);
    expect(readFileSync(file, "utf8")).toBe("a whole state");
    expect(readdirSync(directory)).toEqual(["b"]);
  });

  test("F6: asks for all that was acknowledged, unless it is told to take what the node has", async () => {
    await start(() => parts);
    const at = ["--endpoints", nodes.endpoints];
    await quorate(["backup", "save", join(directory, "whole"), ...at]);
    await quorate(["backup", "save", join(directory, "stale"), "--stale", ...at]);
    expect(nodes.requests("backup")).toEqual([{ stale: false }, { stale: true }]);
  });

  test("F6: leaves what was there when it breaks off", async () => {
    await start(half);
    const file = join(directory, "b");
    writeFileSync(file, "the one before");
    const { exitCode, err } = await quorate([
      ...["backup", "save", file, "--force", "--endpoints", nodes.endpoints],
    ]);
    expect([exitCode, err]).toEqual([EXIT.failed, expect.stringContaining("shutting down")]);
    expect(readFileSync(file, "utf8")).toBe("the one before");
    expect(readdirSync(directory)).toEqual(["b"]);
  });

  test("F6: overwrites a file only where that is forced", async () => {
    await start(() => parts);
    const file = join(directory, "b");
    writeFileSync(file, "the one before");
    const save = (...more: readonly string[]) =>
      quorate(["backup", "save", file, "--endpoints", nodes.endpoints, ...more]);
    const { exitCode, err } = await save();
    expect([exitCode, err]).toEqual([
      EXIT.usage,
      `${file} is there already: give another name, or --force to let the backup take its place\n`,
    ]);
    expect(readFileSync(file, "utf8")).toBe("the one before");
    expect(nodes.requests("backup")).toEqual([]);
    expect((await save("--force")).exitCode).toBe(EXIT.ok);
    expect(readFileSync(file, "utf8")).toBe("a whole state");
  });

  test("F6: takes the place of nothing but a file", async () => {
    await start(() => parts);
    const argv = ["backup", "save", directory, "--force", "--endpoints", nodes.endpoints];
    const { exitCode, err } = await quorate(argv);
    expect([exitCode, err]).toEqual([EXIT.usage, expect.stringContaining(`${directory} is no file`)]);
    expect(nodes.requests("backup")).toEqual([]);
  });

  test("F6: writes to standard output, and nothing besides", async () => {
    await start(() => parts);
    const run = await quorate(["backup", "save", "-", "--endpoints", nodes.endpoints, "--json"]);
    expect(run).toEqual({ exitCode: EXIT.ok, out: "a whole state", err: "" });
  });

  test("tells programs what it wrote", async () => {
    await start(() => parts);
    const file = join(directory, "b");
    const { out } = await quorate(["backup", "save", file, "--endpoints", nodes.endpoints, "--json"]);
    expect(JSON.parse(out)).toEqual({ file, bytes: 13 });
  });
});
