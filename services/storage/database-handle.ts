import { StateReplaced } from "#replica";
import type { ChainedBatch, Database, DatabaseSnapshot } from "./database";
import { StoreEnding } from "./store-ending";

/**
 * A database that ends with its first failure. After a failed write LevelDB goes on accepting writes which the torn
 * record makes unreadable later (architecture, Durability), so nothing may be written until it was opened anew.
 */
export class DatabaseHandle extends StoreEnding {
  private closing: Promise<void> | null = null;

  constructor(
    readonly database: Database,
    name: string,
  ) {
    super(name);
  }

  /** Ends the handle because another state took the place of this one. */
  endReplaced(): void {
    this.endWith(new StateReplaced());
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

  close(): Promise<void> {
    this.end("is closed", { dataLoss: false });
    this.closing ??= this.database.close();
    return this.closing;
  }
}
