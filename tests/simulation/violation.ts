/** What a run can find: each has an exit code of its own. */
export type ViolationKind =
  /** An invariant was broken. */
  | "correctness"
  /** All is healed, and there is no leader or no progress within the bound. */
  | "liveness"
  /** The code under test threw, or rejected a promise that nobody handles. */
  | "crash";

/** Ends a run: which invariant was broken, by whom, in words that suffice to start looking. */
export class Violation extends Error {
  readonly kind: ViolationKind;
  /** Such as "one leader a term"; the names are those of invariant.ts. */
  readonly invariant: string;
  readonly detail: string;

  constructor(kind: ViolationKind, invariant: string, detail: string, options?: ErrorOptions) {
    super(`${invariant}: ${detail}`, options);
    this.name = "Violation";
    this.kind = kind;
    this.invariant = invariant;
    this.detail = detail;
  }
}
