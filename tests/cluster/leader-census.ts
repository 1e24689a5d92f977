import { Role } from "@quorate/client/generated";
import type { NodeStatus, TestCluster } from "../support";

/** Who said, in which term, that it leads: noted from the Status of all nodes that answer. */
export class LeaderCensus {
  /** Term to member ids. Raft promises that none has two. */
  readonly leadersByTerm = new Map<number, Set<string>>();
  /** Member id to the terms it reported, in the order reported. */
  readonly termsByMember = new Map<string, number[]>();
  samples = 0;
  readonly #cluster: TestCluster;
  readonly #newestSampleOf = new Map<string, number>();

  private constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  /** Samples at an even pace for a time, or until the body beside it has ended if that takes longer. */
  static async during(
    cluster: TestCluster,
    pace: { readonly everyMs: number; readonly forMs: number },
    body: () => Promise<void>,
  ): Promise<LeaderCensus> {
    const census = new LeaderCensus(cluster);
    let bodyEnded = false;
    const beside = body().finally(() => {
      bodyEnded = true;
    });
    const sampling = async () => {
      const startedAtMs = performance.now();
      const taken: Promise<void>[] = [];
      for (let due = startedAtMs; due < startedAtMs + pace.forMs || !bodyEnded; due += pace.everyMs) {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
        // Not waited for: a node that does not answer yet must not thin out the samples of the others.
        taken.push(census.#take());
      }
      await Promise.all(taken);
    };
    await Promise.all([beside, sampling()]);
    return census;
  }

  /** Asks each node once; one that does not answer says nothing. */
  async #take(): Promise<void> {
    const sample = ++this.samples;
    await Promise.allSettled(
      this.#cluster.live.map(async (node) => this.#note(await this.#cluster.status(node, 1000), sample)),
    );
  }

  #note({ term, role, memberId }: NodeStatus, sample: number): void {
    // An answer that was overtaken by that to a later sample says nothing of the order.
    if (sample > (this.#newestSampleOf.get(memberId) ?? 0)) {
      this.#newestSampleOf.set(memberId, sample);
      const terms = this.termsByMember.get(memberId) ?? [];
      if (terms.at(-1) !== term) terms.push(term);
      this.termsByMember.set(memberId, terms);
    }
    if (role !== Role.LEADER) return;
    const leaders = this.leadersByTerm.get(term) ?? new Set();
    this.leadersByTerm.set(term, leaders.add(memberId));
  }

  /** Terms with more than one leader. */
  get disputedTerms(): number[] {
    return [...this.leadersByTerm].filter(([, leaders]) => leaders.size > 1).map(([term]) => term);
  }

  /** Members that ever reported a lower term than before. */
  get membersThatWentBack(): string[] {
    const wentBack = (terms: readonly number[]) =>
      terms.some((term, at) => at > 0 && term < (terms[at - 1] ?? 0));
    return [...this.termsByMember].filter(([, terms]) => wentBack(terms)).map(([member]) => member);
  }
}
