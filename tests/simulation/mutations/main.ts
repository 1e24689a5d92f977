// `npm run mutations`: see --help, and README.md.
import { check } from "./check";

// Ended in order, so that nothing is left behind.
for (const [signal, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => process.exit(exitCode));
}

check(process.argv.slice(2), {
  out: (line) => console.log(line),
  error: (line) => console.error(line),
}).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
