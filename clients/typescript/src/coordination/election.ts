import type { CallOptions, ReadOptions, WriteOptions } from "#client/call-options";
import { type Codec, decodeAt } from "#client/codec";
import { QuorateError } from "#client/errors";
import type { Kv } from "#client/kv";
import type { KvRecord } from "#client/record";
import { Holding } from "./holding";
import { prefixOf } from "./keys";
import { type Ground, Line, type Place } from "./line";
import { HOLD_TTL_MS, type HoldOptions } from "./lock";
import { untilFirst } from "./turn";
import { Waiting } from "./waiting";

/** Who leads. */
export interface Leader<T> {
  /** What the leader has proclaimed. */
  readonly value: T;
  /** The leader's fencing token: higher with each leader. */
  readonly token: number;
}

/** What observing an election takes. */
export interface ObserveOptions extends Pick<CallOptions, "signal"> {}

/** Leadership that this client holds. */
export class Leadership<Input> extends Holding {
  readonly #codec: Codec<unknown, Input>;

  /** Leadership is won by `election.campaign`. */
  constructor(place: Place, name: string, codec: Codec<unknown, Input>) {
    super(place, described(name));
    this.#codec = codec;
  }

  /** Tells those who ask for the leader, or observe it, another value. Fails with CONDITION_FAILED once it is lost. */
  async proclaim(value: Input, options: WriteOptions = {}): Promise<void> {
    await this.put(this.key, this.#codec.encode(value), { ...options, leaseId: this.place.lease.id });
  }

  /** Gives leadership up, for the next candidate. Safe twice. */
  resign(): Promise<void> {
    return this.release();
  }
}

/** An election: of all who campaign one leads at a time, in the order of their coming. */
export class Election<T, Input = T> {
  /** Its name. */
  readonly name: string;
  readonly #ground: Ground;
  readonly #codec: Codec<T, Input>;
  readonly #prefix: string;

  /** Elections are made by `quorate.election`. */
  constructor(ground: Ground, name: string, codec: Codec<T, Input>) {
    this.name = name;
    this.#ground = ground;
    this.#codec = codec;
    this.#prefix = prefixOf("election", name);
  }

  /**
   * Waits until this client leads, behind the candidates who came before.
   *
   * @example
   * const leadership = await quorate.election("scheduler").campaign("host-7");
   * await schedule({ signal: leadership.signal, fencing: leadership.token });
   * await leadership.resign();
   *
   * @param value what the leader is to be known by
   */
  async campaign(value: Input, options: Omit<HoldOptions, "namespace"> = {}): Promise<Leadership<Input>> {
    const waiting = new Waiting(this.#ground.core.timing, described(this.name), options);
    const line = new Line(this.#ground, this.#prefix, "keys");
    try {
      const encoded = this.#codec.encode(value);
      const place = await untilFirst(line, encoded, options.ttlMs ?? HOLD_TTL_MS, waiting);
      return new Leadership(place, this.name, this.#codec);
    } finally {
      waiting.close();
    }
  }

  /** Who leads now; undefined when nobody does. */
  async leader(options: Omit<ReadOptions, "namespace"> = {}): Promise<Leader<T> | undefined> {
    let first: KvRecord | undefined;
    for await (const record of this.#ground.kv.scan({ prefix: this.#prefix }, options)) {
      if (first === undefined || record.createRevision < first.createRevision) first = record;
    }
    return first === undefined ? undefined : this.#leaderOf(first);
  }

  /**
   * Tells who leads, and then each change: another leader, another value, or undefined when nobody leads. Lasts until the
   * loop is left or the signal aborted. Of changes that come faster than they are taken none is left out.
   *
   * @example
   * for await (const leader of quorate.election("scheduler").observe()) console.log(leader?.value ?? "nobody");
   */
  async *observe(options: ObserveOptions = {}): AsyncGenerator<Leader<T> | undefined, void, undefined> {
    let told: KvRecord | null | undefined = null;
    for await (const first of firsts(this.#ground.kv, this.#prefix, options.signal)) {
      if (told !== null && told?.modRevision === first?.modRevision) continue;
      told = first;
      yield first === undefined ? undefined : this.#leaderOf(first);
    }
  }

  #leaderOf(record: KvRecord): Leader<T> {
    return { value: decodeAt(record.keyBytes, record.bytes, this.#codec), token: record.createRevision };
  }
}

/** The first in line whenever the line has changed. */
async function* firsts(
  kv: Kv,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<KvRecord | undefined, void, undefined> {
  while (signal?.aborted !== true) {
    const line = new Map<string, KvRecord>();
    let isWhole = false;
    const options = { currentState: true, ...(signal === undefined ? {} : { signal }) };
    try {
      for await (const event of kv.watch({ prefix }, options)) {
        if (event.kind === "current" || event.kind === "put") line.set(event.record.key, event.record);
        else if (event.kind === "delete") line.delete(event.key);
        else if (event.kind === "truncated") line.clear();
        else isWhole = true;
        if (isWhole) yield earliestOf(line);
      }
      return;
    } catch (thrown) {
      // Only what lies between is lost: it begins anew with the state as it is.
      if (QuorateError.from(thrown).reason !== "COMPACTED") throw thrown;
    }
  }
}

function earliestOf(line: ReadonlyMap<string, KvRecord>): KvRecord | undefined {
  return [...line.values()].sort((left, right) => left.createRevision - right.createRevision)[0];
}

function described(name: string): string {
  return `leadership in the election "${name}"`;
}
