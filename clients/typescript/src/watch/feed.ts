import type { WatchResponse } from "@quorate/proto/kv";
import { type Core, checkedDeadlineMs } from "#client/core";
import { QuorateError } from "#client/errors";
import { toNumber } from "#client/numbers";
import { scanRecords } from "#client/scan";
import { manyMayListen } from "#client/signals";
import { pause } from "#client/timing";
import type { Attachment } from "./attachment";
import { Backlog } from "./backlog";
import type { KvEvent } from "./event";
import { Outage } from "./outage";
import { failureOf, reactionTo } from "./reaction";
import { type Need, type Received, Reception } from "./reception";
import { rangeOf, type WatchFields, type WatchOptions } from "./target";

/** Why a stream no longer feeds a watch. */
type Ending =
  | { readonly kind: "failed"; readonly error: QuorateError }
  /** Too much waits for the consumer. */
  | { readonly kind: "full" }
  | { readonly kind: "closed" };

/** What brings one watch from the cluster to its consumer, over one stream after the other. */
export class WatchFeed {
  readonly #core: Core;
  readonly #fields: WatchFields;
  readonly #reception: Reception;
  readonly #backlog = new Backlog();
  readonly #outage: Outage;
  readonly #onProgress: (revision: number) => void;
  readonly #leaving = new AbortController();
  readonly #forget: () => void;
  /** Those who wait for anything at all to change here. */
  #wakeAll: (() => void)[] = [];
  #attachment: Attachment | null = null;
  #hasBegun = false;
  #hasHanded = false;
  #failure: QuorateError | null = null;
  #revision: number;

