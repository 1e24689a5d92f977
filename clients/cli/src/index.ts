export { Stage } from "./demo/stage";
export { EXIT, type ExitCode } from "./exit-codes";
export { FORMATS, type FormatName, formatOfPath } from "./format";
export { type ImportPlan, type ImportResult, importRecords } from "./import-records";
export { withNotice } from "./notice";
export { run } from "./program";
export type { LineOutcome, StoredPair } from "./record-line";
export { processTerminal, type Terminal } from "./terminal";
