const { availableParallelism } = require("node:os");

// Sources are transformed on the fly, so that a test never runs a stale build; processes that tests start run what was built.
const swc = [
  "@swc/jest",
  { jsc: { parser: { syntax: "typescript" }, target: "es2023" }, module: { type: "commonjs" } },
];

// A test file runs in a context of its own, where a name of the language is looked up through the context's global object at
// each use, outside of compiled code: this alone was two thirds of what some files cost. What is named here is handed to each
// module instead. No test replaces any of these, as fake timers and spies do with others (Date, setTimeout), and no
// package declares one anew, as some do with Buffer.
const namesOfTheLanguage = [
  "Array",
  "ArrayBuffer",
  "BigInt",
  "Boolean",
  "DataView",
  "Error",
  "JSON",
  "Map",
  "Math",
  "Number",
  "Object",
  "Promise",
  "Set",
  "String",
  "Symbol",
  "Uint8Array",
  "WeakMap",
];

/** @type {import("jest").Config} */
module.exports = {
  roots: ["<rootDir>/tests"],
  // Whoever runs jest by hand after a compilation starts the programs made of it.
  globalSetup: "<rootDir>/scripts/programs.mjs",
  testEnvironment: "node",
  sandboxInjectedGlobals: namesOfTheLanguage,
  // Tests of real processes wait more than they work: three at once take two thirds of the time of two on two cores
  // (424 s against 615), and the work itself is the same. A number, since jest reads "150%" as 150.
  maxWorkers: Math.ceil(availableParallelism() * 1.5),
  testSequencer: "<rootDir>/tests/support/longest-first.cjs",
  testMatch: ["**/*.test.ts"],
  testPathIgnorePatterns: [
    "/node_modules/",
    "/dist/",
    ...["timed", "long"]
      .filter((kind) => process.env.QUORATE_TESTS !== kind)
      .map((kind) => `\\.${kind}\\.test\\.ts$`),
  ],
  modulePathIgnorePatterns: ["<rootDir>/.*/dist/"],
  transform: { "\\.(ts|mjs)$": swc },
  moduleNameMapper: {
    "^fast-check$": "<rootDir>/tests/support/fast-check.cjs",
    "^#support$": "<rootDir>/tests/support/index.ts",
    "^#(std|raft|kv|replica|memory|faults|storage|grpc|forward|rpc|node|gateway|launcher|settings|watch|metrics|tracing|backup|verification)$":
      "<rootDir>/services/$1/index.ts",
    "^@quorate/services/(.*)$": "<rootDir>/services/$1/index.ts",
    "^@quorate/proto/descriptors$": "<rootDir>/proto/gen/descriptors.binpb",
    "^@quorate/proto/(.*)$": "<rootDir>/proto/$1.ts",
    "^@quorate/testing$": "<rootDir>/services/testing/index.ts",
    "^#client/(.*)$": "<rootDir>/clients/typescript/src/$1.ts",
    "^@quorate/client$": "<rootDir>/clients/typescript/src/index.ts",
    "^@quorate/client/generated$": "<rootDir>/clients/typescript/src/generated.ts",
    "^#cli/(.*)$": "<rootDir>/clients/cli/src/$1.ts",
    "^@quorate/cli$": "<rootDir>/clients/cli/src/index.ts",
    "^@quorate/examples$": "<rootDir>/clients/examples/src/index.ts",
  },
  // Tests end by deadlines of their own, which say what they waited for.
  testTimeout: 120_000,
  reporters: ["default", "<rootDir>/tests/support/acceptance-reporter.cjs"],
};
