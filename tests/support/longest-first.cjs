// The order in which test files begin. Jest puts first what took longest the last time; where it has no last time, as in
// a fresh clone, it goes by the size of the files, which says nothing of how long they take. A long file that begins last runs
// alone, while the other workers have nothing to do.
const { default: Sequencer } = require("@jest/test-sequencer");
const { join } = require("node:path");

/** What takes more than some 20 s on a machine with two cores, the longest first. */
const LONGEST = [
  "bench/run.test.ts",
  "cluster/snapshots.test.ts",
  "simulation/simulate.test.ts",
  "compliance/state-store.test.ts",
  "simulation/lease-reads.test.ts",
  "cluster/durability.test.ts",
  "bench/scenarios/scenarios.test.ts",
  "cluster/membership.test.ts",
  "compliance/reads-amid-writes.test.ts",
  "cluster/administration.test.ts",
  "cluster/connections.test.ts",
  "cluster/errors.test.ts",
  "cluster/elections.test.ts",
  "cluster/crash-cycles.test.ts",
  "cluster/long-streams.test.ts",
  "cluster/data.test.ts",
  "cluster/data-commands.test.ts",
].map((file) => join(__dirname, "..", file));

class LongestFirst extends Sequencer {
  sort(tests) {
    const rest = super.sort(tests).filter(({ path }) => !LONGEST.includes(path));
    const longest = LONGEST.flatMap((path) => tests.find((test) => test.path === path) ?? []);
    return [...longest, ...rest];
  }
}

module.exports = LongestFirst;
module.exports.LONGEST = LONGEST;
