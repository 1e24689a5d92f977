import { StoreFailure } from "#replica";
import type { FailPointName, FailPoints } from "./fail-points";

/** The fail points before and after one kind of call. */
export interface GuardedStep {
  readonly before: FailPointName;
  readonly after?: FailPointName;
}

/** Puts the calls of one opening of a store between fail points, and ends it with the first error, as a store ends. */
export class StoreGuard {
  private readonly crashesBefore: number;
  private failure: StoreFailure | null = null;

  constructor(private readonly failPoints: FailPoints) {
    this.crashesBefore = failPoints.crashes;
  }

  /** @throws StoreFailure once a fail point has ended the store */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  async run<Result>(step: GuardedStep, call: () => Promise<Result>): Promise<Result> {
    await this.pass(step.before);
    const result = await call();
    if (step.after !== undefined) await this.pass(step.after);
    return result;
  }

  private async pass(name: FailPointName): Promise<void> {
    await this.goOn();
    const verdict = this.failPoints.hit(name);
    switch (verdict.kind) {
      case "go_on":
        return;
      case "error":
        this.failure = new StoreFailure(`the store failed at ${name}, as the test asked`, {
          dataLoss: false,
        });
        throw this.failure;
      case "crash":
        return neverReturn();
      case "pause":
        await verdict.released;
        return this.goOn();
    }
  }

  private async goOn(): Promise<void> {
    this.check();
    if (this.failPoints.crashes > this.crashesBefore) await neverReturn();
  }
}

/** A call of a process that is gone. */
function neverReturn(): Promise<void> {
  return new Promise(() => undefined);
}
