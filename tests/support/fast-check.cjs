// What tests get for "fast-check" (see jest.config.cjs): the library with the seed of the run, so that no property draws one
// of its own. The seed is a fixed one in `npm test`; `npm run test:random` gives a fresh one in QUORATE_PROPERTY_SEED, and
// then each property runs more often. The same variable repeats what such a run found.
const fc = require("../../node_modules/fast-check/lib/cjs/fast-check.js");

const FIXED_SEED = 20261121;
/** How often a property runs under a fresh seed, for each run under the fixed one. */
const FRESH_RUNS = 3;
const RUNS_BY_DEFAULT = 100;

const { QUORATE_PROPERTY_SEED: asked } = process.env;
const isFresh = asked !== undefined;
const seed = isFresh ? Number(asked) : FIXED_SEED;
if (!Number.isInteger(seed)) throw new Error(`QUORATE_PROPERTY_SEED must be a whole number, not "${asked}"`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed, ...(isFresh ? { reporter: sayHowToRepeat } : {}) });

function sayHowToRepeat(details) {
  if (!details.failed) return;
  const repeat = `To repeat it: QUORATE_PROPERTY_SEED=${seed} npm test -- FILE`;
  throw new Error(`${repeat}\n${fc.defaultReportMessage(details)}`, { cause: details.errorInstance });
}

/** A call with parameters as they are for this run: what it says of a number of runs is for the fixed seed. */
function withRuns(call) {
  return (subject, parameters = {}) => {
    const { numRuns = RUNS_BY_DEFAULT, ...rest } =
      typeof parameters === "number" ? { numRuns: parameters } : parameters;
    if ("seed" in rest)
      throw new Error("a property has no seed of its own: tests/support/fast-check.cjs gives it");
    return call(subject, { ...rest, numRuns: isFresh ? numRuns * FRESH_RUNS : numRuns });
  };
}

const seeded = {
  ...fc,
  assert: withRuns(fc.assert),
  check: withRuns(fc.check),
  sample: withRuns(fc.sample),
  statistics: () => {
    throw new Error("statistics are for looks at a generator by hand, not for a test");
  },
};
module.exports = { ...seeded, __esModule: true, default: seeded };
