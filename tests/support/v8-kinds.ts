import { setFlagsFromString } from "node:v8";

/**
 * A function of V8's own (`%Name`). The flag that lets it be named is taken back at once, for code that was compiled
 * beforehand is only taken under the same flags, and other tests in this process look at that.
 */
function ofV8(name: string, ...example: readonly unknown[]): (...values: readonly unknown[]) => boolean {
  setFlagsFromString("--allow-natives-syntax");
  try {
    const names = example.map((_, at) => `value${at}`).join(", ");
    const run = new Function(names, `return ${name}(${names})`) as (...values: readonly unknown[]) => boolean;
    // It is compiled when it is called first.
    run(...example);
    return run;
  } finally {
    setFlagsFromString("--no-allow-natives-syntax");
  }
}

/** Whether two objects have the same map: fields of the same names, in the same order, kept alike. */
export const isSameKind = ofV8("%HaveSameMap", {}, {});

/** Whether a number is not kept as a double. */
export const isKeptAsInteger = ofV8("%IsSmi", 0);
