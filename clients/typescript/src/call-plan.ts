/** How one call is to be made. */
export interface CallPlan {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  /** Metadata besides the request id. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The one endpoint to ask, for calls that are about that node; the pool's otherwise. */
  readonly address?: string;
}
