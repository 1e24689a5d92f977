import { afterEach, describe, expect, it } from "@jest/globals";
import type { NamespaceState } from "@quorate/services/kv";
import { ReadExpired, type StateStore } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { HISTORY_IS_LONG, RandomBatches } from "./random-batches";
import { changeLine, recordLine } from "./state-lines";
import { StateModel } from "./state-model";
import { bytes, NAMESPACE_ID, NEWEST, namespace, text } from "./state-samples";
import type { StateRig } from "./state-store";

/** Few keys are changed again and again, of many most are in no cache. */
const KEY_COUNTS = [3, 30, 300, 300];
const ALL = { start: bytes(""), end: null };
const UNDER_WAY_MAX = 10;

/**
 * What reads of every StateStore must answer that are under way while more is written, compacted and removed: what there
 * was when they were asked.
 */
export function readsAmidWritesCompliance(
  name: string,
  create: (seed: number) => Promise<StateRig>,
  { seeds, batchCount }: { readonly seeds: readonly number[]; readonly batchCount: number },
): void {
  describe(`reads amid writes of the state on ${name}`, () => {
    let rig: StateRig;
    let state: StateStore;

    afterEach(async () => {
      await state.close();
      await rig.dispose();
    });

    it.each(seeds)(
      "each answers as of when it was asked, whatever is changed and given up meanwhile, seed %i",
      async (seed) => {
        rig = await create(seed);
        state = await rig.open();
        const random = seededRandom(seed);
        const keyCount = pick(random, KEY_COUNTS);
        const names = Array.from({ length: keyCount }, (_, at) =>
          `k${at}`.padEnd(at % 11 === 0 ? 60 : 1, "~"),
        );
        const batches = new RandomBatches(random.fork(), names, HISTORY_IS_LONG);
        const model = new StateModel();
        model.namespaces.set(NAMESPACE_ID, namespace());
        const underWay = new UnderWay();
        for (let step = 0; step < batchCount; step += 1) {
          const written = batches.next();
          const writing = state.write(written) ?? Promise.resolve();
          underWay.add(writing);
          model.write(written);
          await Promise.allSettled([writing]);
          for (let left = random.below(5); left > 0; left -= 1) {
            underWay.add(new Asked(random.fork(), state, { model, names }).read());
            if (random.below(4) === 0) await new Promise(setImmediate);
          }
          // So that the next write comes in the midst of whatever steps the reads take.
          for (let left = random.below(8); left > 0; left -= 1) await new Promise(setImmediate);
          const chance = random.below(40);
          if (underWay.size < UNDER_WAY_MAX && chance > 1) continue;
          await underWay.all();
          if (chance === 0) {
            await rig.kill();
            state = await rig.open();
          }
          if (chance === 1) await rig.settle();
        }
        await underWay.all();
      },
    );
  });
}

class UnderWay {
  private promises: Promise<void>[] = [];

  get size(): number {
    return this.promises.length;
  }

  /** A rejection is told of by all(). */
  add(promise: Promise<void>): void {
    promise.catch(() => undefined);
    this.promises.push(promise);
  }

  /** Lets all come to their end before it tells of one that failed. */
  async all(): Promise<void> {
    const { promises } = this;
    this.promises = [];
    await Promise.allSettled(promises);
    await Promise.all(promises);
  }
}

/** A read of a kind drawn at random, and what the model says to it now. */
class Asked {
  private readonly target: NamespaceState;
  private readonly model: StateModel;
  private readonly names: readonly string[];

  constructor(
    private readonly random: Random,
    private readonly state: StateStore,
    { model, names }: { readonly model: StateModel; readonly names: readonly string[] },
  ) {
    this.model = model;
    this.names = names;
    this.target = pick(random, [...model.namespaces.values()]);
  }

  async read(): Promise<void> {
    const kind = this.random.below(10);
    if (kind < 4) await this.someKeys();
    else if (kind < 6) await this.command();
    else if (kind < 8) await this.range();
    else await this.told();
  }

