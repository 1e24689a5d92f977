/*
 * What sessions promise: a request is carried out once and always answered alike, and who has seen a revision is never
 * shown an older one where it asked not to be.
 */

export type SessionEvent = {
  readonly client: string;
  /** Nanoseconds of one monotonic clock. */
  readonly invokeNs: bigint;
  readonly returnNs: bigint;
  /** Of the answer. */
  readonly revision: number;
} & (
  | {
      readonly kind: "write";
      /** null for a write that nobody may repeat. */
      readonly request: { readonly clientId: number; readonly sequence: number } | null;
      /** The whole answer as a text. */
      readonly answer: string;
    }
  | {
      readonly kind: "read";
      /** 0 for none. */
      readonly minRevision: number;
      /** Whether the client is not to be taken back behind what it has seen: such are also linearizable reads. */
      readonly isMonotonic: boolean;
    }
);

/** A request that changed something. */
export interface CarriedOut {
  readonly clientId: number;
  readonly sequence: number;
  readonly revision: number;
}

export interface SessionFault {
  readonly rule: "min_revision" | "goes back" | "applied twice" | "another answer";
  readonly detail: string;
}

/** The first thing wrong of each rule. */
export function checkSessions(
  events: readonly SessionEvent[],
  carriedOut: readonly CarriedOut[],
): readonly SessionFault[] {
  return [
    ...first("min_revision", minRevisionFaults(events)),
    ...first("goes back", backwardFaults(events)),
    ...first("applied twice", repeatedFaults(carriedOut)),
    ...first("another answer", answerFaults(events)),
  ];
}

function* minRevisionFaults(events: readonly SessionEvent[]): Generator<string> {
  for (const event of events) {
    if (event.kind !== "read" || event.revision >= event.minRevision) continue;
    yield `${event.client} asks for revision ${event.minRevision} at least and reads at ${event.revision}`;
  }
}

function* backwardFaults(events: readonly SessionEvent[]): Generator<string> {
  const clients = new Map<string, SessionEvent[]>();
  for (const event of events) {
    const own = clients.get(event.client);
    if (own === undefined) clients.set(event.client, [event]);
    else own.push(event);
  }
  for (const [client, own] of clients) {
    const returned = [...own].sort((left, right) => compare(left.returnNs, right.returnNs));
    const invoked = [...own].sort((left, right) => compare(left.invokeNs, right.invokeNs));
    let seen = 0;
    let at = 0;
    for (const event of invoked) {
      for (; at < returned.length && (returned[at] as SessionEvent).returnNs < event.invokeNs; at += 1) {
        seen = Math.max(seen, (returned[at] as SessionEvent).revision);
      }
      if (event.kind !== "read" || !event.isMonotonic || event.revision >= seen) continue;
      yield `${client} reads at revision ${event.revision} after it has seen ${seen}`;
    }
  }
}

function* repeatedFaults(carriedOut: readonly CarriedOut[]): Generator<string> {
  const revisions = new Map<string, number>();
  for (const { clientId, sequence, revision } of carriedOut) {
    const name = `${clientId}/${sequence}`;
    const before = revisions.get(name);
    if (before !== undefined && before !== revision) {
      yield `the request ${name} changed something at revision ${before} and again at ${revision}`;
    }
    revisions.set(name, revision);
  }
}

function* answerFaults(events: readonly SessionEvent[]): Generator<string> {
  const answers = new Map<string, string>();
  for (const event of events) {
    if (event.kind !== "write" || event.request === null) continue;
    const name = `${event.request.clientId}/${event.request.sequence}`;
    const before = answers.get(name);
    if (before !== undefined && before !== event.answer) {
      yield `the request ${name} is answered ${before}, and then ${event.answer}`;
    }
    answers.set(name, event.answer);
  }
}

function first(rule: SessionFault["rule"], details: Iterable<string>): readonly SessionFault[] {
  for (const detail of details) return [{ rule, detail }];
  return [];
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
