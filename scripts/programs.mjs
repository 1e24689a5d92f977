// Puts each program, with all that it needs but its native addon, into one file: to find and read some 700 files is
// most of what a start costs. Beside the file lies the code that V8 makes of it.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { cachedDataVersionTag } from "node:v8";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** By folder: what each program in it begins with. */
const PROGRAMS = {
  "services/dist/programs": {
    node: "services/dist/node/main.js",
    gateway: "services/dist/gateway/main.js",
    launcher: "services/dist/launcher/main.js",
  },
  "clients/cli/dist/programs": { quorate: "clients/cli/dist/main.js" },
};

/** Of V8, by which programs are started: by hand, and by services/launcher/process.ts. */
const FLAGS = [[], ["--max-semi-space-size=8"]];

/** What the programs are made by: a change of any of these makes them anew. */
const MADE_BY = [
  "scripts/programs.mjs",
  "scripts/program-loader.cjs",
  "scripts/program-code.cjs",
  "package-lock.json",
];

/**
 * Node has these behind getters of the global object, which are called anew at each use; as constants of the one scope they cost
 * nothing.
 */
const GLOBALS = "const { Buffer, performance, process } = globalThis;";

/** For a process that is just starting from files of the build before. */
const OLD_FILES_MS_MAX = 3_600_000;

const ASKED = Symbol("asked");

/**
 * Our own modules are taken as they were written, not as they were compiled: of modules of ES the bundler makes one
 * scope, where a function of another module is called by its name. What is compiled loads it from an object of the module each
 * time, which is more code and slower, most of all where it runs seldom: with one put at a time under way the nodes take a
 * fifth less CPU for it.
 */
const sources = {
  name: "sources",
  setup({ onResolve, resolve: resolved }) {
    onResolve({ filter: /^(#|@quorate\/)/ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === ASKED) return undefined;
      const found = await resolved(path, { importer, resolveDir, kind, pluginData: ASKED });
      return found.errors.length > 0 ? found : { path: sourceOf(found.path) };
    });
  },
};

/** Of a compiled file of ours; what is not compiled is its own source. */
function sourceOf(path) {
  const candidates = ["/src/", "/"].map((folder) => path.replace(/\/dist\/(.*)\.js$/, `${folder}$1.ts`));
  return candidates.find((candidate) => existsSync(candidate)) ?? path;
}

/** What stays outside the file. */
const outside = {
  name: "outside",
  setup({ onResolve }) {
    // The addon is looked for beside classic-level's own files.
    onResolve({ filter: /^\.\/binding$/ }, ({ importer }) =>
      importer.includes("classic-level") ? { path: "classic-level/binding.js", external: true } : undefined,
    );
    // Whoever asks where a file lies wants that file.
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === "require-resolve" ? { path, external: true } : undefined,
    );
  },
};

/** Makes the programs that are older than what they are made of. To be called when everything is compiled. */
export async function ensurePrograms() {
  for (const [folder, mains] of Object.entries(PROGRAMS)) {
    const entryPoints = Object.fromEntries(
      Object.entries(mains)
        .map(([program, main]) => [program, join(root, main)])
        .filter(([, main]) => existsSync(main))
        .map(([program, main]) => [program, sourceOf(main)]),
    );
    const stampPath = join(root, folder, "made-of.json");
    if (Object.keys(entryPoints).length > 0 && !isFresh(stampPath))
      await make(folder, entryPoints, stampPath);
  }
}

/** For jest, whose tests start the programs: only what was compiled is made. */
export default ensurePrograms;

async function make(folder, entryPoints, stampPath) {
  const { build, stop } = await import("esbuild");
  const directory = join(root, folder);
  const startMs = Date.now();
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir: directory,
    entryNames: "[name]-[hash]",
    bundle: true,
    platform: "node",
    target: "node20",
    charset: "ascii",
    banner: { js: GLOBALS },
    sourcemap: "linked",
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: "error",
    plugins: [outside, sources],
  });
  // Else its process, of 170 MB, lives as long as this one, which may be that of `npm start`.
  await stop();
  mkdirSync(directory, { recursive: true });
  const names = outputFiles.map(({ path }) => basename(path));
  for (const { path, contents } of outputFiles) writeWhole(path, contents);
  const loader = readFileSync(join(root, "scripts/program-loader.cjs"), "utf8");
  for (const program of Object.keys(entryPoints)) {
    const name = names.find((file) => file.startsWith(`${program}-`) && file.endsWith(".js"));
    for (const flags of FLAGS) names.push(makeCode(directory, name, flags));
    writeWhole(join(directory, `${program}.js`), loader.replace("{name}", basename(name, ".js")));
  }
  // Another build may have removed it meanwhile.
  const writtenMs = (file) => statSync(join(directory, file), { throwIfNoEntry: false })?.mtimeMs ?? startMs;
  const kept = [...names, ...Object.keys(entryPoints).map((program) => `${program}.js`)];
  for (const file of readdirSync(directory)) {
    if (kept.includes(file) || writtenMs(file) >= startMs - OLD_FILES_MS_MAX) continue;
    rmSync(join(directory, file), { force: true });
  }
  // As they were before they were read: what has changed since makes the programs anew.
  const inputs = [...Object.keys(metafile.inputs), ...MADE_BY];
  const stamp = {
    node: process.version,
    inputs: Object.fromEntries(inputs.map((path) => [path, stampOf(path, startMs)])),
  };
  writeWhole(stampPath, JSON.stringify(stamp));
}

/** @returns the name of the file with the code that V8 makes with these flags */
function makeCode(directory, name, flags) {
  const codeName = `${basename(name, ".js")}-${process.arch}-${versionTag(flags)}.code`;
  const path = join(directory, codeName);
  if (existsSync(path)) return codeName;
  const temporary = temporaryOf(path);
  const maker = join(root, "scripts/program-code.cjs");
  runNode([...flags, maker, join(directory, name), temporary], `${name} --help`);
  renameSync(temporary, path);
  return codeName;
}

/** By which V8 tells whose code is of use to it. */
function versionTag(flags) {
  return flags.length === 0
    ? cachedDataVersionTag()
    : runNode([...flags, "-p", "require('node:v8').cachedDataVersionTag()"], "node").trim();
}

function runNode(argv, what) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${what} does not run: ${error?.message ?? stderr}`);
  return stdout;
}

function isFresh(stampPath) {
  if (!existsSync(stampPath)) return false;
  const { node, inputs } = JSON.parse(readFileSync(stampPath, "utf8"));
  return (
    node === process.version &&
    Object.entries(inputs).every(([path, stamp]) => stamp !== null && stampOf(path) === stamp)
  );
}

/** null for what is not there, or was changed at that time or later. */
function stampOf(path, beforeMs = Number.POSITIVE_INFINITY) {
  const stats = statSync(join(root, path), { throwIfNoEntry: false });
  return stats === undefined || stats.mtimeMs >= beforeMs ? null : `${stats.mtimeMs} ${stats.size}`;
}

/** Whole or not at all, for processes may be starting. */
function writeWhole(path, contents) {
  const temporary = temporaryOf(path);
  writeFileSync(temporary, contents);
  renameSync(temporary, path);
}

function temporaryOf(path) {
  return `${path}.${process.pid}.tmp`;
}
