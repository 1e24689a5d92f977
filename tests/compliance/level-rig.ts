import fs from "node:fs";
import { cp, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jest } from "@jest/globals";
import { foundingMembership } from "@quorate/services/kv";
import type { LogStore, StateStore } from "@quorate/services/replica";
import {
  createDataDirectory,
  type DataDirectory,
  DEFAULT_STORE_OPTIONS,
  type OpenedStores,
  openDataDirectory,
  openLogStore,
  openStateStore,
  openStores,
  type StoreOptions,
} from "@quorate/services/storage";
import { ClassicLevel } from "classic-level";

const ADDRESSES = { clientAddress: "127.0.0.1:1", peerAddress: "127.0.0.1:2" };

export const IDENTITY = {
  clusterId: "c1",
  memberId: "n1",
  members: ["n1", "n2", "n3"].map((id) => ({ id, ...ADDRESSES })),
} as const;

export const FOUNDING = foundingMembership(IDENTITY.members);

/** Segments have their size from the start, and each copy of a directory copies that. */
const SEGMENT_BYTES_MAX = 256 * 1024;

/** A data directory of a test, on a real disk. */
export class LevelRig {
  private opened: { close(): Promise<void> }[] = [];
  private copies = 0;
  private spies: { mockRestore(): void }[] = [];

  private readonly options: Partial<StoreOptions>;

  private constructor(
    private readonly root: string,
    options: Partial<StoreOptions>,
  ) {
    this.options = { logSegmentBytesMax: SEGMENT_BYTES_MAX, ...options };
  }

  static async create(options: Partial<StoreOptions> = {}): Promise<LevelRig> {
    const rig = new LevelRig(await mkdtemp(join(tmpdir(), "quorate-storage-")), options);
    const created = await createDataDirectory({ path: rig.path, ...IDENTITY });
    if (created.kind !== "opened") throw new Error(created.message);
    return rig;
  }

  get path(): string {
    return join(this.root, `data-${this.copies}`);
  }

  async directory(): Promise<DataDirectory> {
    const outcome = await openDataDirectory({ path: this.path, clusterId: "c1", memberId: "n1" });
    if (outcome.kind !== "opened") throw new Error(outcome.message);
    return outcome.directory;
  }

  /** Both stores, which must agree. */
  async openStores(): Promise<OpenedStores> {
    const outcome = await openStores(await this.directory(), this.options);
    if (outcome.kind === "refused") throw new Error(outcome.message);
    if (outcome.kind === "state_lost") throw outcome.failure;
    this.opened.push(outcome.stores);
    return outcome.stores;
  }

  /** The log alone, whatever the state holds. */
  async openLog(): Promise<LogStore> {
    const { logTailBytesMax, logSegmentBytesMax } = { ...DEFAULT_STORE_OPTIONS, ...this.options };
    const outcome = await openLogStore({
      path: join(this.path, "log"),
      tailBytesMax: logTailBytesMax,
      segmentBytesMax: logSegmentBytesMax,
    });
    if (outcome.kind !== "opened") throw new Error("the log is in use");
    this.opened.push(outcome.log);
    return outcome.log;
  }

  /** The state alone, whatever the log holds. */
  async openState(): Promise<StateStore> {
    const limits = { ...DEFAULT_STORE_OPTIONS, ...this.options };
    const outcome = await openStateStore(
      { dataPath: this.path, founding: FOUNDING },
      { ...limits, cacheBytesMax: limits.recordCacheBytesMax },
    );
    if (outcome.kind !== "opened") throw new Error("the state is in use");
    this.opened.push(outcome.state);
    return outcome.state;
  }

  /** Resolves when the stores have nothing left to remove. */
  async settle(): Promise<void> {
    for (const store of this.opened) await (store as Partial<Settling>).settle?.();
  }

  async close(): Promise<void> {
    for (const spy of this.spies) spy.mockRestore();
    this.spies = [];
    for (const store of this.opened) await store.close();
    this.opened = [];
  }

  /** Goes on with a copy of the files as they are when all was written: what a process leaves behind that is killed then. */
  async kill(): Promise<void> {
    for (const store of this.opened) {
      const state = "state" in store ? store.state : store;
      // A store that has failed leaves what it has.
      await (state as Partial<Flushing>).flush?.().catch(() => undefined);
    }
    await this.crash();
  }

