import { assert } from "#std";

/**
 * Every place where a fail point stands: before and after each durable step, each send, and each step of a snapshot on
 * either side. A feature that brings a new step adds its names here and hits them in a guard of its own.
 */
export const FAIL_POINTS = [
  "log.append.before",
  "log.append.after",
  "log.reset.before",
  "log.reset.after",
  "log.cut.before",
  "log.cut.after",
  "state.read.before",
  "state.write.before",
  "state.write.after",
  "state.checkpoint.before",
  "state.checkpoint.after",
  // Around each chunk of an image that is read to be sent.
  "state.chunk.before",
  "state.chunk.after",
  "state.receive.before",
  "state.receive.after",
  "state.put.before",
  "state.put.after",
  "state.complete.before",
  "state.complete.after",
  "state.install.before",
  "state.install.after",
  "state.repair.before",
  "state.repair.after",
  "transport.send.before",
  "transport.send.after",
  // Around the question for an image, and each chunk that comes of it.
  "snapshots.fetch.before",
  "snapshots.fetch.after",
  "snapshots.chunk.before",
  "snapshots.chunk.after",
] as const;

export type FailPointName = (typeof FAIL_POINTS)[number];

/**
 * error: a store's call rejects with StoreFailure, and so do all later ones; what is sent is lost, or was sent already.
 * crash: the owner's onCrash is called, and neither that call nor any later one of the same guards ever returns.
 * pause: the call waits until the point is cleared or set anew.
 */
export type FailPointAction = "error" | "crash" | "pause";

/** Which of the hits of a point, counted from when it was set, take effect. */
export interface FailPointWindow {
  /** So many hits pass first. Default 0. */
  readonly afterHits?: number;
  /** After so many the point lets everything pass again. Default: until it is cleared. */
  readonly hits?: number;
}

/** What is to become of one hit. */
export type FailPointVerdict =
  | { readonly kind: "go_on" }
  | { readonly kind: "error" }
  | { readonly kind: "crash" }
  | { readonly kind: "pause"; readonly released: Promise<void> };

/**
 * The fail points of one member, set and cleared while it runs. It outlives the member's process, so a point that is
 * still set meets the next start too. Points are hit by guards (guardLogStore, guardStateStore, guardTransport), which
 * only tests put around the ports: in production there is nothing to hit.
 */
export class FailPoints {
  private readonly onCrash: (name: FailPointName) => void;
  private readonly points = new Map<FailPointName, SetPoint>();
  private readonly hitCounts = new Map<FailPointName, number>();
  private crashCount = 0;

  /** @param onCrash ends the process as SIGKILL would: called from within the call that hit the point */
  constructor({ onCrash }: { readonly onCrash: (name: FailPointName) => void }) {
    this.onCrash = onCrash;
  }

  /** Takes the place of what was set there before, whose pauses end. */
  set(name: FailPointName, action: FailPointAction, window: FailPointWindow = {}): void {
    assert(
      FAIL_POINTS.includes(name),
      `there is no fail point "${name}": they are ${FAIL_POINTS.join(", ")}`,
    );
    const { afterHits = 0, hits = Number.POSITIVE_INFINITY } = window;
    assert(afterHits >= 0 && hits > 0, "a fail point that is set takes effect some time");
    this.clear(name);
    this.points.set(name, new SetPoint(action, { first: afterHits + 1, last: afterHits + hits }));
  }

  /** One point, or all: they let everything pass, and what waits there goes on. */
  clear(name?: FailPointName): void {
    for (const cleared of name === undefined ? FAIL_POINTS : [name]) {
      this.points.get(cleared)?.end();
      this.points.delete(cleared);
    }
  }

  /** How often the point was passed or stopped at, whatever was set there. */
  hits(name: FailPointName): number {
    return this.hitCounts.get(name) ?? 0;
  }

  /**
   * Resolves when what is set there has taken effect once, at once when it has already. Rejects when it is cleared, or
   * set anew, before that.
   */
  reached(name: FailPointName): Promise<void> {
    const point = this.points.get(name);
    assert(point !== undefined, "one waits for a fail point that is set");
    return point.reached;
  }

  /** How often a point has ended the process: a guard that was made before the last time belongs to a dead one. */
  get crashes(): number {
    return this.crashCount;
  }

  /** For guards: a call has come to the point. On a crash onCrash has been called when this returns. */
  hit(name: FailPointName): FailPointVerdict {
    this.hitCounts.set(name, this.hits(name) + 1);
    const verdict = this.points.get(name)?.hit() ?? GO_ON;
    if (verdict.kind === "crash") {
      this.crashCount += 1;
      this.onCrash(name);
    }
    return verdict;
  }
}

const GO_ON: FailPointVerdict = { kind: "go_on" };

/** One setting of one point. */
class SetPoint {
  readonly reached: Promise<void>;
  private readonly released: Promise<void>;
  private hitCount = 0;
  private tellReached: () => void = () => undefined;
  private tellGivenUp: (reason: Error) => void = () => undefined;
  private release: () => void = () => undefined;

  constructor(
    private readonly action: FailPointAction,
    private readonly window: { readonly first: number; readonly last: number },
  ) {
    this.reached = new Promise((resolve, reject) => {
      this.tellReached = resolve;
      this.tellGivenUp = reject;
    });
    // Mostly nobody waits for it, and then it is no failure that it never came.
    this.reached.catch(() => undefined);
    this.released = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  hit(): FailPointVerdict {
    this.hitCount += 1;
    if (this.hitCount < this.window.first || this.hitCount > this.window.last) return GO_ON;
    this.tellReached();
    switch (this.action) {
      case "error":
      case "crash":
        return { kind: this.action };
      case "pause":
        return { kind: "pause", released: this.released };
    }
  }

  end(): void {
    this.release();
    this.tellGivenUp(new Error("the fail point was cleared before anything came to it"));
  }
}