  /** @throws QuorateError INVALID_ARGUMENT or, once the client is closed, CANCELLED */
  constructor(core: Core, fields: WatchFields, options: WatchOptions) {
    core.plan({});
    const { signal, fromRevision, deadlineMs } = options;
    this.#core = core;
    this.#fields = fields;
    this.#onProgress = options.onProgress ?? (() => undefined);
    this.#revision = (fromRevision ?? 1) - 1;
    this.#outage = new Outage(core, checkedDeadlineMs(deadlineMs ?? core.deadlineMs));
    this.#reception = new Reception(
      { fromRevision, currentState: options.currentState ?? false },
      (received) => this.#backlog.push(received),
    );
    const close = () => this.close();
    const forget = core.watches.add(this);
    this.#forget = () => {
      forget();
      signal?.removeEventListener("abort", close);
    };
    manyMayListen(signal);
    signal?.addEventListener("abort", close);
    if (signal?.aborted === true) this.close();
    else this.#run().catch((thrown: unknown) => this.#fail(QuorateError.from(thrown)));
  }

  /** All changes up to this revision were taken. */
  get revision(): number {
    return this.#revision;
  }

  /** The next event; null when the watch was closed. @throws QuorateError once, when the watch has failed */
  async take(): Promise<KvEvent | null> {
    for (;;) {
      const item = this.#backlog.shift();
      if (item !== undefined) {
        const event = this.#handOver(item);
        if (event !== null) return event;
        continue;
      }
      const failure = this.#failure;
      this.#failure = null;
      if (failure !== null) throw failure;
      if (this.#isClosed) return null;
      await this.#change();
    }
  }

  /** Resolves when the watch has begun at the server. @throws QuorateError when it fails or is closed before */
  async opened(): Promise<void> {
    while (!this.#hasBegun) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#isClosed) {
        throw new QuorateError("the watch was closed before it began", {
          code: "CANCELLED",
          reason: "CANCELLED",
        });
      }
      await this.#change();
    }
  }

  askProgress(): void {
    this.#attachment?.askProgress();
  }

  close(): void {
    this.#backlog.clear();
    this.#end();
  }

  get #isClosed(): boolean {
    return this.#leaving.signal.aborted;
  }

  #handOver(item: Received): KvEvent | null {
    if (this.#backlog.isEmpty) this.#wake();
    if (item.kind === "event") {
      const { event } = item;
      this.#hasHanded = true;
      if ("revision" in event) this.#core.seen.note(this.#fields.namespace, event.revision);
      return event;
    }
    this.#revision = item.revision;
    this.#onProgress(item.revision);
    return null;
  }

  #fail(error: QuorateError): void {
    if (this.#isClosed) return;
    this.#failure = error;
    this.#end();
  }

  #end(): void {
    this.#leaving.abort();
    this.#attachment?.detach();
    this.#attachment = null;
    this.#forget();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#wakeAll;
    this.#wakeAll = [];
    for (const resolve of waiting) resolve();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeAll.push(resolve);
    });
  }

  /** Resolves when the consumer has taken everything, or the watch is closed. */
  async #taken(): Promise<void> {
    while (!this.#backlog.isEmpty && !this.#isClosed) await this.#change();
    this.#outage.over();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const need = this.#reception.need();
      const ending = need.kind === "watch" ? await this.#follow(need) : await this.#readState(need);
      if (ending?.kind === "full") await this.#taken();
      if (ending?.kind === "failed") await this.#recover(ending.error);
    }
  }

  /** Receives from a stream for as long as that goes well. */
  #follow(need: Need & { readonly kind: "watch" }): Promise<Ending> {
    const endpoint = this.#core.pool.current();
    const { startRevision, withCurrentState } = need;
    return new Promise((resolve) => {
      const finish = (ending: Ending) => {
        this.#leaving.signal.removeEventListener("abort", onClosed);
        this.#attachment?.detach();
        this.#attachment = null;
        resolve(ending);
      };
      const onClosed = () => finish({ kind: "closed" });
      this.#leaving.signal.addEventListener("abort", onClosed);
      this.#outage.at(endpoint.address);
      this.#attachment = this.#core.watches.streamTo(endpoint).attach(
        { ...this.#fields, startRevision: BigInt(startRevision), withCurrentState },
        {
          onResponse: (response) => {
            this.#onResponse(response, finish);
            return this.#backlog.isFull;
          },
          onLost: (error) => finish({ kind: "failed", error }),
        },
      );
    });
  }

  #onResponse(response: WatchResponse, finish: (ending: Ending) => void): void {
    if (response.response?.$case === "ended") {
      finish({ kind: "failed", error: failureOf(response.response.value) });
      return;
    }
    // What is left unread here is told again when the consumer has caught up.
    if (this.#backlog.isFull) {
      finish({ kind: "full" });
      return;
    }
    this.#reception.onResponse(response);
    // Its records are those of that revision, though each of them may be older.
    if (response.response?.$case === "current") {
      this.#core.seen.note(this.#fields.namespace, toNumber(response.header?.revision ?? 0n));
    }
    this.#hasBegun = true;
    // A watch that ends as soon as it has begun has not come any further.
    if (response.response?.$case !== "created") this.#outage.over();
    this.#wake();
  }

  /** Receives the rest of a state whose first part came from a stream: it is read at the same revision. */
  async #readState({ revision, after }: Need & { readonly kind: "state" }): Promise<Ending | null> {
    const { start, end } = rangeOf(this.#fields);
    this.#outage.at(this.#core.pool.current().address);
    try {
      const records = scanRecords(
        this.#core,
        this.#fields.namespace,
        { start: after ?? start, end },
        { revision, signal: this.#leaving.signal },
      );
      for await (const record of records) {
        this.#outage.over();
        this.#reception.onStateRecord(record);
        this.#wake();
        if (this.#backlog.isFull) await this.#taken();
      }
      this.#reception.onStateEnd();
      this.#wake();
      return null;
    } catch (thrown) {
      return { kind: "failed", error: QuorateError.from(thrown) };
    }
  }

  /** Prepares for going on after a failure, or fails the watch. */
  async #recover(error: QuorateError): Promise<void> {
    if (this.#isClosed) return;
    const canRestart = this.#reception.isAmidState && !this.#hasHanded;
    if (canRestart) {
      this.#backlog.clear();
      this.#reception.restartState();
    }
    const isFinal = reactionTo(error) === "fail" && !(canRestart && error.reason === "COMPACTED");
    if (isFinal) return this.#fail(error);
    if (error.reason === "SLOW_WATCHER") await this.#taken();
    const delayMs = this.#outage.afterFailure(error, this.#hasBegun);
    if (delayMs === null) return this.#fail(error);
    if (delayMs > 0) await pause(this.#core.timing, delayMs, this.#leaving.signal);
  }
}
