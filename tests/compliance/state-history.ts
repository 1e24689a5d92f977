import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change, NamespaceState, StoredRecord } from "@quorate/services/kv";
import {
  type HistoryQuery,
  type RangeQuery,
  ReadExpired,
  type StateStore,
  StoreFailure,
} from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { RandomBatches } from "./random-batches";
import { changeLine, recordLine } from "./state-lines";
import { StateModel } from "./state-model";
import {
  batch,
  bytes,
  get,
  history,
  meta,
  NAMESPACE_ID,
  NEWEST,
  namespace,
  pairs,
  put,
  remove,
  scan,
  scanned,
  text,
  truncate,
} from "./state-samples";
import type { StateRig } from "./state-store";

const ALL = { start: bytes(""), end: null };

/** What every StateStore must tell of the past, and give up of it, whatever it writes to. */
export function stateHistoryCompliance(name: string, create: () => Promise<StateRig>): void {
  describe(`history of the state on ${name}`, () => {
    let rig: StateRig;
    let state: StateStore;

    beforeEach(async () => {
      rig = await create();
      state = await rig.open();
    });

    afterEach(async () => {
      await state.close();
      await rig.dispose();
    });

    async function reopen(): Promise<void> {
      await rig.kill();
      state = await rig.open();
    }

    it("tells every change as it was written, from each revision on, before and after a restart", async () => {
      const changes = [
        put("a", "1", 1),
        put("b", "1", 2),
        put("c", "1", 2, 1),
        remove("a", 3),
        put("a", "", 4),
        put("b", "2", 5),
      ];
      await state.write(batch(1, changes.slice(0, 3)));
      await state.write(batch(2, changes.slice(3)));
      for (const round of ["written", "reopened"]) {
        if (round === "reopened") await reopen();
        for (let from = 1; from <= 7; from += 1) {
          expect(await history(state, { from })).toEqual(changes.filter(({ revision }) => revision >= from));
        }
        expect(await history(state, { from: 2, to: 3 })).toEqual(changes.slice(1, 4));
        expect(await history(state, { from: 4, to: 3 })).toEqual([]);
      }
    });

    it("tells the changes of keys in a range alone, and all truncations", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2), put("bb", "1", 3), put("c", "1", 4)]));
      const inRange = await history(state, { range: { start: bytes("b"), end: bytes("c") } });
      expect(inRange).toEqual([put("b", "1", 2), put("bb", "1", 3)]);
      const floors = { oldestRevision: 5, firstEventRevision: 5 };
      await state.write(batch(2, [truncate(5)], { namespaces: [namespace({ generation: 2, ...floors })] }));
      const next = put("b", "2", 6, 0, 2);
      await state.write(batch(3, [next, put("z", "2", 7, 0, 2)]));
      const range = { start: bytes("b"), end: bytes("c") };
      expect(await history(state, { from: 5, range })).toEqual([truncate(5), next]);
      await expect(history(state, { from: 4, range })).rejects.toBeInstanceOf(ReadExpired);
      await reopen();
      expect(await history(state, { from: 5, range })).toEqual([truncate(5), next]);
    });

    it("tells many changes in chunks, however few of them are wanted, and a revision may go over several", async () => {
      const changes: Change[] = [];
      for (let revision = 1; revision <= 30; revision += 1) {
        for (let ordinal = 0; ordinal < 60; ordinal += 1) {
          changes.push(
            put(`k${String(ordinal).padStart(2, "0")}`, `v${revision}`.repeat(20), revision, ordinal),
          );
        }
      }
      for (let index = 1; index <= 10; index += 1) {
        await state.write(batch(index, changes.slice((index - 1) * 180, index * 180)));
      }
      expect(await history(state)).toEqual(changes);
      let chunks = 0;
      for await (const chunk of state.history(query())) {
        chunks += 1;
        expect(chunk.length).toBeLessThan(changes.length);
      }
      expect(chunks).toBeGreaterThan(1);
      const one = { start: bytes("k17"), end: bytes("k18") };
      expect((await history(state, { range: one })).map(({ revision }) => revision)).toEqual(
        Array.from({ length: 30 }, (_, at) => at + 1),
      );
    });

    it("tells nothing chunk by chunk where little of much is wanted, so that the read can be ended", async () => {
      const changes = Array.from({ length: 3000 }, (_, at) => put(`k${at}`, "v", at + 1));
      await state.write(batch(1, [...changes, put("z", "v", 3001)]));
      const chunks: (readonly Change[])[] = [];
      const range = { start: bytes("z"), end: null };
      for await (const chunk of state.history(query({ range }))) chunks.push(chunk);
      expect(chunks.filter((chunk) => chunk.length === 0).length).toBeGreaterThan(2);
      expect(chunks.flat()).toEqual([put("z", "v", 3001)]);
    });

    it.each([1, 16, 64, 100])("a compaction when all %i changes were told ends nothing", async (count) => {
      await state.write(
        batch(
          1,
          Array.from({ length: count }, (_, at) => put(`k${at}`, "v", at + 1)),
        ),
      );
      const chunks = state.history(query())[Symbol.asyncIterator]();
      for (let seen = 0; seen < count; ) seen += ((await chunks.next()).value as readonly Change[]).length;
      const floors = { compactedRevision: count + 1 };
      await state.write(batch(2, [put("a", "v", count + 1)], { meta: meta(count + 1, floors) }));
      expect(await chunks.next()).toEqual({ done: true, value: undefined });
    });

    it("keeps the history of namespaces apart, and what is written later out", async () => {
      const other = { ...put("a", "other", 2), namespaceId: 2 } as const;
      const namespaces = [namespace({ id: 2, name: "other" })];
      await state.write(batch(1, [put("a", "1", 1), other, put("a", "2", 3)], { namespaces }));
      expect(await history(state)).toEqual([put("a", "1", 1), put("a", "2", 3)]);
      expect(await history(state, { namespaceId: 2 })).toEqual([other]);
      const chunks = state.history(query())[Symbol.asyncIterator]();
      const seen = [...((await chunks.next()).value ?? [])];
      await state.write(batch(2, [put("a", "3", 4)]));
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        seen.push(...next.value);
      expect(seen.map(({ revision }) => revision)).toEqual([1, 3]);
    });

    it.each([
      ["a namespace", { namespaces: [namespace({ oldestRevision: 5, firstEventRevision: 6 })] }, {}],
      ["all", {}, { compactedRevision: 5 }],
    ])("gives up what a compaction of %s asks for, and no more", async (_, writes, counters) => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2), put("c", "1", 3)]));
      await state.write(batch(2, [put("a", "2", 4), remove("b", 5), put("a", "3", 6), put("b", "3", 7)]));
      await state.write(batch(3, [], { ...writes, meta: meta(7, counters) }));
      for (const round of ["written", "reopened", "settled", "settled and reopened"]) {
        if (round === "settled") await rig.settle();
        if (round.endsWith("reopened")) await reopen();
        for (let revision = 0; revision < 5; revision += 1) {
          await expect(get(state, "a", revision)).rejects.toBeInstanceOf(ReadExpired);
          await expect(scanned(state, { revision })).rejects.toBeInstanceOf(ReadExpired);
          await expect(history(state, { from: revision + 1 })).rejects.toBeInstanceOf(ReadExpired);
        }
        expect(await pairs(state, { revision: 5 })).toEqual(["a=2", "c=1"]);
        expect(await get(state, "b", 5)).toBe(null);
        expect(await pairs(state, { revision: 6 })).toEqual(["a=3", "c=1"]);
        expect(await pairs(state)).toEqual(["a=3", "b=3", "c=1"]);
        expect(await history(state, { from: 6 })).toEqual([put("a", "3", 6), put("b", "3", 7)]);
      }
    });

    it("a key that was deleted before a compaction comes back to life after it", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2), remove("a", 3), remove("b", 4)]));
      await state.write(batch(2, [], { meta: meta(4, { compactedRevision: 4 }) }));
      await rig.settle();
      expect(await pairs(state)).toEqual([]);
      const compacted = { compactedRevision: 4 };
      await state.write(batch(3, [put("a", "2", 5)], { meta: meta(5, compacted) }));
      await state.write(batch(4, [put("a", "3", 6)], { meta: meta(6, compacted) }));
      expect(await get(state, "a", 4)).toBe(null);
      expect(await get(state, "a", 5)).toBe("2");
      await state.write(batch(5, [], { meta: meta(6, { compactedRevision: 6 }) }));
      await rig.settle();
      await reopen();
      expect(await pairs(state)).toEqual(["a=3"]);
    });

    it("a scan under way goes on when what it reads is given up; history under way ends", async () => {
      const keys = Array.from({ length: 600 }, (_, at) => `k${String(at).padStart(3, "0")}`);
      const old = keys.map((key, at) => put(key, "old".repeat(20), at + 1));
      await state.write(batch(1, old));
      const chunks = scan(state)[Symbol.asyncIterator]();
      const told = state.history(query())[Symbol.asyncIterator]();
      const seen = [...((await chunks.next()).value ?? [])];
      expect(((await told.next()).value as readonly Change[]).length).toBeLessThan(600);
      const changed = keys.map((key, at) =>
        at % 2 === 0 ? remove(key, 601 + at) : put(key, "new", 601 + at),
      );
      await state.write(batch(2, changed));
      await state.write(batch(3, [], { meta: meta(1200, { compactedRevision: 1200 }) }));
      await rig.settle();
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        seen.push(...next.value);
      expect(seen.map(({ key, value }) => `${text(key)}=${text(value)}`)).toEqual(
        keys.map((key) => `${key}=${"old".repeat(20)}`),
      );
      await expect(told.next()).rejects.toBeInstanceOf(ReadExpired);
      expect((await pairs(state)).length).toBe(300);
    });

    it("a namespace that is deleted is gone with all that it held and told, also where it was made in the same batch", async () => {
      const other = (change: Change): Change => ({ ...change, namespaceId: 2 });
      const two = namespace({ id: 2, name: "two" });
      const attached = { leaseId: 5, namespaceId: 2, generation: 1, key: bytes("a") };
      await state.write(
        batch(1, [other(put("a", "1", 1)), put("a", "mine", 2)], {
          namespaces: [two],
          leaseKeysAttached: [attached],
        }),
      );
      const chunks = state.history(query({ namespaceId: 2 }))[Symbol.asyncIterator]();
      await state.write(
        batch(2, [other(truncate(3))], { namespacesDeleted: [{ id: 2, generation: 1 }], leasesEnded: [5] }),
      );
      await state.write(
        batch(3, [], {
          meta: meta(3),
          namespaces: [namespace({ id: 3, name: "three" })],
          namespacesDeleted: [{ id: 3, generation: 1 }],
        }),
      );
      const gone = { namespaceId: 2, generation: 1, revision: NEWEST, keysOnly: false };
      for (const round of ["written", "settled", "reopened"]) {
        if (round === "settled") await rig.settle();
        if (round === "reopened") await reopen();
        await expect(state.records({ ...gone, keys: [bytes("a")] })).rejects.toBeInstanceOf(ReadExpired);
        await expect(history(state, { namespaceId: 2, from: 3 })).rejects.toBeInstanceOf(ReadExpired);
        await expect(history(state, { namespaceId: 3, from: 3 })).rejects.toBeInstanceOf(ReadExpired);
        expect(await pairs(state)).toEqual(["a=mine"]);
      }
      await expect(chunks.next()).rejects.toBeDefined();
      expect(state.opened.resident.namespaces).toEqual([namespace()]);
      expect(state.opened.resident.leaseKeys).toEqual([]);
    });

    it("close ends history under way", async () => {
      const keys = Array.from({ length: 500 }, (_, at) => `k${at}`);
      const changes = keys.map((key, at) => put(key, "v", at + 1));
      await state.write(batch(1, changes));
      const chunks = state.history(query())[Symbol.asyncIterator]();
      await chunks.next();
      await state.close();
      await expect(chunks.next()).rejects.toBeInstanceOf(StoreFailure);
      await expect(history(state)).rejects.toBeInstanceOf(StoreFailure);
    });
  });
}

