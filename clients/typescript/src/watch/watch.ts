import type { KvEvent } from "./event";
import type { WatchFeed } from "./feed";

/**
 * Changes as they happen, each once, in the order of revisions. A watch goes on by itself when a node fails, a connection
 * breaks or its consumer was slow: from where it was, on any endpoint that works. It never leaves anything out: where the
 * history that it needs is gone, it fails with COMPACTED, and the error's `oldestRevision` is the first revision that a
 * new watch can begin from.
 *
 * It begins when it is made and lasts until it is closed: by `close()`, by leaving a `for await` loop, by its signal, or
 * with the client. The loop ends then without an error. What waits for the consumer is bounded; a slow one costs nobody
 * else anything.
 *
 * A watch with `currentState` whose stream breaks within the state begins it anew as long as nothing of it was taken.
 * After that it reads the rest as of the same revision; if that revision is compacted (or the namespace truncated) before
 * the state is complete, the watch fails with COMPACTED too.
 *
 * @example
 * for await (const event of kv.watch({ prefix: "user/" })) {
 *   if (event.kind === "put") console.log(event.key, event.record.text());
 * }
 */
export class Watch<Told = KvEvent> implements AsyncIterableIterator<Told, undefined> {
  readonly #feed: WatchFeed;
  readonly #read: (event: KvEvent) => Told;

  /** Watches are made by `kv.watch` and `collection.watch`. */
  constructor(feed: WatchFeed, read: (event: KvEvent) => Told) {
    this.#feed = feed;
    this.#read = read;
  }

  /**
   * How far the watch has come: all changes up to this revision were taken, and the consumer has come back for more since.
   * To go on later with another watch, keep this and begin from the revision after it.
   */
  get revision(): number {
    return this.#feed.revision;
  }

  /**
   * Resolves when the watch has begun: without `fromRevision`, writes that are made from then on are told for sure.
   *
   * @throws QuorateError what the watch failed with before that
   */
  opened(): Promise<void> {
    return this.#feed.opened();
  }

  /** Asks how far the watch has come without waiting for a pause of the changes; `onProgress` is told. */
  askProgress(): void {
    this.#feed.askProgress();
  }

  /** The same watch, with what `read` makes of each event; it takes the place of this one. */
  map<Other>(read: (event: Told) => Other): Watch<Other> {
    return new Watch(this.#feed, (event) => read(this.#read(event)));
  }

  /** Ends the watch, here and at the server. What was not taken yet is dropped. Safe twice. */
  close(): void {
    this.#feed.close();
  }

  /** The next event, when there is one. @throws QuorateError when the watch has failed; it has ended then */
  async next(): Promise<IteratorResult<Told, undefined>> {
    try {
      const event = await this.#feed.take();
      return event === null ? { done: true, value: undefined } : { done: false, value: this.#read(event) };
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /** Ends the watch: what leaving a `for await` loop calls. */
  async return(): Promise<IteratorResult<Told, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the watch at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
