import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";

/* Whoever reads logs by machine relies on fields: each that is written is documented. */

const root = resolve(__dirname, "../../..");
const ROOMS = ["backup", "forward", "gateway", "metrics", "node", "rpc", "tracing"];

function sources(): readonly { readonly file: string; readonly text: string }[] {
  return ROOMS.flatMap((room) =>
    readdirSync(join(root, "services", room))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => {
        const file = join(root, "services", room, name);
        return { file: relative(root, file), text: readFileSync(file, "utf8") };
      }),
  );
}

/** The names of the fields that lines of a log are given, where they stand in the call itself. */
function fieldsIn(text: string): readonly string[] {
  return [...text.matchAll(/\blog\.(?:debug|info|warn|error)\(\s*\{([^{}]*)\}/g)].flatMap(([, inner = ""]) =>
    inner
      .replaceAll(/\([^()]*\)/g, "")
      .replaceAll(/\[[^[\]]*\]/g, "")
      .split(",")
      .map((part) => /^\s*(\w+)/.exec(part)?.[1])
      .filter((name) => name !== undefined),
  );
}

describe("the fields of logs", () => {
  it("are documented, each", () => {
    const documented = new Set(
      [...readFileSync(join(root, "docs/operations/logs.md"), "utf8").matchAll(/^\| (`.*?`) \|/gm)].flatMap(
        ([, names = ""]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name),
      ),
    );
    const missing = sources().flatMap(({ file, text }) =>
      fieldsIn(text)
        .filter((name) => !documented.has(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("are not those that the logger writes itself, which a line would then have twice", () => {
    const own = ["level", "time", "msg", "node", "pid", "hostname"];
    const doubled = sources().flatMap(({ file, text }) =>
      fieldsIn(text)
        .filter((name) => own.includes(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(doubled).toEqual([]);
  });

  it("would be noticed", () => {
    const text =
      'log.info({ peer: id, address, reason: why([a, b], c) }, "x");\nlog.warn(\n  { freeBytes },\n "y")';
    expect(fieldsIn(text)).toEqual(["peer", "address", "reason", "freeBytes"]);
    expect(sources().flatMap(({ text: source }) => fieldsIn(source)).length).toBeGreaterThan(20);
  });
});
