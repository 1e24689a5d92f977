import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { run } from "@quorate/cli";

const root = resolve(__dirname, "../../..");
const path = join(root, "docs/operations/runbook.md");
const runbook = readFileSync(path, "utf8");

interface Shape {
  readonly name: string;
  readonly options: readonly { readonly flags: readonly string[]; readonly takesValue: boolean }[];
  readonly commands: readonly Shape[];
}

/** What is typed: the lines of blocks, and what stands between backquotes in the text. */
function typedLines(text: string): readonly string[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) => block.split("\n"));
  const inline = [...text.replaceAll(/```[\s\S]*?```/g, "").matchAll(/`([^`]+)`/g)].map(
    ([, line = ""]) => line,
  );
  return [...blocks, ...inline]
    .flatMap((line) => line.replace(/\s#\s.*$/, "").split("|"))
    .map((line) => line.trim());
}

function commandsOf(program: string, text = runbook): readonly (readonly string[])[] {
  return typedLines(text)
    .filter((line) => line.startsWith(`${program} `))
    .map((line) => line.split(/\s+/).slice(1));
}

/** What is wrong with a command, as far as its shape tells; null for nothing. */
function faultOf(words: readonly string[], program: Shape): string | null {
  let at = program;
  const rest = [...words];
  while (rest.length > 0) {
    const word = rest.shift() as string;
    const below = at.commands.find(({ name }) => name === word);
    if (below !== undefined) at = below;
    else if (at.commands.length > 0 && !word.startsWith("-")) return `there is no ${at.name} ${word}`;
    else if (word.startsWith("-") && word !== "-") {
      const option = [...at.options, ...program.options].find(({ flags }) => flags.includes(word));
      if (option === undefined) return `${at.name} has no ${word}`;
      if (option.takesValue && rest.shift() === undefined) return `${word} has no value`;
    }
  }
  return null;
}

/** The headings as they are linked to. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("the runbook", () => {
  let program: Shape;

  beforeAll(async () => {
    let text = "";
    await run(["completion", "bash", "--json"], {
      environment: {},
      isWatched: false,
      isScreen: false,
      isInteractive: false,
      out: async (part) => {
        text += String(part);
      },
      err: () => undefined,
      readInput: async () => new Uint8Array(),
      lines: () => ({ next: async () => null, close: () => undefined }),
    });
    program = JSON.parse(text) as Shape;
  });

  it("names only commands of the program, with flags that they have", () => {
    const commands = commandsOf("quorate");
    expect(commands.length).toBeGreaterThan(40);
    expect(commands.map((words) => faultOf(words, program)).filter((fault) => fault !== null)).toEqual([]);
  });

  it("would be caught with a command or a flag that there is not", () => {
    const faults = commandsOf("quorate", "`quorate member evict n1` `quorate verify --fix`").map((words) =>
      faultOf(words, program),
    );
    expect(faults).toEqual(["there is no member evict", "verify has no --fix"]);
  });

  it("starts nodes with settings that a node has", () => {
    const source = readFileSync(join(root, "services/node/settings.ts"), "utf8");
    const names = [...source.matchAll(/\bname: "([a-z-]+)"/g)].map(([, name = ""]) => name);
    const flags = commandsOf("quorate-node").flatMap((words) =>
      words.filter((word) => word.startsWith("--")),
    );
    expect(flags.length).toBeGreaterThan(20);
    for (const flag of flags) expect(names).toContain(flag.slice(2));
  });

  it("links to what is there", () => {
    const anchors = anchorsOf(runbook);
    for (const [, target = ""] of runbook.matchAll(/\]\(([^)]+)\)/g)) {
      const [file = "", anchor = ""] = target.split("#");
      expect([target, existsSync(join(dirname(path), file))]).toEqual([target, true]);
      expect([target, anchor === "" || anchors.includes(anchor)]).toEqual([target, true]);
    }
  });

  it("has a section for each alert that sends its reader here", () => {
    const alerts = readFileSync(join(root, "docs/operations/alerts.yml"), "utf8");
    const sections = [...alerts.matchAll(/Runbook: ([a-z ]+)\./g)].map(([, name = ""]) =>
      name.replaceAll(" ", "-"),
    );
    expect(sections.length).toBeGreaterThan(5);
    for (const section of sections) expect(anchorsOf(runbook)).toContain(section);
  });
});
