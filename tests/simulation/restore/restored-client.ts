import type { Answer, SessionState } from "@quorate/services/kv";
import { ReadExpired, type Replica, StoreFailure, type SubmitOutcome } from "@quorate/services/replica";
import { Violation } from "../violation";
import type { SimulatedWorld } from "../world/world";

const TRY_US = 1_000_000;
const AGAIN_US = 100_000;
/** In which everything that is asked has an answer. */
const IN_ALL_US = 240_000_000;

const LINEARIZABLE = {
  namespace: "",
  consistency: "linearizable",
  revision: 0,
  minRevision: 0,
  maxStalenessMs: 0,
} as const;

/** Asks whoever leads, one thing after another, until there is an answer. Each call throws Violation. */
export class RestoredClient {
  constructor(private readonly world: SimulatedWorld) {}

  /** The member that leads, as far as anybody does. */
  get leader(): string | null {
    return (
      this.world.seats.find(({ condition, replica }) => condition === "up" && replica?.isLeader === true)
        ?.id ?? null
    );
  }

  /** Asks until some member says what came of it: a command with a request id is carried out once all the same. */
  async submit(command: Uint8Array): Promise<Answer> {
    for (;;) {
      const outcome = await this.ask<SubmitOutcome>((replica) => replica.submit(command));
      if (outcome?.kind === "applied") return outcome.answer;
      await this.pass(AGAIN_US);
    }
  }

  async readRevision(): Promise<number> {
    for (;;) {
      const point = await this.ask((replica) => replica.readPoint(LINEARIZABLE));
      if (point?.kind === "ready") return point.revision;
      await this.pass(AGAIN_US);
    }
  }

  async read(key: Uint8Array): Promise<{ readonly value: Uint8Array; readonly modRevision: number } | null> {
    for (;;) {
      const found = await this.ask(async (replica) => {
        const point = await replica.readPoint(LINEARIZABLE);
        if (point.kind !== "ready") return null;
        const { namespaceId, generation, revision } = point;
        return replica.state.records({ namespaceId, generation, revision, keys: [key], keysOnly: false });
      });
      if (found != null) return found[0] ?? null;
      await this.pass(AGAIN_US);
    }
  }

  /** null where it has ended. */
  async session(clientId: number): Promise<SessionState | null> {
    for (;;) {
      const sessions = await this.ask(async (replica) =>
        (await replica.readPoint(LINEARIZABLE)).kind === "ready" ? replica.resident().sessions : null,
      );
      if (sessions !== null) return sessions.find((session) => session.clientId === clientId) ?? null;
      await this.pass(AGAIN_US);
    }
  }

  /** In the leader's process; null where there is none, where it ends, and where it takes too long. */
  private async ask<Result>(run: (replica: Replica) => Promise<Result>): Promise<Result | null> {
    const { leader, world } = this;
    if (leader === null) return null;
    let answer: { readonly result: Result | null } | null = null;
    world.call(leader, (replica) => {
      void run(replica).then(
        (result) => {
          answer = { result };
        },
        (error: unknown) => {
          answer = { result: null };
          // Its process has ended, or the namespace was truncated.
          if (error instanceof StoreFailure || error instanceof ReadExpired) return;
          world.fail(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
    await world.run(() => answer !== null, world.timeline.nowUs + TRY_US);
    return (answer as { readonly result: Result | null } | null)?.result ?? null;
  }

  private async pass(durationUs: number): Promise<void> {
    const { world } = this;
    if (world.timeline.nowUs > IN_ALL_US)
      throw new Violation("liveness", "every operation ends", "in the restored cluster");
    await world.run(() => false, world.timeline.nowUs + durationUs);
  }
}
