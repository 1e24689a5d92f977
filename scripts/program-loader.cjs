// The beginning of each program in a dist/programs folder: runs the one file that the program was put into, with the
// code that V8 made of it when it was built. Whatever is wrong with that code, the file itself is run instead.
const { createHash } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { wrap } = require("node:module");
const { join } = require("node:path");
const { cachedDataVersionTag } = require("node:v8");
const { Script } = require("node:vm");

const HASH_BYTES = 32;

run("{name}");

/** @param name of the file beside this one, without .js: filled in by scripts/programs.mjs, and another for other contents */
function run(name) {
  const path = join(__dirname, `${name}.js`);
  // Node maps lines to sources only in what it loads itself.
  const code = process.sourceMapsEnabled ? null : readCode(join(__dirname, codeName(name)));
  if (code === null) {
    require(path);
    return;
  }
  // The bundler writes ASCII.
  const script = new Script(wrap(readFileSync(path, "latin1")), { filename: path, cachedData: code });
  script.runInThisContext().call(exports, exports, require, module, path, __dirname);
}

/** Code is of use to the V8 alone that made it: the tag stands for its version, its flags and what the processor can do. */
function codeName(name) {
  return `${name}-${process.arch}-${cachedDataVersionTag()}.code`;
}

/** Code behind its SHA-256, for V8 would run what is damaged; null where there is none that can be trusted. */
function readCode(path) {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch {
    return null;
  }
  const code = bytes.subarray(HASH_BYTES);
  return createHash("sha256").update(code).digest().equals(bytes.subarray(0, HASH_BYTES)) ? code : null;
}
