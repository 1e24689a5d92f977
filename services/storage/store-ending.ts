import { type StateReplaced, StoreFailure } from "#replica";
import { causeOf, errorCode, errorText } from "./error-fields";

/** How a store ends: with its first failure, which each later call meets. */
export class StoreEnding {
  private ending: StoreFailure | StateReplaced | null = null;

  /** @param name what messages call it, such as "the log in D/log" */
  constructor(readonly name: string) {}

  /** @throws StoreFailure once the store has ended, or what else it was ended with */
  check(): void {
    if (this.ending !== null) throw this.ending;
  }

  /** Ends it, unless it has ended; returns what it ended with. */
  end(message: string, options: { readonly dataLoss: boolean; readonly cause?: unknown }): Error {
    return this.endWith(new StoreFailure(`${this.name} ${message}`, options));
  }

  /** The same with an error that is there. */
  endWith(ending: StoreFailure | StateReplaced): Error {
    this.ending ??= ending;
    return this.ending;
  }

  /** Ends it because what is stored contradicts itself. */
  damaged(what: string): Error {
    return this.end(`is damaged: ${what}; it must not be served`, { dataLoss: true });
  }

  /** Ends it with an error of the system, or of LevelDB. */
  fault(doing: string, error: unknown): Error {
    const cause = causeOf(error);
    return this.end(`${doing}: ${errorText(cause)}`, {
      dataLoss: errorCode(cause) === "LEVEL_CORRUPTION",
      cause: error,
    });
  }
}
