#!/usr/bin/env node
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const main = join(__dirname, "../dist/programs/quorate.js");
if (existsSync(main)) {
  require(main);
} else {
  console.error("quorate is not built yet: run `npm run build` (or `npm start`) once");
  process.exitCode = 1;
}
