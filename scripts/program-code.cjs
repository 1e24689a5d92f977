// Runs a program of one file with --help, and keeps the code that V8 made of it on the way, for scripts/program-loader.cjs.
// Arguments: the file, and where the code goes.
const { createHash } = require("node:crypto");
const { readFileSync, writeFileSync } = require("node:fs");
const { createRequire, wrap } = require("node:module");
const { dirname } = require("node:path");
const { Script } = require("node:vm");

const [path, codePath] = process.argv.slice(2);
const script = new Script(wrap(readFileSync(path, "latin1")), { filename: path });
process.argv = [process.argv[0], path, "--help"];
process.on("exit", () => {
  const code = script.createCachedData();
  writeFileSync(codePath, Buffer.concat([createHash("sha256").update(code).digest(), code]));
});
script.runInThisContext().call(exports, exports, createRequire(path), module, path, dirname(path));
