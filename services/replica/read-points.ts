import { oldestReadable } from "#kv";
import type { Index, Term } from "#raft";
import type { Cancellation, ReadOutcome, ReadRequest } from "./outcome";
import type { Clock } from "./ports";
import type { Reads } from "./reads";
import { RevisionWaiters } from "./revision-waiters";
import type { VisibleState } from "./visible-state";

/** Finds out for each read from where in the state it may be answered, and waits until it can be. */
export class ReadPoints {
  private readonly revisions: RevisionWaiters;

  constructor(
    private readonly parts: {
      readonly reads: Reads;
      readonly visible: VisibleState;
      readonly clock: Clock;
      /** Where this member stands now. */
      readonly position: () => { readonly term: Term; readonly appliedIndex: Index };
      /** Of those that wait for a revision. */
      readonly waitingMax: number;
    },
  ) {
    this.revisions = new RevisionWaiters(parts.waitingMax);
  }

  /** Reads without an answer. */
  get size(): number {
    return this.parts.reads.size + this.revisions.size;
  }

  /** Never rejects: what prevented the read is in the outcome. */
  async find(request: ReadRequest, cancellation?: Cancellation): Promise<ReadOutcome> {
    if (request.consistency === "linearizable" && !this.isFreshEnough(request.maxStalenessMs)) {
      const failure = await this.parts.reads.wait(cancellation);
      if (failure !== null) return { kind: failure };
      // Every acknowledged write is applied here now, so a later revision was never acknowledged to anyone.
      if (request.minRevision > this.revision) return { kind: "future_revision", revision: this.revision };
    }
    if (request.minRevision > this.revision) {
      const failure = await this.revisions.wait(request.minRevision, cancellation);
      if (failure !== null) return { kind: failure };
    }
    return this.here(request);
  }

  /** The state has advanced. */
  applied(): void {
    this.revisions.reached(this.revision);
  }

  /** Ends every read that waits for a revision. */
  settleAll(failure: "store_lost" | "stopping"): void {
    this.revisions.settleAll(failure);
  }

  private here(request: ReadRequest): ReadOutcome {
    const namespace = this.parts.visible.namespace(request.namespace);
    if (namespace === null) return { kind: "unknown_namespace" };
    const current = this.revision;
    if (request.revision > current) return { kind: "future_revision", revision: current };
    const oldestRevision = oldestReadable(namespace, this.parts.visible.meta);
    if (request.revision !== 0 && request.revision < oldestRevision) {
      return { kind: "compacted", oldestRevision };
    }
    return {
      kind: "ready",
      revision: request.revision === 0 ? current : request.revision,
      ...this.parts.position(),
      namespaceId: namespace.id,
      generation: namespace.generation,
    };
  }

  private isFreshEnough(maxStalenessMs: number): boolean {
    if (maxStalenessMs === 0) return false;
    const asOfMs = this.parts.reads.freshAsOfMs;
    return asOfMs !== null && this.parts.clock.monotonicMs() - asOfMs <= maxStalenessMs;
  }

  private get revision(): number {
    return this.parts.visible.revision;
  }
}
