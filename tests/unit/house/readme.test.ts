import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "@jest/globals";

const root = resolve(__dirname, "../../..");
const tsc = join(root, "node_modules/.bin/tsc");

/** What the compiler says of programs, as if they were of the example package. */
function faultsOf(...programs: readonly string[]): string {
  const sources = programs.map((program, at) => {
    const source = join(root, "clients/examples", `readme-${at}-${process.pid}.ts`);
    writeFileSync(source, program);
    return source;
  });
  try {
    const options =
      "--noEmit --strict --target es2023 --module node20 --skipLibCheck --types node --ignoreConfig";
    execFileSync(tsc, [...options.split(" "), ...sources], { cwd: root, encoding: "utf8", stdio: "pipe" });
    return "";
  } catch (error) {
    return (error as { readonly stdout: string }).stdout;
  } finally {
    for (const source of sources) rmSync(source);
  }
}

function programsOf(readme: string): readonly string[] {
  return [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => {
    const [imports, ...rest] = (block ?? "").split("\n");
    return `${imports}\nexport async function example(): Promise<void> {\n${rest.join("\n")}\n}\n`;
  });
}

describe("the README", () => {
  const programs = programsOf(readFileSync(join(root, "README.md"), "utf8"));

  it("has examples that compile", () => {
    expect(programs).toHaveLength(3);
    expect(faultsOf(...programs)).toBe("");
  });

  it("would be caught with a name that the client does not have", () => {
    expect(faultsOf((programs[0] ?? "").replace("{ id, value }", "{ key, value }"))).toContain("'key'");
  });
});
