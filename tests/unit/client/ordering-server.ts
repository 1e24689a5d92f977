import { QuorateError } from "@quorate/client";
import { type Attempt, connectionLost, HEADER, noLeader, sessionExpired } from "./scripted-endpoints";
import type { VirtualTiming } from "./virtual-timing";

export const outOfOrder = new QuorateError("sequence 2 follows 1, which has no answer yet", {
  code: "ABORTED",
  reason: "OUT_OF_ORDER",
  retryable: true,
  outcome: "not_applied",
});

interface OpenSession {
  firstUnanswered: number;
  readonly answered: Set<number>;
}

/** A way to a server that does with each message what the next number says. */
export interface Weather {
  /** The next number, from 0 to 99. */
  readonly draw: () => number;
  /** How long a message takes at most. */
  readonly latencyMsMax: number;
  /** In percent: of requests that never arrive, and of answers that do not. */
  readonly loss: number;
  /**
   * In percent: of requests that arrive once more, later, as those do that a gateway sent on twice. It knows no more of
   * what comes of the other one than of any answer that it waits for in vain.
   */
  readonly copies: number;
  /** In percent: of requests that are turned away before they are looked at. */
  readonly refusals: number;
  /** In percent: of requests that find that all sessions were forgotten. */
  readonly oblivion: number;
}

/** Carries writes out as the contract says of request ids, and remembers in which order. */
export class OrderingServer {
  /** The keys of the puts that were carried out. */
  readonly carriedOut: string[] = [];
  outOfOrder = 0;
  arrivals = 0;
  readonly #sessions = new Map<number, OpenSession>();
  #opened = 0;

  constructor(
    private readonly timing: VirtualTiming,
    private readonly weather: Weather,
  ) {}

  /** For ScriptedEndpoints. */
  answer(attempt: Attempt): Promise<object> {
    const { draw, loss, copies, latencyMsMax } = this.weather;
    return new Promise((resolve, reject) => {
      if (draw() < loss) {
        this.timing.schedule(latencyMsMax, () => reject(connectionLost));
        return;
      }
      const isCopied = draw() < copies;
      this.timing.schedule(this.#latencyMs(), () => {
        const answered = this.#arrive(attempt);
        const found =
          isCopied && answered instanceof QuorateError ? answered.withOutcome("unknown") : answered;
        const isLost = draw() < loss;
        this.timing.schedule(this.#latencyMs(), () => {
          if (isLost) reject(connectionLost);
          else if (found instanceof QuorateError) reject(found);
          else resolve(found);
        });
      });
      if (isCopied) this.timing.schedule(10 * this.#latencyMs(), () => this.#arrive(attempt));
    });
  }

  #latencyMs(): number {
    return (this.weather.draw() / 100) * this.weather.latencyMsMax;
  }

  #arrive({ method, request, requestId }: Attempt): object | QuorateError {
    const { draw, refusals, oblivion } = this.weather;
    this.arrivals += 1;
    if (draw() < refusals) return noLeader;
    if (draw() < oblivion) this.#sessions.clear();
    switch (method) {
      case "OpenSession":
        this.#opened += 1;
        this.#sessions.set(this.#opened, { firstUnanswered: 1, answered: new Set() });
        return { header: HEADER, clientId: BigInt(this.#opened), ttlMs: 1n };
      case "Put":
        return this.#put((request as { key: Uint8Array }).key, (requestId ?? "").split("/").map(Number));
      default:
        return { header: HEADER };
    }
  }

  #put(key: Uint8Array, requestId: readonly number[]): object | QuorateError {
    const [clientId, sequence, firstUnanswered, follows] = requestId as [number, number, number, number];
    const session = this.#sessions.get(clientId);
    if (session === undefined) return sessionExpired;
    const { answered } = session;
    if (sequence < session.firstUnanswered) {
      return new QuorateError("the answer was dropped", {
        code: "FAILED_PRECONDITION",
        reason: "ANSWER_DROPPED",
        outcome: "unknown",
      });
    }
    if (answered.has(sequence)) return { header: HEADER };
    session.firstUnanswered = Math.max(session.firstUnanswered, firstUnanswered);
    const isOvertaken = [...answered].some((other) => other > sequence);
    const isEarly = follows >= session.firstUnanswered && !answered.has(follows);
    if (isOvertaken || isEarly) {
      this.outOfOrder += 1;
      return outOfOrder;
    }
    answered.add(sequence);
    this.carriedOut.push(Buffer.from(key).toString());
    return { header: HEADER };
  }
}
