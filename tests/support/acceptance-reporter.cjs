// Collects, from a test run, the acceptance rows that passing and failing tests name at the start of their titles
// ("A7: values of …", "A7 B2: …", "A7, B2: …") and writes them to reports/acceptance.json for `npm run acceptance`.
// Where QUORATE_TEST_SUMMARY names a file, the counts of the run go there, for the last line of `npm test`.
const { mkdirSync, writeFileSync } = require("node:fs");
const { dirname, join, relative } = require("node:path");

const ROWS = require("./acceptance-rows.json");

const TITLE = /^((?:[A-Z]\d+)(?:(?:\s*,\s*|\s+)[A-Z]\d+)*):\s*(.+)$/s;

/** The row ids at the start of a title, and what follows them. */
function rowsOfTitle(title) {
  const match = TITLE.exec(title);
  if (match === null) return { ids: [], name: title };
  return { ids: match[1].split(/[\s,]+/), name: match[2] };
}

/** What the report says of a run: one item a test that names a row, sorted by row. */
function acceptanceOf(testResults, rootDir) {
  const shown = testResults.flatMap(({ testFilePath, testResults: tests }) =>
    tests.flatMap(({ title, status }) =>
      rowsOfTitle(title).ids.map((id) => ({
        id,
        test: title,
        file: relative(rootDir, testFilePath),
        result: status,
      })),
    ),
  );
  const order = Object.keys(ROWS);
  return {
    shown: shown
      .filter(({ id }) => id in ROWS)
      .sort((left, right) => order.indexOf(left.id) - order.indexOf(right.id)),
    unknown: shown.filter(({ id }) => !(id in ROWS)),
  };
}

/** A file that could not be run is a failure of its own: it has no tests that could fail. */
function summaryOf(results) {
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

class AcceptanceReporter {
  constructor(globalConfig) {
    this.rootDir = globalConfig.rootDir;
  }

  onRunComplete(_contexts, results) {
    const path = process.env.QUORATE_ACCEPTANCE_REPORT ?? join(this.rootDir, "reports/acceptance.json");
    const { shown, unknown } = acceptanceOf(results.testResults, this.rootDir);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ startedAtMs: results.startTime, shown, unknown }, null, 2)}\n`);
    const summaryPath = process.env.QUORATE_TEST_SUMMARY;
    if (summaryPath !== undefined) writeFileSync(summaryPath, JSON.stringify(summaryOf(results)));
  }
}

module.exports = AcceptanceReporter;
module.exports.rowsOfTitle = rowsOfTitle;
module.exports.acceptanceOf = acceptanceOf;
