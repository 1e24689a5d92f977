export { EXIT, type ExitCode } from "./exit-codes";
export { run } from "./program";
export { processTerminal, type Terminal } from "./terminal";
