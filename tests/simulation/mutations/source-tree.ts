import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Options, transformSync } from "@swc/core";
import type { Edit, Mutation } from "./mutation";

/** What whole replicas on a simulated world are made of. */
const FOLDERS = [
  "services/std",
  "services/raft",
  "services/kv",
  "services/replica",
  "services/watch",
  "services/verification",
  "services/memory",
  "services/faults",
  "tests/simulation",
  "tests/judge",
] as const;

/** As tests are transformed: see jest.config.cjs. */
const SWC: Options = {
  jsc: { parser: { syntax: "typescript" }, target: "es2023" },
  module: { type: "commonjs" },
  configFile: false,
  swcrc: false,
};

const SERVICES_PACKAGE = {
  name: "@quorate/services",
  private: true,
  imports: { "#*": "./*/index.js" },
  exports: { "./*": "./*/index.js" },
};

/** Makes the muted checks look away, wherever they are. */
function mutingEdit(muted: readonly string[]): Edit {
  const find = 'throw new Violation("correctness", name, detail);';
  return {
    file: "tests/simulation/invariants/invariant.ts",
    find,
    replace: `if (${JSON.stringify(muted)}.includes(name)) return undefined as never;\n  ${find}`,
  };
}

/** The directory that this project is checked out in. */
export function projectRoot(): string {
  let directory = __dirname;
  while (!existsSync(join(directory, "package-lock.json"))) directory = dirname(directory);
  return directory;
}

/** The sources as they are, and trees of compiled code made from them, with a bug each or with none. */
export class SourceTrees {
  private readonly sources = new Map<string, string>();
  private readonly compiled = new Map<string, string>();
  private directory: string | null = null;
  private readonly onExit = (): void => this.remove();
  private count = 0;

  constructor(private readonly root = projectRoot()) {
    for (const folder of FOLDERS) this.readFolder(folder);
  }

  /** The sources that a mutation changes, as it leaves them. Throws when a patch does not fit what is there. */
  patched({ name, edits, muted }: Mutation): ReadonlyMap<string, string> {
    const changed = new Map<string, string>();
    for (const edit of muted === undefined ? edits : [...edits, mutingEdit(muted)]) {
      const source = changed.get(edit.file) ?? this.sources.get(edit.file);
      if (source === undefined) throw new Error(`${name}: there is no source ${edit.file}`);
      const parts = source.split(edit.find);
      if (parts.length !== 2) {
        throw new Error(
          `${name}: its snippet occurs ${parts.length - 1} times in ${edit.file}, not once:\n${edit.find}`,
        );
      }
      changed.set(edit.file, parts.join(edit.replace));
    }
    return changed;
  }

  /** Returns the directory of a tree with that bug, or of one without any. */
  write(mutation: Mutation | null): string {
    const changed = mutation === null ? new Map<string, string>() : this.patched(mutation);
    this.directory ??= this.makeDirectory();
    this.count += 1;
    const tree = join(this.directory, String(this.count));
    for (const [file, source] of this.sources) {
      const path = join(tree, file.replace(/\.ts$/, ".js"));
      mkdirSync(dirname(path), { recursive: true });
      const patch = changed.get(file);
      writeFileSync(path, patch === undefined ? this.compiledOf(file, source) : compile(file, patch));
    }
    writeFileSync(join(tree, "services/package.json"), JSON.stringify(SERVICES_PACKAGE));
    const packages = join(tree, "node_modules/@quorate");
    mkdirSync(packages, { recursive: true });
    symlinkSync(join(tree, "services"), join(packages, "services"), "junction");
    symlinkSync(join(this.root, "proto"), join(packages, "proto"), "junction");
    return tree;
  }

  /** Removes every tree. */
  remove(): void {
    if (this.directory !== null) rmSync(this.directory, { recursive: true, force: true });
    this.directory = null;
    process.off("exit", this.onExit);
  }

  /** It goes also when the process ends amid its work. */
  private makeDirectory(): string {
    process.once("exit", this.onExit);
    return mkdtempSync(join(tmpdir(), "quorate-mutations-"));
  }

  private readFolder(folder: string): void {
    for (const entry of readdirSync(join(this.root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) this.readFolder(path);
      else if (/\.ts$/.test(entry.name) && !/\.test\.ts$/.test(entry.name)) {
        this.sources.set(path, readFileSync(join(this.root, path), "utf8"));
      }
    }
  }

  private compiledOf(file: string, source: string): string {
    let code = this.compiled.get(file);
    if (code === undefined) {
      code = compile(file, source);
      this.compiled.set(file, code);
    }
    return code;
  }
}

/** Throws when it cannot be parsed. */
export function compile(file: string, source: string): string {
  return transformSync(source, { ...SWC, filename: file }).code;
}