/** The same under random histories, which a plain list can tell, too: one of so many batches for each seed. */
export function randomHistoryCompliance(
  name: string,
  create: () => Promise<StateRig>,
  { seeds, batchCount }: { readonly seeds: readonly number[]; readonly batchCount: number },
): void {
  describe(`random histories of the state on ${name}`, () => {
    let rig: StateRig;
    let state: StateStore;

    beforeEach(async () => {
      rig = await create();
      state = await rig.open();
    });

    afterEach(async () => {
      await state.close();
      await rig.dispose();
    });

    async function reopen(): Promise<void> {
      await rig.kill();
      state = await rig.open();
    }

    it.each(seeds)(
      "whatever is changed, compacted, truncated and deleted, it tells and reads what a plain list does, seed %i",
      async (seed) => {
        const random = seededRandom(seed);
        const keys = ["", "a", "a\0", "ab", "b", "\0", "\xff", "\xff\xff"];
        const batches = new RandomBatches(random.fork(), keys);
        const model = new StateModel();
        model.namespaces.set(NAMESPACE_ID, namespace());
        for (let step = 0; step < batchCount; step += 1) {
          const written = batches.next();
          await state.write(written);
          model.write(written);
          const chance = random.below(12);
          if (chance === 0) await reopen();
          if (chance === 1) await rig.settle();
          if (chance === 2) await expectAsModelled(model, keys);
        }
        await expectAsModelled(model, keys);
        await rig.settle();
        await expectAsModelled(model, keys);
        await reopen();
        await expectAsModelled(model, keys);
        expect(state.opened.resident.namespaces).toEqual(
          [...model.namespaces.values()].sort((left, right) => left.id - right.id),
        );
      },
    );

    async function expectAsModelled(model: StateModel, keys: readonly string[]): Promise<void> {
      for (const target of model.namespaces.values()) {
        await expectReads(model, target, keys);
        await expectHistory(model, target);
      }
    }

    async function expectReads(
      model: StateModel,
      target: NamespaceState,
      keys: readonly string[],
    ): Promise<void> {
      const space = { namespaceId: target.id, generation: target.generation, keysOnly: false };
      const oldest = model.oldestReadable(target);
      for (let revision = Math.max(0, oldest - 2); revision <= model.meta.revision; revision += 1) {
        const scanning = collect(state.scan({ ...space, ...ALL, revision, reverse: revision % 2 === 1 }));
        const reading = state.records({ ...space, keys: keys.map(bytes), revision });
        if (revision < oldest) {
          await expect(scanning).rejects.toBeInstanceOf(ReadExpired);
          await expect(reading).rejects.toBeInstanceOf(ReadExpired);
          continue;
        }
        const expected = model.recordsAt(target, revision);
        const found = (await scanning).map(recordLine);
        expect({ revision, found: revision % 2 === 1 ? found.reverse() : found }).toEqual({
          revision,
          found: expected.map(recordLine),
        });
        const byKey = new Map(expected.map((record) => [text(record.key), record]));
        expect({ revision, found: (await reading).map(recordLine) }).toEqual({
          revision,
          found: keys.map((key) => recordLine(byKey.get(key) ?? null)),
        });
        if (revision % 3 === 0) await expectBareAndAhead(space, revision, expected);
      }
    }

    /** The same without values, and by a scan that says how many records it wants. */
    async function expectBareAndAhead(
      space: Pick<RangeQuery, "namespaceId" | "generation">,
      revision: number,
      expected: readonly StoredRecord[],
    ): Promise<void> {
      const ascending = { ...space, ...ALL, revision, reverse: false };
      const bare = expected.map((record) => recordLine({ ...record, value: bytes("") }));
      const bareFound = await collect(state.scan({ ...ascending, keysOnly: true }));
      expect(bareFound.map(recordLine)).toEqual(bare);
      const recordsWanted = 1 + (revision % 5);
      const foundAhead = await collect(state.scan({ ...ascending, keysOnly: false, recordsWanted }));
      expect(foundAhead.map(recordLine)).toEqual(expected.map(recordLine));
    }

    async function expectHistory(model: StateModel, target: NamespaceState): Promise<void> {
      const first = model.firstEvent(target);
      for (let from = Math.max(0, first - 2); from <= model.meta.revision + 1; from += 1) {
        const range = from % 3 === 0 ? { start: bytes("a"), end: bytes("b") } : ALL;
        const to = from % 4 === 0 ? from + 5 : NEWEST;
        const telling = collect(state.history({ namespaceId: target.id, from, to, range }));
        if (from < first) await expect(telling).rejects.toBeInstanceOf(ReadExpired);
        else {
          const expected = model.history(target.id, from, to, range).map(changeLine);
          expect((await telling).map(changeLine)).toEqual(expected);
        }
      }
    }
  });
}

function query(more: Partial<HistoryQuery> = {}): HistoryQuery {
  return { namespaceId: NAMESPACE_ID, from: 1, to: NEWEST, range: ALL, ...more };
}

async function collect<Item>(chunks: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const chunk of chunks) items.push(...chunk);
  return items;
}