  /** Goes on with a copy of the files as they are now, whatever is still to be written to them. */
  async crash(): Promise<void> {
    const before = this.path;
    this.copies += 1;
    await copyAsOfOneMoment(before, this.path);
    await this.close();
  }

  /** @param said by LevelDB */
  failNextWrite(said = "IO error: No space left on device"): void {
    failNextLevelWrite(said);
  }

  /** What is to be written waits, until the function that this returns is called. */
  holdWrites(): () => void {
    return holdLevelWrites();
  }

  /** @param code what the system says */
  failNextLogWrite(code = "ENOSPC"): void {
    onNextWrite((_, done) => setImmediate(() => done(systemError(code))));
  }

  /** The next write is done in part. @param code what the system says when it is asked for the rest; null: it does it */
  shortenNextLogWrite(code: string | null = null): void {
    onNextWrite(([descriptor, bytes, from, length, at], done, write) => {
      if (code !== null) this.failNextLogWrite(code);
      write(descriptor, bytes, from, Math.floor((length as number) / 2), at, done);
    });
  }

  /** No file of the log can be made any more. */
  failLogCreations(): void {
    const spy = jest.spyOn(fs, "open") as unknown as jest.SpiedFunction<(...given: unknown[]) => void>;
    this.spies.push(spy);
    spy.mockImplementation((...given) => {
      setImmediate(() => (given.at(-1) as Done)(systemError("EMFILE")));
    });
  }

  async dispose(): Promise<void> {
    await this.close();
    await rm(this.root, { recursive: true, force: true });
  }
}

type Write = (...given: unknown[]) => void;
type Done = (error: Error) => void;

/** Stands in for one call of fs.write(), given what it was given, what it is to call when done, and the real one. */
function onNextWrite(standIn: (given: unknown[], done: Done, write: Write) => void): void {
  const write = fs.write as unknown as Write;
  const spy = jest.spyOn(fs, "write") as unknown as jest.SpiedFunction<Write>;
  spy.mockImplementationOnce((...given) => {
    spy.mockRestore();
    standIn(given, given.at(-1) as Done, write);
  });
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: refused by the test`), { code });
}

interface Settling {
  settle(): Promise<void>;
}

interface Flushing {
  flush(): Promise<void>;
}

/** LevelDB may be making tables of its own accord: a copy counts when no file but its logs changed meanwhile. */
async function copyAsOfOneMoment(from: string, to: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const before = await fileList(from);
    await rm(to, { recursive: true, force: true });
    try {
      await cp(from, to, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    if (before === (await fileList(from))) return;
  }
  throw new Error(`the files in ${from} never come to rest`);
}

async function fileList(path: string): Promise<string> {
  const lines: string[] = [];
  for (const file of await readdir(path, { recursive: true, withFileTypes: true })) {
    const name = join(file.parentPath, file.name);
    const isGrowing = file.name.endsWith(".log");
    const size = isGrowing
      ? ""
      : await stat(name).then(
          ({ size }) => size,
          () => "gone",
        );
    lines.push(`${name} ${size}`);
  }
  return lines.sort().join("\n");
}

let batchPrototype: { write(options?: unknown): Promise<void> } | null = null;

/** Must be called once, before failNextLevelWrite: the class of LevelDB's batches is not exported. */
export async function findBatchClass(): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), "quorate-storage-"));
  const database = new ClassicLevel(path);
  await database.open();
  batchPrototype = Object.getPrototypeOf(database.batch());
  await database.close();
  await rm(path, { recursive: true, force: true });
}

function spyOnWrites() {
  if (batchPrototype === null) throw new Error("findBatchClass() comes first");
  return jest.spyOn(batchPrototype, "write");
}

function failNextLevelWrite(said: string): void {
  const spy = spyOnWrites();
  spy.mockImplementationOnce(() => {
    spy.mockRestore();
    return Promise.reject(new Error(said));
  });
}

function holdLevelWrites(): () => void {
  const write = batchPrototype?.write;
  let resolve = (): void => {};
  const held = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  const spy = spyOnWrites();
  spy.mockImplementation(async function (this: unknown, options?: unknown) {
    await held;
    await write?.call(this as never, options);
  });
  return () => {
    spy.mockRestore();
    resolve();
  };
}
