import { Consistency, type PlainHeader } from "@quorate/proto/kv";
import { invalidArgument } from "./errors";
import { toCount } from "./numbers";

/** Who answered a call, at which revision. */
export interface ReplyHeader {
  readonly clusterId: string;
  readonly memberId: string;
  readonly term: number;
  /** For a write the revision it made (or the current one where it wrote nothing), for a read the one it was answered at. */
  readonly revision: number;
}

/** What every call takes. */
export interface CallOptions {
  /** How long the call may take with all its retries, in milliseconds; the client's `deadlineMs` (5,000) by default. */
  readonly deadlineMs?: number;
  /** Gives the call up when aborted. What was already sent may still be applied. */
  readonly signal?: AbortSignal;
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
  /** Is told who answered, at which revision. */
  readonly onHeader?: (header: ReplyHeader) => void;
}

/** How fresh a read must be. */
export type ReadConsistency = "linearizable" | "stale" | "session";

/** What reads take besides. */
export interface ReadOptions extends CallOptions {
  /**
   * "linearizable" (the default) sees every acknowledged write. "stale" answers from the node's own state, which may lag.
   * "session" answers like "stale", but never from a state before what this client has written or read in the namespace.
   */
  readonly consistency?: ReadConsistency;
  /** Waits until the node has applied at least this revision. */
  readonly minRevision?: number;
  /** Accepts an answer that is at most this many milliseconds old. */
  readonly maxStalenessMs?: number;
  /** Reads as of this past revision. */
  readonly revision?: number;
}

/** What writes take besides. */
export type WriteOptions = CallOptions;

/** What writes of one key take besides, where they can be conditional. */
export interface ConditionalWriteOptions extends WriteOptions {
  /** Writes only if the key's modRevision is this; 0 means only if there is no such key. Fails with CONDITION_FAILED. */
  readonly expectedModRevision?: number;
  /** Returns the record that was there before. */
  readonly returnPrevious?: boolean;
}

/** A reply header with numbers of JavaScript. */
export function headerOf(message: PlainHeader | undefined): ReplyHeader {
  return {
    clusterId: message?.clusterId ?? "",
    memberId: message?.memberId ?? "",
    term: Number(message?.term ?? 0),
    revision: Number(message?.revision ?? 0),
  };
}

const CONSISTENCY_OF = {
  linearizable: Consistency.LINEARIZABLE,
  stale: Consistency.STALE,
  session: Consistency.STALE,
} as const satisfies Record<ReadConsistency, Consistency>;

/** The fields of a request that say how fresh its answer must be. */
export interface FreshnessFields {
  readonly consistency: Consistency;
  readonly minRevision: bigint;
  readonly maxStalenessMs: bigint;
  readonly revision: bigint;
}

/** What is asked for where no option says anything, which is nearly always. */
const LINEARIZABLE: FreshnessFields = {
  consistency: Consistency.LINEARIZABLE,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
};

/**
 * The freshness that the options ask for, as the request's fields.
 *
 * @param seenRevision the highest revision that this client has seen in the namespace
 */
export function freshnessFields(options: ReadOptions, seenRevision: number): FreshnessFields {
  const { consistency = "linearizable", minRevision, maxStalenessMs, revision } = options;
  const isPlain = minRevision === undefined && maxStalenessMs === undefined && revision === undefined;
  if (isPlain && consistency === "linearizable") return LINEARIZABLE;
  if (!Object.hasOwn(CONSISTENCY_OF, consistency)) {
    throw invalidArgument(`consistency is "linearizable", "stale" or "session", not "${consistency}"`);
  }
  const asked = toCount(minRevision, "minRevision");
  const seen = consistency === "session" ? BigInt(seenRevision) : 0n;
  return {
    consistency: CONSISTENCY_OF[consistency],
    minRevision: seen > asked ? seen : asked,
    maxStalenessMs: toCount(maxStalenessMs, "maxStalenessMs"),
    revision: toCount(revision, "revision"),
  };
}

/** What a conditional write asks for, as the request's fields. */
export function conditionFields(
  options: Pick<ConditionalWriteOptions, "expectedModRevision" | "returnPrevious">,
): { returnPrevious: boolean; expectedModRevision: bigint | undefined } {
  return {
    returnPrevious: options.returnPrevious ?? false,
    expectedModRevision: expectedModRevision(options),
  };
}

/** The revision that a conditional write expects; undefined for whichever. */
export function expectedModRevision({
  expectedModRevision: expected,
}: Pick<ConditionalWriteOptions, "expectedModRevision">): bigint | undefined {
  return expected === undefined ? undefined : toCount(expected, "expectedModRevision");
}
