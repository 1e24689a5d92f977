import type { Patience } from "./patience";
import type { WriteTicket } from "./session";
import type { Timing } from "./timing";
import { WriteQueue } from "./write-queue";

/** Opens and ends sessions at the server; rejects with a QuorateError. */
export interface SessionCalls {
  /** @param withinMs how long the opening may take with its retries */
  open(namespace: string, withinMs: number): Promise<bigint>;
  close(namespace: string, clientId: bigint): Promise<void>;
}

/** The sessions of a client, one a namespace, each opened by the first write that needs it. */
export class Sessions {
  readonly #calls: SessionCalls;
  readonly #timing: Timing;
  readonly #queues = new Map<string, WriteQueue>();

  constructor(calls: SessionCalls, timing: Timing) {
    this.#calls = calls;
    this.#timing = timing;
  }

  /** Begins a write at once; undefined when it has to wait for the session to be open, for room in it, or for others. */
  tryBegin(namespace: string): WriteTicket | undefined {
    return this.#queues.get(namespace)?.tryBegin();
  }

  /**
   * Begins a write: waits for the session to be open and for room in its window, behind those that wait already.
   *
   * @throws QuorateError when the session cannot be opened, or (outcome "not_applied") when the patience ends before
   */
  begin(namespace: string, patience: Patience): Promise<WriteTicket> {
    return this.#queueOf(namespace).begin(patience);
  }

  /** Ends a write whose session the server no longer knows, and begins it in the next one. Throws as begin does. */
  beginAnew(namespace: string, ticket: WriteTicket, patience: Patience): Promise<WriteTicket> {
    return this.#queueOf(namespace).beginAnew(ticket, patience);
  }

  /** Forgets the session of a write, which the server no longer knows; the next write opens another. */
  expired(namespace: string, { session }: WriteTicket): void {
    this.#queueOf(namespace).lose(session);
  }

  /** Ends all sessions at the server, as far as it can be reached. */
  async close(): Promise<void> {
    // A session that could not be ended expires by itself.
    await Promise.allSettled(
      [...this.#queues].map(async ([namespace, queue]) => {
        const session = queue.close();
        if (session !== null) await this.#calls.close(namespace, session.clientId);
      }),
    );
  }

  #queueOf(namespace: string): WriteQueue {
    let queue = this.#queues.get(namespace);
    if (queue === undefined) {
      const open = (withinMs: number): Promise<bigint> => this.#calls.open(namespace, withinMs);
      queue = new WriteQueue(open, this.#timing);
      this.#queues.set(namespace, queue);
    }
    return queue;
  }
}
