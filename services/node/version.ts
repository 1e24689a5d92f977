import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The version of this software, from the package that this file belongs to (two levels up from dist/node). */
export function softwareVersion(): string {
  for (const up of ["../..", ".."]) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(__dirname, up, "package.json"), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (name === "@quorate/services" && version !== undefined) return version;
    } catch (error) {
      // From the sources the file lies one level nearer; any other error is one of a broken installation.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
