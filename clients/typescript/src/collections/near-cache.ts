import type { Codec } from "#client/codec";
import { invalidArgument, QuorateError } from "#client/errors";
import type { KeyRange } from "#client/range";
import { manyMayListen } from "#client/signals";
import { pause, type Timing } from "#client/timing";
import type { KvDelete, KvEvent, KvPut, KvTruncated } from "#client/watch/event";
import type { WatchOptions } from "#client/watch/target";
import type { Watch } from "#client/watch/watch";
import { type CollectionItem, idOf, LazyItem } from "./item";

/** How many entries a cache holds unless it is told otherwise. */
export const CACHE_ENTRIES_MAX = 100_000;

const ASKING_MS_MIN = 5;
const ASKING_MS_MAX = 250;

/** For ever, as far as deadlines go. */
const PATIENT_MS = 2 ** 31 - 1;

/** What a cache takes. */
export interface CacheOptions {
  /** The most entries that it may hold, 100,000 by default. Where the collection has more, the cache fails with TOO_LARGE. */
  readonly maxEntries?: number;
  /** How long the first load may take to begin, in milliseconds; the client's `deadlineMs` by default. */
  readonly deadlineMs?: number;
  /** Closes the cache when aborted. */
  readonly signal?: AbortSignal;
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
}

/** What waiting for a revision takes. */
export interface CacheWaitOptions {
  /** In milliseconds; the client's `deadlineMs` by default. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** What a cache needs of its collection. */
export interface CacheSource<T> {
  readonly prefix: string;
  readonly codec: Codec<T, never>;
  readonly timing: Timing;
  readonly deadlineMs: number;
  watch(range: KeyRange, options: WatchOptions): Watch;
}

/**
 * All items of a collection in memory, kept as the cluster has them by a watch. Reads are answered here and at once, from
 * the state of one revision, which only moves forward: what was read once is never read older again. All changes of a
 * write become visible together. How far behind it is depends on the network; `waitFor` waits until it is not.
 *
 * When the history that it needs is gone (a compaction or a truncation while no endpoint could be reached), it loads the
 * collection anew, and answers from what it has until that is complete. It fails, and all reads with it, when the collection outgrows
 * `maxEntries` or the namespace is deleted.
 *
 * Values are shared by all who read them: change copies. Keys that are not text have no id and are left out.
 *
 * @example
 * await using cache = await users.cache();
 * const user = cache.get("ada");
 * const { revision } = await users.put("ada", { ...user, seen: true });
 * await cache.waitFor(revision);
 */
export class NearCache<T> {
  readonly #source: CacheSource<T>;
  readonly #options: CacheOptions;
  readonly #maxEntries: number;
  readonly #closing = new AbortController();
  #items = new Map<string, LazyItem<T>>();
  /** The next state, until it is complete. */
  #loading = new Map<string, LazyItem<T>>();
  /** Changes of revisions that are not complete. */
  #pending: (KvPut | KvDelete | KvTruncated)[] = [];
  #revision = 0;
  #isLoaded = false;
  #failure: QuorateError | null = null;
  #watch: Watch | null = null;
  #wakeAll: (() => void)[] = [];

