import { StateReplaced, StoreFailure } from "#replica";
import type { ChainedBatch, Database, DatabaseSnapshot } from "./database";
import { causeOf, errorCode, errorText } from "./error-fields";

/**
 * A database that ends with its first failure. After a failed write LevelDB goes on accepting writes which the torn
 * record makes unreadable later (architecture, Durability), so nothing may be written until it was opened anew.
 */
export class DatabaseHandle {
  private ending: StoreFailure | StateReplaced | null = null;
  private closing: Promise<void> | null = null;

  /** @param name what messages call it, such as "the log in D/log" */
  constructor(
    readonly database: Database,
    readonly name: string,
  ) {}

  /** @throws StoreFailure once the handle has ended, StateReplaced where another state took its place */
  check(): void {
    if (this.ending !== null) throw this.ending;
  }

  /** Ends the handle, unless it has ended; returns what it ended with. */
  end(message: string, options: { readonly dataLoss: boolean; readonly cause?: unknown }): Error {
    this.ending ??= new StoreFailure(`${this.name} ${message}`, options);
    return this.ending;
  }

  /** Ends the handle because another state took the place of this one. */
  endReplaced(): void {
    this.ending ??= new StateReplaced();
  }

  /** Ends the handle because what is stored contradicts itself. */
  damaged(what: string): Error {
    return this.end(`is damaged: ${what}; it must not be served`, { dataLoss: true });
  }

  async write(batch: ChainedBatch, options: { readonly sync: boolean }): Promise<void> {
    try {
      await batch.write(options);
    } catch (error) {
      throw this.fault("could not be written", error);
    }
    this.check();
  }

  get(key: Uint8Array, snapshot?: DatabaseSnapshot): Uint8Array | undefined {
    try {
      return snapshot === undefined ? this.database.getSync(key) : this.database.getSync(key, { snapshot });
    } catch (error) {
      throw this.fault("could not be read", error);
    }
  }

  async getMany(keys: Uint8Array[], snapshot: DatabaseSnapshot): Promise<(Uint8Array | undefined)[]> {
    if (keys.length === 0) return [];
    try {
      return await this.database.getMany(keys, { snapshot });
    } catch (error) {
      throw this.fault("could not be read", error);
    }
  }

  /** Ends the handle with an error that LevelDB gave. */
  fault(doing: string, error: unknown): Error {
    const cause = causeOf(error);
    return this.end(`${doing}: ${errorText(cause)}`, {
      dataLoss: errorCode(cause) === "LEVEL_CORRUPTION",
      cause: error,
    });
  }

  close(): Promise<void> {
    this.end("is closed", { dataLoss: false });
    this.closing ??= this.database.close();
    return this.closing;
  }
}
