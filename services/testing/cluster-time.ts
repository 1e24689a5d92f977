/** Time as a cluster in a test lives in it. */
export interface ClusterTime {
  readonly kind: "real" | "virtual";
  /** Milliseconds of a monotonic clock with an arbitrary start. */
  nowMs(): number;
  /** Whole milliseconds since 1970. */
  wallMs(): number;
  /** Runs once, `delayMs` from now; at 0 after the present turn of the event loop. Returns how to take that back. */
  after(delayMs: number, run: () => void): () => void;
  /** Runs again and again until taken back. */
  every(periodMs: number, run: () => void): () => void;
  /** Lets `ms` go by, with all that is due meanwhile in its order. @throws when time is the real one */
  advance(ms: number): Promise<void>;
  /**
   * Looks until `look` gives something other than null, and lets time go by meanwhile.
   *
   * @throws TestClusterError at the deadline, with what `late` says
   */
  until<T>(look: () => T | null, wait: { readonly deadlineMs: number; late(): string }): Promise<T>;
  /** Nothing runs any more. */
  close(): void;
}
