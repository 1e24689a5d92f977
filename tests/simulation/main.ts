// `npm run simulate`: see --help, and DESIGN.md.
import { join, relative, resolve } from "node:path";
import { simulate } from "./simulate";

const root = resolve(__dirname, "../../..");

simulate(process.argv.slice(2), {
  out: (line) => console.log(line),
  error: (line) => console.error(line),
  directory: relative(process.cwd(), join(root, "reports/simulation")),
}).then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
