import type { ViolationKind } from "./violation";

/** What `npm run simulate` ends with; of several findings the gravest counts, and the table begins with it. */
export const exitCodes = {
  correctness: 12,
  liveness: 11,
  crash: 10,
} as const satisfies Record<ViolationKind, number>;

export const EXIT_PASSED = 0;
export const EXIT_USAGE = 2;

export function exitCodeOf(kinds: Iterable<ViolationKind>): number {
  let gravest: number = EXIT_PASSED;
  for (const kind of kinds) gravest = Math.max(gravest, exitCodes[kind]);
  return gravest;
}
