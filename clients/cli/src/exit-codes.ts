/** What the process ends with. */
export const EXIT = {
  ok: 0,
  /** A call failed, or some records of an import did. */
  failed: 1,
  /** A wrong flag or argument; nothing was done. */
  usage: 2,
  /** There is no such key. */
  notFound: 3,
} as const;

/** One of EXIT, or what a program that was run ended with. */
export type ExitCode = number;

/** A wrong argument: one line that names it. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}
