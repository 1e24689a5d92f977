import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";

const root = resolve(__dirname, "../../..");

function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [relative(folder, path), readFileSync(path).toString("latin1")]),
  );
}

describe("the generated code", () => {
  it("is what buf generate writes", () => {
    const out = mkdtempSync(join(tmpdir(), "quorate-gen-"));
    try {
      execFileSync(process.execPath, [join(root, "scripts/generate-proto.mjs"), out], { cwd: root });
      const fresh = contents(out);
      const committed = contents(join(root, "proto/gen"));
      expect(Object.keys(committed)).toEqual(Object.keys(fresh));
      const stale = Object.keys(fresh).filter((path) => fresh[path] !== committed[path]);
      expect(stale).toEqual([]);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  it("comes from a contract that buf lint and buf format accept", () => {
    const buf = join(root, "node_modules/.bin/buf");
    expect(execFileSync(buf, ["lint"], { cwd: root }).toString()).toBe("");
    expect(execFileSync(buf, ["format", "--diff", "--exit-code"], { cwd: root }).toString()).toBe("");
  });
});
