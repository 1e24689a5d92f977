import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { MembershipState } from "#kv";
import {
  type ImageChunk,
  ImageDamaged,
  type ImageHeader,
  type OpenedState,
  ReceiverFailure,
  type StateReceiver,
  StoreFailure,
} from "#replica";
import { assert } from "#std";
import { forceIntoTables } from "./checkpoint";
import { openDatabase } from "./database";
import { DatabaseHandle } from "./database-handle";
import { syncDirectory } from "./durable-file";
import { errorText, isShortage } from "./error-fields";
import { headOfImage, ImageReader } from "./image-rows";
import { RecordWriter } from "./record-writer";
import { readContents, type StateContents } from "./state-contents";
import { STATE_DATABASE_OPTIONS } from "./state-create";
import { freshStateName } from "./state-directory";
import { writeHead, writeMembership } from "./state-records";

/** A state that was received whole: durable in a directory of its own, and open. */
export interface WholeState {
  readonly name: string;
  readonly handle: DatabaseHandle;
  readonly contents: StateContents;
}

/** Checkpoints count only when LevelDB has dropped its log, which it may be slow to do. */
const CHECKPOINT_ATTEMPTS_MAX = 4;

/** A state directory beside the present one, which nothing names until it is whole. */
export class LevelStateReceiver implements StateReceiver {
  private whole: WholeState | null = null;
  private isTaken = false;
  private isAbandoned = false;
  private queue: Promise<unknown> = Promise.resolve();
  private readonly writer = new RecordWriter();

  private constructor(
    private readonly dataPath: string,
    private readonly name: string,
    private readonly handle: DatabaseHandle,
    private readonly reader: ImageReader,
  ) {}

  /** @throws ImageDamaged for a format that is not this store's, or StoreFailure; see ReceiverFailure */
  static async create(dataPath: string, header: ImageHeader): Promise<LevelStateReceiver> {
    const reader = new ImageReader(header);
    try {
      return await LevelStateReceiver.createIn(dataPath, await freshStateName(dataPath), reader);
    } catch (error) {
      throw ownFailure(error);
    }
  }

  private static async createIn(
    dataPath: string,
    name: string,
    reader: ImageReader,
  ): Promise<LevelStateReceiver> {
    const path = join(dataPath, name);
    const opened = await openDatabase(path, "create", STATE_DATABASE_OPTIONS).catch(
      async (error: unknown) => {
        await removeUnused(path);
        throw error;
      },
    );
    if (opened.kind === "locked") throw new StoreFailure(`${path} is in use`, { dataLoss: false });
    return new LevelStateReceiver(
      dataPath,
      name,
      new DatabaseHandle(opened.database, `the state in ${path}`),
      reader,
    );
  }

  get header(): ImageHeader {
    return this.reader.header;
  }

  get position(): Uint8Array | null {
    return this.reader.position;
  }

  put(chunk: ImageChunk): Promise<void> {
    return this.inTurn(async () => {
      const batch = this.handle.database.batch();
      for (const [key, value] of this.reader.take(chunk)) batch.put(key, value);
      await this.handle.write(batch, { sync: false });
    });
  }

  async complete(): Promise<OpenedState> {
    const { contents } = await this.completeWith(null);
    return { resident: contents.resident, applied: contents.head.applied };
  }

  /** @param membership takes the place of the one that the image has; null to keep that */
  completeWith(membership: MembershipState | null): Promise<WholeState> {
    return this.inTurn(async () => {
      if (this.whole !== null && membership === null) return this.whole;
      // The head comes last: without it there is no state in this directory.
      await this.putHead(membership);
      if (!(await this.makeDurable())) {
        // LevelDB tells the next write what went wrong, and nobody else.
        await this.putHead(membership);
        throw this.handle.fault("could not be made durable", new Error("LevelDB keeps its log"));
      }
      const contents = await readContents(this.handle.database, join(this.dataPath, this.name));
      this.checkCounts(contents);
      this.whole = { name: this.name, handle: this.handle, contents };
      return this.whole;
    });
  }

  /** Hands over the state that was received whole, once. */
  take(): WholeState {
    const { whole } = this;
    assert(
      whole !== null && !this.isTaken && !this.isAbandoned,
      "a state is installed that was received whole",
    );
    this.isTaken = true;
    return whole;
  }

  async abandon(): Promise<void> {
    if (this.isTaken || this.isAbandoned) return;
    this.isAbandoned = true;
    this.handle.end("is abandoned", { dataLoss: false });
    await this.queue.catch(() => undefined);
    await this.handle.close();
    await removeUnused(join(this.dataPath, this.name));
  }

  private inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const ran = this.queue.then(async () => {
      assert(!this.isTaken, "nothing is put into what was installed");
      try {
        this.handle.check();
        return await run();
      } catch (error) {
        throw ownFailure(error);
      }
    });
    this.queue = ran.catch(() => undefined);
    return ran;
  }

  private async putHead(membership: MembershipState | null): Promise<void> {
    const head = headOfImage(this.reader.head());
    const batch = this.handle.database.batch();
    if (membership !== null) writeMembership(this.writer, membership).putInto(batch);
    writeHead(this.writer, head).putInto(batch);
    await this.handle.write(batch, { sync: true });
  }

  /** Batches that were not synced are in the log files of before, which a sync does not reach. @returns whether they went */
  private async makeDurable(): Promise<boolean> {
    const { database } = this.handle;
    try {
      let isDone = false;
      for (let attempt = 0; attempt < CHECKPOINT_ATTEMPTS_MAX && !isDone; attempt += 1) {
        isDone = await forceIntoTables(database);
      }
      if (!isDone) return false;
      await syncDirectory(database.location);
      await syncDirectory(this.dataPath);
      return true;
    } catch (error) {
      throw this.handle.fault("could not be made durable", error);
    }
  }

  /** A key that its sender's disk hides is missing in the image, and in no other way to be seen. */
  private checkCounts({ resident }: StateContents): void {
    for (const { id, name, generation, keyCount } of resident.namespaces) {
      const keys = this.reader.keysOf(id, generation);
      if (keys !== keyCount) {
        throw new ImageDamaged(`namespace ${name} has ${keyCount} keys, and ${keys} of them came`);
      }
    }
  }
}

/** Where there is merely no room for it, this state is lost and nothing else; any other failure is the disk's. */
function ownFailure(error: unknown): unknown {
  if (!isShortage(error)) return error;
  return new ReceiverFailure(`there is no room for the state of a peer: ${errorText(error)}`, {
    cause: error,
  });
}

async function removeUnused(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // Whatever stays of it is removed when the directory is opened next; the present state has nothing to do with it.
  }
}
