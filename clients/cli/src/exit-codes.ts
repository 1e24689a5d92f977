/** What the process ends with. */
export const EXIT = {
  ok: 0,
  /** A call failed, or some records of an import did. */
  failed: 1,
  /** A wrong flag or argument; nothing was done. */
  usage: 2,
  /** There is no such key. */
  notFound: 3,
  /** The replicas differ. */
  inconsistent: 4,
  /** A node cannot be reached, is not healthy, or has something to tell its operator. */
  unhealthy: 5,
} as const;

/** What the help says of them. */
export const EXIT_HELP =
  "Exit codes: 0 done, 1 a call failed, 2 wrong usage, 3 no such key, 4 the replicas differ, 5 a node is not well.";

/** One of EXIT, or what a program that was run ended with. */
export type ExitCode = number;

/** A wrong argument: one line that names it. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}
