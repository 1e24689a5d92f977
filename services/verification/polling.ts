import type { CountedPeers } from "./counted-peers";
import type { RoundRoot } from "./ports";
import type { Timer } from "./timer";

/** Between two questions for the same thing. */
const POLL_MS = 20;
/** Between two attempts to reach a member, and how many are made. */
const UNREACHED_MS = 250;
const ATTEMPTS_MAX = 4;

/** Asks members for their roots of a round, until they have one or will have none. */
export class Polling {
  constructor(
    private readonly peers: CountedPeers,
    private readonly timer: Timer,
  ) {}

  /** Those that have one, by member. */
  async roots(
    round: number,
    members: readonly string[],
    patience: { readonly ms: number; readonly isOver: () => boolean },
  ): Promise<Map<string, RoundRoot>> {
    const untilMs = this.timer.nowMs + patience.ms;
    const roots = await Promise.all(
      members.map((member) => this.root(member, round, { untilMs, isOver: patience.isOver })),
    );
    const found = new Map<string, RoundRoot>();
    for (const [at, member] of members.entries()) {
      const root = roots[at] ?? null;
      if (root !== null) found.set(member, root);
    }
    return found;
  }

  private async root(
    member: string,
    round: number,
    { untilMs, isOver }: { readonly untilMs: number; readonly isOver: () => boolean },
  ): Promise<RoundRoot | null> {
    let attempts = 0;
    while (!isOver() && !this.timer.isClosed) {
      const answer = await this.peers.root(member, round);
      if (answer?.kind === "done") return answer;
      if (answer?.kind === "unknown") return null;
      attempts = answer === null ? attempts + 1 : 0;
      if (attempts >= ATTEMPTS_MAX || this.timer.nowMs >= untilMs) return null;
      await this.timer.sleep(answer === null ? UNREACHED_MS : POLL_MS);
    }
    return null;
  }
}