  private async someKeys(): Promise<void> {
    const names = this.someNames();
    await this.keys(names, this.revision());
    // What was found may be in memory now, and must not be taken for what there is.
    const isPresent = this.model.namespaces.get(this.target.id)?.generation === this.target.generation;
    if (isPresent) await this.keys(names, NEWEST);
  }

  private async keys(names: readonly string[], revision: number): Promise<void> {
    const expected = this.expected(names, revision);
    const query = { ...this.space(), keys: names.map(bytes), revision, keysOnly: false };
    const found = await this.state.records(query);
    expect({ revision, found: found.map(recordLine) }).toEqual({ revision, found: expected });
  }

  private async command(): Promise<void> {
    const { target } = this;
    const names = this.someNames();
    const expected = this.expected(names, NEWEST);
    const keys = names.map((name) => ({ ...this.space(), key: bytes(name), withValue: true }));
    const view = await this.state.read({ keys, ranges: [] });
    expect(keys.map(({ key }) => recordLine(view.get(target.id, target.generation, key)))).toEqual(expected);
  }

  private async range(): Promise<void> {
    const revision = this.revision();
    const recordsWanted = pick(this.random, [null, 1, 7, this.names.length]);
    const expected = this.model.recordsAt(this.target, revision).map(recordLine);
    const ahead = recordsWanted === null ? {} : { recordsWanted };
    const query = { ...this.space(), ...ALL, revision, reverse: false, keysOnly: false, ...ahead };
    const { items, hasExpired } = await this.collect(this.state.scan(query), recordLine);
    // What is wanted is read ahead; more than that may be given up meanwhile.
    if (hasExpired) expect(items.length).toBeGreaterThanOrEqual(recordsWanted ?? Number.POSITIVE_INFINITY);
    expect({ revision, items }).toEqual({
      revision,
      items: hasExpired ? expected.slice(0, items.length) : expected,
    });
  }

  private async told(): Promise<void> {
    const { state, model, target, random } = this;
    const first = model.firstEvent(target);
    const from = first + random.below(Math.max(1, model.meta.revision - first + 1));
    const expected = model.history(target.id, from, NEWEST, ALL).map(changeLine);
    const query = { namespaceId: target.id, from, to: NEWEST, range: ALL };
    const { items, hasExpired } = await this.collect(state.history(query), changeLine);
    const present = model.namespaces.get(target.id);
    const isGivenUp = present === undefined || model.firstEvent(present) > from;
    if (hasExpired) expect(isGivenUp).toBe(true);
    expect({ from, items }).toEqual({ from, items: hasExpired ? expected.slice(0, items.length) : expected });
  }

  private async collect<Item>(
    chunks: AsyncIterable<readonly Item[]>,
    show: (item: Item) => string,
  ): Promise<{ readonly items: readonly string[]; readonly hasExpired: boolean }> {
    const items: string[] = [];
    const isSlow = this.random.below(3) === 0;
    try {
      for await (const chunk of chunks) {
        items.push(...chunk.map(show));
        if (isSlow) await new Promise(setImmediate);
      }
    } catch (error) {
      if (!(error instanceof ReadExpired)) throw error;
      return { items, hasExpired: true };
    }
    return { items, hasExpired: false };
  }

  private space(): { readonly namespaceId: number; readonly generation: number } {
    return { namespaceId: this.target.id, generation: this.target.generation };
  }

  /** One that may still be read: the newest, the floor, any between them, or one of the last. */
  private revision(): number {
    const { revision } = this.model.meta;
    const oldest = this.model.oldestReadable(this.target);
    const between = oldest + this.random.below(revision - oldest + 1);
    const recent = Math.max(oldest, revision - this.random.below(20));
    return pick(this.random, [NEWEST, revision, oldest, between, recent, recent]);
  }

  private someNames(): readonly string[] {
    return Array.from({ length: pick(this.random, [1, 3, 20, 60]) }, () => pick(this.random, this.names));
  }

  private expected(names: readonly string[], revision: number): readonly string[] {
    const records = this.model.recordsAt(this.target, revision);
    const byKey = new Map(records.map((record) => [text(record.key), record]));
    return names.map((name) => recordLine(byKey.get(name) ?? null));
  }
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[random.below(items.length)] as Item;
}