  /** Made by `collection.cache()`, which waits for the first load. */
  constructor(source: CacheSource<T>, options: CacheOptions) {
    this.#source = source;
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? CACHE_ENTRIES_MAX;
    if (!(this.#maxEntries >= 1)) {
      throw invalidArgument(`maxEntries must be at least 1, not ${this.#maxEntries}`);
    }
    const { signal } = options;
    const close = () => this.close();
    manyMayListen(signal);
    signal?.addEventListener("abort", close);
    this.#closing.signal.addEventListener("abort", () => signal?.removeEventListener("abort", close));
    if (signal?.aborted === true) this.close();
    else this.#keep().catch((thrown: unknown) => this.#fail(QuorateError.from(thrown)));
  }

  /** Waits for the first load. @throws QuorateError what it failed with */
  async loaded(): Promise<void> {
    for (;;) {
      this.#readable();
      if (this.#isLoaded) return;
      await new Promise<void>((resolve) => {
        this.#wakeAll.push(resolve);
      });
    }
  }

  /** The value, or undefined when there is no such id. @throws QuorateError when it cannot be read, or the cache failed */
  get(id: string): T | undefined {
    return this.getItem(id)?.value;
  }

  /** The value with its record. @throws QuorateError when the cache has failed or was closed */
  getItem(id: string): CollectionItem<T> | undefined {
    return this.#readable().get(id);
  }

  has(id: string): boolean {
    return this.#readable().has(id);
  }

  /** Ids with their values, all of one revision, in no particular order. */
  *entries(): Generator<[id: string, value: T], void, undefined> {
    // What changes while somebody walks through it would be of another revision.
    for (const item of [...this.#readable().values()]) yield [item.id, item.value];
  }

  get size(): number {
    return this.#readable().size;
  }

  /** The revision whose state reads are answered from. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Waits until reads are answered from this revision or a later one: with the revision of a write, to read it.
   *
   * @throws QuorateError DEADLINE_EXCEEDED, CANCELLED, or what the cache failed with
   */
  async waitFor(revision: number, options: CacheWaitOptions = {}): Promise<void> {
    const { timing } = this.#source;
    const { signal } = options;
    const deadlineMs = options.deadlineMs ?? this.#source.deadlineMs;
    const endMs = timing.nowMs() + deadlineMs;
    for (let askingMs = ASKING_MS_MIN; ; askingMs = Math.min(2 * askingMs, ASKING_MS_MAX)) {
      this.#readable();
      if (this.#revision >= revision) return;
      if (signal?.aborted === true) throw stopped("given up by its caller", "CANCELLED", signal.reason);
      const leftMs = endMs - timing.nowMs();
      if (leftMs <= 0) {
        throw stopped(
          `the cache is at revision ${this.#revision} and did not reach ${revision} within ${deadlineMs} ms`,
          "DEADLINE_EXCEEDED",
        );
      }
      // A change of another collection moves this one too, but only an answer tells so.
      this.#watch?.askProgress();
      await this.#changeWithin(Math.min(askingMs, leftMs), signal);
    }
  }

  /** Ends the watch and lets go of all entries; reads throw from then on. Safe twice. */
  close(): void {
    this.#fail(stopped("the cache is closed", "CANCELLED"));
  }

  /** Closes the cache at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #readable(): ReadonlyMap<string, LazyItem<T>> {
    if (this.#failure !== null) throw this.#failure;
    return this.#items;
  }

  async #keep(): Promise<void> {
    for (let first = true; this.#failure === null; first = false) {
      this.#loading = new Map();
      this.#pending = [];
      const watch = this.#source.watch({ prefix: this.#source.prefix }, this.#watchOptions(first));
      this.#watch = watch;
      try {
        for await (const event of watch) this.#take(event);
        if (this.#failure === null) throw stopped("the client is closed", "CANCELLED");
      } catch (thrown) {
        const error = QuorateError.from(thrown);
        if (error.reason !== "COMPACTED") throw error;
        // Where history is given up as fast as the state is read, trying without a pause would help nobody.
        await pause(this.#source.timing, ASKING_MS_MAX, this.#closing.signal);
      }
    }
  }

  #watchOptions(first: boolean): WatchOptions {
    const { namespace, deadlineMs } = this.#options;
    const patience = first ? deadlineMs : PATIENT_MS;
    return {
      currentState: true,
      onProgress: (revision) => this.#reach(revision),
      ...(namespace === undefined ? {} : { namespace }),
      ...(patience === undefined ? {} : { deadlineMs: patience }),
    };
  }

  #take(event: KvEvent): void {
    switch (event.kind) {
      case "current":
        this.#hold(this.#loading, event.record.keyBytes, event);
        if (this.#loading.size > this.#maxEntries) throw this.#tooLarge();
        return;
      case "synced":
        this.#items = this.#loading;
        this.#loading = new Map();
        this.#isLoaded = true;
        this.#reach(event.revision);
        return;
      case "put":
      case "delete":
      case "truncated":
        this.#pending.push(event);
        return;
    }
  }

  /** All changes up to the revision were taken. */
  #reach(revision: number): void {
    const changes = this.#pending;
    this.#pending = [];
    for (const change of changes) {
      if (change.kind === "put") this.#hold(this.#items, change.keyBytes, change);
      else if (change.kind === "truncated") this.#items.clear();
      else this.#release(change.keyBytes);
    }
    if (this.#items.size > this.#maxEntries) throw this.#tooLarge();
    this.#revision = Math.max(this.#revision, revision);
    this.#wake();
  }

  #hold(items: Map<string, LazyItem<T>>, keyBytes: Uint8Array, { record }: Pick<KvPut, "record">): void {
    const { prefix, codec } = this.#source;
    const id = idOf(keyBytes, prefix);
    if (id === null) return;
    items.set(id, new LazyItem(id, record, codec));
  }

  #release(keyBytes: Uint8Array): void {
    const id = idOf(keyBytes, this.#source.prefix);
    if (id !== null) this.#items.delete(id);
  }

  #tooLarge(): QuorateError {
    return new QuorateError(
      `the collection "${this.#source.prefix}" holds more than the ${this.#maxEntries} entries (maxEntries) that its cache may`,
      { code: "RESOURCE_EXHAUSTED", reason: "TOO_LARGE" },
    );
  }

  #fail(error: QuorateError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#closing.abort();
    this.#watch?.close();
    this.#items = new Map();
    this.#loading = new Map();
    this.#pending = [];
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#wakeAll;
    this.#wakeAll = [];
    for (const resolve of waiting) resolve();
  }

  async #changeWithin(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    const changed = new AbortController();
    const wake = () => changed.abort();
    this.#wakeAll.push(wake);
    manyMayListen(signal);
    signal?.addEventListener("abort", wake);
    await pause(this.#source.timing, delayMs, changed.signal);
    signal?.removeEventListener("abort", wake);
    this.#wakeAll = this.#wakeAll.filter((waiting) => waiting !== wake);
  }
}

function stopped(message: string, code: "CANCELLED" | "DEADLINE_EXCEEDED", cause?: unknown): QuorateError {
  return new QuorateError(message, { code, reason: code, retryable: code === "DEADLINE_EXCEEDED", cause });
}
