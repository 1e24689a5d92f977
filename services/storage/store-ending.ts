import { StoreFailure } from "#replica";
import { causeOf, errorCode, errorText } from "./error-fields";

/** How a store ends: with its first failure, which each later call meets. */
export class StoreEnding {
  private failure: StoreFailure | null = null;

  /** @param name what messages call it, such as "the log in D/log" */
  constructor(readonly name: string) {}

  /** @throws StoreFailure once the store has ended */
  check(): void {
    if (this.failure !== null) throw this.failure;
  }

  /** Ends it, unless it has ended; returns what it ended with. */
  end(message: string, options: { readonly dataLoss: boolean; readonly cause?: unknown }): StoreFailure {
    this.failure ??= new StoreFailure(`${this.name} ${message}`, options);
    return this.failure;
  }

  /** Ends it because what is stored contradicts itself. */
  damaged(what: string): StoreFailure {
    return this.end(`is damaged: ${what}; it must not be served`, { dataLoss: true });
  }

  /** Ends it with an error of the system. */
  fault(doing: string, error: unknown): StoreFailure {
    const cause = causeOf(error);
    const code = errorCode(cause);
    const text = errorText(cause);
    const reason = code === null || text.includes(code) ? text : `${code}: ${text}`;
    return this.end(`${doing}: ${reason}`, { dataLoss: false, cause: error });
  }
}
