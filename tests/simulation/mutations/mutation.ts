import type { ProfileName } from "../faults";
import type { InvariantName } from "../invariants";

/**
 * What may find a bug: a check of the simulator, the bound on recovery, or the code itself, by an assertion of its own
 * or by another error.
 */
export type Catcher = InvariantName | "liveness" | "crash";

/** One place of the source that is changed. */
export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  /** Must occur there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A deliberate bug: what is changed in the source, and what should find it. */
export interface Mutation {
  /** Unique, as a flag takes it. */
  readonly name: string;
  /** The bug in one sentence, in the words of the field. */
  readonly why: string;
  readonly edits: readonly Edit[];
  /** What it is kept for first, then what may come before it. */
  readonly expected: readonly [Catcher, ...Catcher[]];
  /** swarm by default. */
  readonly profile?: ProfileName;
  /** Checks that would always find the bug before the one that it is kept for: they look away in its runs. */
  readonly muted?: readonly InvariantName[];
}
