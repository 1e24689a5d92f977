import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { quorate } from "./captured-terminal";

async function scriptFor(shell: string): Promise<string> {
  const { exitCode, out } = await quorate(["completion", shell]);
  expect(exitCode).toBe(0);
  return out;
}

/** Not every machine has one. */
const BASHES = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"].filter(existsSync).slice(0, 1);

/** What bash offers for the last of these words. */
function offered(bash: string, script: string, ...words: readonly string[]): readonly string[] {
  const line = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(quorate ${line}); COMP_CWORD=${words.length}; _quorate; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync(bash, ["--norc", "-c", `${script}\n${ask}`], { encoding: "utf8" });
  return out.split("\n").filter((word) => word !== "");
}

for (const bash of BASHES) {
  describe("bash completes", () => {
    test.each<[string, readonly string[], readonly string[]]>([
      ["a command", ["mem"], ["member"]],
      ["what is below a command", ["member", "re"], ["remove", "replace"]],
      ["behind options with values", ["-n", "get", "--deadline", "5", "namespace", "c"], ["create"]],
      ["a flag of a command", ["status", "--w"], ["--watch"]],
      ["a flag of every command", ["member", "add", "--end"], ["--endpoints"]],
      ["the values of an option", ["export", "--format", ""], ["jsonl", "csv"]],
      ["the values of an argument", ["cluster", "log-level", "si"], ["silent"]],
      ["nothing where a value is free", ["member", "add", "n4", "--client", ""], []],
      ["nothing where a file may be meant", ["backup", "save", ""], []],
      ["a key that is called like a command as a key", ["get", "member", "re"], []],
    ])("%s", async (_, words, wanted) => {
      expect(offered(bash, await scriptFor("bash"), ...words)).toEqual(wanted);
    });

    test("every command of the program", async () => {
      const { out } = await quorate(["completion", "bash", "--json"]);
      const names = (JSON.parse(out).commands as { name: string }[]).map(({ name }) => name);
      expect(names).toContain("completion");
      expect(offered(bash, await scriptFor("bash"), "").toSorted()).toEqual(names.toSorted());
    });

    test("once it is sourced as the shell is told to", async () => {
      const script = await scriptFor("bash");
      const told = execFileSync(bash, ["--norc", "-c", `${script}\ncomplete -p quorate`], {
        encoding: "utf8",
      });
      expect(told.trim()).toBe("complete -o default -F _quorate quorate");
    });
  });
}

describe("the scripts of other shells", () => {
  test("zsh counts words from 1, and keeps away from its own variable path", async () => {
    const script = await scriptFor("zsh");
    expect(script).toMatch(/^#compdef quorate\n/);
    expect(script).toMatch(/"\$\{words\[i \+ 1\]\}"/);
    expect(script).not.toMatch(/\blocal path\b/);
    expect(script.match(/\bcase\b/g)).toHaveLength(script.match(/\besac\b/g)?.length ?? 0);
  });

  test("fish has each command with its description", async () => {
    const script = await scriptFor("fish");
    expect(script).toContain(
      'complete -c quorate -f -n "__quorate_at member" -a promote -d \'make a learner a voter',
    );
    expect(script).toContain("-l format -x -a 'jsonl csv'");
    expect(script).toContain("-s n -l namespace -r");
  });
});
