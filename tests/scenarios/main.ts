import { runCommandLine } from "./command-line";

process.exitCode = runCommandLine(process.argv.slice(2), {
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
});
