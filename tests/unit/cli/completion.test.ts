import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { quorate } from "./captured-terminal";

async function scriptFor(shell: string): Promise<string> {
  const { exitCode, out } = await quorate(["completion", shell]);
  expect(exitCode).toBe(0);
  return out;
}

/** Where a shell is; not every machine has each. */
function installed(shell: string): readonly string[] {
  return [`/bin/${shell}`, `/usr/bin/${shell}`, `/usr/local/bin/${shell}`].filter(existsSync).slice(0, 1);
}

/** Shells keep things in the home directory, and offer the files of the present one. */
function inEmptyHome(run: (options: ExecFileSyncOptionsWithStringEncoding) => string): string {
  const home = mkdtempSync(join(tmpdir(), "quorate-shell-"));
  try {
    return run({ encoding: "utf8", cwd: home, env: { ...process.env, HOME: home, ZDOTDIR: home } });
  } finally {
    rmSync(home, { recursive: true });
  }
}

type Question = readonly [what: string, words: readonly string[], wanted: readonly string[]];

/** What each shell is to offer for the last of the words. */
const questions: readonly Question[] = [
  ["a command", ["mem"], ["member"]],
  ["what is below a command", ["member", "re"], ["remove", "replace"]],
  ["behind options with values", ["-n", "get", "--deadline", "5", "namespace", "c"], ["create"]],
  ["a flag of a command", ["status", "--w"], ["--watch"]],
  ["a flag of every command", ["member", "add", "--end"], ["--endpoints"]],
  ["the values of an option", ["export", "--format", ""], ["csv", "jsonl"]],
  ["the values of an argument", ["cluster", "log-level", "si"], ["silent"]],
  ["nothing where a value is free", ["member", "add", "n4", "--client", ""], []],
  ["nothing where a file may be meant", ["backup", "save", ""], []],
  ["a key that is called like a command as a key", ["get", "member", "re"], []],
];

/** What bash offers for the last of these words. */
function offered(bash: string, script: string, ...words: readonly string[]): readonly string[] {
  const line = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(quorate ${line}); COMP_CWORD=${words.length}; _quorate; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync(bash, ["--norc", "-c", `${script}\n${ask}`], { encoding: "utf8" });
  return out.split("\n").filter((word) => word !== "");
}

for (const bash of installed("bash")) {
  describe("bash completes", () => {
    test.each(questions)("%s", async (_, words, wanted) => {
      expect(offered(bash, await scriptFor("bash"), ...words).toSorted()).toEqual(wanted);
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

/** What zsh is given for the last of these words, of which it takes what begins like it. */
function offeredByZsh(zsh: string, script: string, ...words: readonly string[]): readonly string[] {
  const line = words.map((word) => `'${word}'`).join(" ");
  const stubs = 'compdef() { }; _files() { }; compadd() { shift; print -l -- "$@" }';
  const ask = `words=(quorate ${line}); CURRENT=\${#words}; _quorate`;
  const out = execFileSync(zsh, ["-f", "-c", `${stubs}\n${script}\n${ask}`], { encoding: "utf8" });
  return out.split("\n").filter((word) => word !== "" && word.startsWith(words.at(-1) ?? ""));
}

for (const zsh of installed("zsh")) {
  describe("zsh completes", () => {
    test.each(questions)("%s", async (_, words, wanted) => {
      expect(offeredByZsh(zsh, await scriptFor("zsh"), ...words).toSorted()).toEqual(wanted);
    });

    test("once it is sourced as the shell is told to, whether its completions were begun or not", async () => {
      const ask = `${await scriptFor("zsh")}\nprint -r -- $_comps[quorate]`;
      const told = inEmptyHome((options) => execFileSync(zsh, ["-f", "-c", ask], options));
      expect(told.trim()).toBe("_quorate");
    });
  });
}

/** What fish offers for the last of these words, but for files. */
function offeredByFish(fish: string, script: string, ...words: readonly string[]): readonly string[] {
  const ask = `complete -C '${["quorate", ...words].join(" ")}'`;
  const out = inEmptyHome((options) =>
    execFileSync(fish, ["--no-config", "-c", `${script}\n${ask}`], options),
  );
  return out.split("\n").flatMap((offer) =>
    offer
      .split("\t")
      .slice(0, 1)
      .filter((word) => word !== ""),
  );
}

for (const fish of installed("fish")) {
  describe("fish completes", () => {
    test.each(questions)("%s", async (_, words, wanted) => {
      expect(offeredByFish(fish, await scriptFor("fish"), ...words).toSorted()).toEqual(wanted);
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
      "complete -c quorate -f -n '__quorate_at member' -a promote -d 'make a learner a voter",
    );
    expect(script).toContain("-l format -x -a 'jsonl csv'");
    expect(script).toContain("-s n -l namespace -r");
  });
});
