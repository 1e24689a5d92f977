import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { RANGE_RECORD_OVERHEAD_BYTES } from "@quorate/services/kv";
import { ReadExpired, type StateStore, StoreFailure } from "@quorate/services/replica";
import {
  batch,
  bytes,
  GENERATION,
  get,
  NAMESPACE_ID,
  NEWEST,
  namespace,
  pairs,
  put,
  record,
  remove,
  scan,
  scanned,
  text,
  truncate,
} from "./state-samples";

/** One state that outlives its store. */
export interface StateRig {
  /** Opens the store; the one opened before is closed or killed. */
  open(): Promise<StateStore>;
  /** Ends the store as a killed process does: nothing that was written is lost. */
  kill(): Promise<void>;
  /** What is written next to what the store is on fails. */
  failNextWrite(): void;
  /** Resolves when what was given up so far is removed. */
  settle(): Promise<void>;
  /** Removes all that is left. */
  dispose(): Promise<void>;
}

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };

/** What every StateStore must do, whatever it writes to. */
export function stateStoreCompliance(name: string, create: () => Promise<StateRig>): void {
  describe(`state store on ${name}`, () => {
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

    it("finds each record as it was written", async () => {
      const full = record("k", "v", 2, { createRevision: 1, version: 9, leaseId: 2 ** 50 });
      await state.write(batch(1, [{ ...(put("k", "v", 2) as object), record: full } as never]));
      const query = { ...space, keys: [bytes("k"), bytes("none"), bytes("k")], revision: NEWEST };
      expect(await state.records({ ...query, keysOnly: false })).toEqual([full, null, full]);
      const bare = { ...full, value: new Uint8Array(0) };
      expect(await state.records({ ...query, keysOnly: true })).toEqual([bare, null, bare]);
      await reopen();
      expect(await state.records({ ...query, keysOnly: true })).toEqual([bare, null, bare]);
      expect(await state.records({ ...query, keysOnly: false })).toEqual([full, null, full]);
    });

    it("E7: deleted stays deleted and overwritten stays latest after a restart", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2), put("c", "1", 3)]));
      await state.write(batch(2, [remove("a", 4), put("b", "2", 5)]));
      await reopen();
      expect([await get(state, "a"), await get(state, "b"), await get(state, "c")]).toEqual([null, "2", "1"]);
      expect(await pairs(state)).toEqual(["b=2", "c=1"]);
    });

    it("reads and scans at a past revision, before and after a restart", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2)]));
      await state.write(batch(2, [put("a", "2", 3), remove("b", 4)]));
      await state.write(batch(3, [put("c", "1", 5), remove("a", 6), put("b", "3", 7)]));
      const expected = [
        [],
        ["a=1"],
        ["a=1", "b=1"],
        ["a=2", "b=1"],
        ["a=2"],
        ["a=2", "c=1"],
        ["c=1"],
        ["b=3", "c=1"],
      ];
      const atEach = async () => {
        const found: unknown[] = [];
        for (let revision = 0; revision <= 7; revision += 1) {
          const byScan = await pairs(state, { revision });
          expect([...(await pairs(state, { revision, reverse: true }))].reverse()).toEqual(byScan);
          const byKeys: string[] = [];
          for (const key of ["a", "b", "c"]) {
            const value = await get(state, key, revision);
            if (value !== null) byKeys.push(`${key}=${value}`);
          }
          expect(byKeys).toEqual(byScan);
          found.push(byScan);
        }
        return found;
      };
      expect(await atEach()).toEqual(expected);
      await reopen();
      expect(await atEach()).toEqual(expected);
    });

    it("keeps every version of a key that one batch changes more than once", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("a", "2", 2), remove("a", 3), put("a", "4", 4)]));
      const found: (string | null)[] = [];
      for (const revision of [1, 2, 3, 4]) found.push(await get(state, "a", revision));
      expect(found).toEqual(["1", "2", null, "4"]);
    });

    it("orders keys as bytes, whatever bytes they are", async () => {
      const keys = [
        "",
        "\0",
        "\0\0",
        "\0\x01",
        "\0\xff",
        "a",
        "a\0",
        "a\0\0",
        "a\0b",
        "a\x01",
        "ab",
        "\xff",
        "\xff\0",
        "\xff\xff",
      ];
      const shuffled = [...keys].sort((left, right) => left.length - right.length || (left < right ? 1 : -1));
      await state.write(
        batch(
          1,
          shuffled.map((key, at) => put(key, "v", at + 1)),
        ),
      );
      await state.write(
        batch(
          2,
          shuffled.map((key, at) => put(key, "w", at + 100)),
        ),
      );
      expect((await scanned(state)).map(({ key }) => text(key))).toEqual(keys);
      for (const [at, key] of shuffled.entries()) {
        expect(await get(state, key)).toBe("w");
        expect(await get(state, key, at + 1)).toBe("v");
        expect(await get(state, key, at)).toBe(null);
      }
      expect((await scanned(state, { start: "a", end: "a\x01" })).map(({ key }) => text(key))).toEqual([
        "a",
        "a\0",
        "a\0\0",
        "a\0b",
      ]);
      expect(
        (await scanned(state, { start: "\0", end: "a", reverse: true })).map(({ key }) => text(key)),
      ).toEqual(["\0\xff", "\0\x01", "\0\0", "\0"]);
      expect(await scanned(state, { start: "b", end: "b" })).toEqual([]);
      expect(await scanned(state, { start: "c", end: "b" })).toEqual([]);
      expect(await scanned(state, { start: "c", end: "b", reverse: true })).toEqual([]);
    });

    it("keeps namespaces and generations apart", async () => {
      const other = { ...put("a", "other", 1), namespaceId: 2 } as const;
      const next = put("a", "next", 2, 0, 2);
      const namespaces = [namespace({ id: 2, name: "other" })];
      await state.write(batch(1, [other, next, put("b", "mine", 3)], { namespaces }));
      expect(await pairs(state)).toEqual(["b=mine"]);
      expect(await get(state, "a")).toBe(null);
    });

    it("scans many records in chunks, in both directions, with values and without", async () => {
      const keys = Array.from({ length: 2500 }, (_, at) => `k${String(at).padStart(5, "0")}`);
      for (let from = 0, index = 1; from < keys.length; from += 500, index += 1) {
        const changes = keys.slice(from, from + 500).map((key, at) => put(key, `v-${key}`, from + at + 1));
        await state.write(batch(index, changes));
      }
      const expected = keys.map((key) => `${key}=v-${key}`);
      expect(await pairs(state)).toEqual(expected);
      expect(await pairs(state, { reverse: true })).toEqual([...expected].reverse());
      const bare = await scanned(state, { keysOnly: true });
      expect(bare.map(({ key, value, valueBytes }) => [text(key), value.length, valueBytes])).toEqual(
        keys.map((key) => [key, 0, 8]),
      );
      expect(await pairs(state, { start: "k00010", end: "k00013" })).toEqual(expected.slice(10, 13));
      expect(await pairs(state, { revision: 700 })).toEqual(expected.slice(0, 700));
    });

    it("a scan is unmoved by writes that come after its first chunk was asked for", async () => {
      const keys = Array.from({ length: 300 }, (_, at) => `k${String(at).padStart(3, "0")}`);
      await state.write(
        batch(
          1,
          keys.map((key, at) => put(key, "old", at + 1)),
        ),
      );
      const chunks = scan(state)[Symbol.asyncIterator]();
      const seen = [...((await chunks.next()).value ?? [])];
      expect(seen.length).toBeLessThan(keys.length);
      await state.write(
        batch(
          2,
          keys.map((key, at) => (at % 2 === 0 ? remove(key, 1000 + at) : put(key, "new", 1000 + at))),
        ),
      );
      await state.write(batch(3, [put("k0005", "between", 2000)]));
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        seen.push(...next.value);
      expect(seen.map(({ key, value }) => `${text(key)}=${text(value)}`)).toEqual(
        keys.map((key) => `${key}=old`),
      );
    });

    it("a scan that is given up early leaves nothing behind", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "1", 2)]));
      for await (const chunk of scan(state)) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect(await pairs(state)).toEqual(["a=1", "b=1"]);
    });

    it("answers what a batch of commands declared, as of the last write", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("b", "22", 2), put("c", "333", 3), remove("c", 4)]));
      const bare = { ...space, keyBytesMax: 10_000, withValues: false, valueBytesMax: 0 };
      const reads = {
        keys: ["a", "b", "c", "d"].map((key) => ({ ...space, key: bytes(key), withValue: key !== "b" })),
        ranges: [
          { ...bare, start: bytes(""), end: null, limit: 10 },
          { ...bare, start: bytes("b"), end: bytes("c"), limit: 1 },
          { ...bare, start: bytes(""), end: null, limit: 1 },
        ],
      };
      for (const round of ["written", "reopened", "cached"]) {
        if (round === "reopened") await reopen();
        const view = await state.read(reads);
        const at = (key: string) => view.get(NAMESPACE_ID, GENERATION, bytes(key));
        expect(at("a")).toEqual(record("a", "1", 1));
        expect(at("b")).toEqual({ ...record("b", "22", 2), value: new Uint8Array(0) });
        expect([at("c"), at("d")]).toEqual([null, null]);
        expect(() => at("e")).toThrow("declared");
        expect(
          view.range(0).map(({ key, value, valueBytes }) => [text(key), value.length, valueBytes]),
        ).toEqual([
          ["a", 0, 1],
          ["b", 0, 2],
        ]);
        expect(view.range(1).map(({ key }) => text(key))).toEqual(["b"]);
        expect(view.range(2).map(({ key }) => text(key))).toEqual(["a"]);
        expect(() => view.range(3)).toThrow("declared");
      }
    });

    it("reads ranges up to the record that passes the bound of bytes of their keys", async () => {
      await state.write(batch(1, [put("a", "1", 1), put("bb", "22", 2), put("c", "333", 3)]));
      const range = { ...space, start: bytes(""), end: null, limit: 10, withValues: false, valueBytesMax: 0 };
      const two = 3 + 2 * RANGE_RECORD_OVERHEAD_BYTES;
      const bounds = [two, two - 1, 0];
      const view = await state.read({
        keys: [],
        ranges: bounds.map((keyBytesMax) => ({ ...range, keyBytesMax })),
      });
      const keys = bounds.map((_, position) => view.range(position).map(({ key }) => text(key)));
      expect(keys).toEqual([["a", "bb", "c"], ["a", "bb"], ["a"]]);
    });

    it("reads ranges with their values, up to the record that passes the bound of bytes", async () => {
      await state.write(
        batch(1, [put("a", "1", 1), put("b", "22", 2), put("c", "333", 3), put("d", "4", 4)]),
      );
      const bare = { ...space, keyBytesMax: 10_000, withValues: true };
      const range = { ...bare, start: bytes("a"), end: bytes("d"), limit: 10 };
      const view = await state.read({
        keys: [],
        ranges: [
          { ...range, valueBytesMax: 100 },
          { ...range, valueBytesMax: 100, limit: 2 },
          { ...range, valueBytesMax: 2 },
          { ...range, valueBytesMax: 3 },
          { ...range, valueBytesMax: 0 },
          { ...range, valueBytesMax: 0, withValues: false },
          { ...range, valueBytesMax: 100, limit: 0 },
        ],
      });
      const values = (position: number) => view.range(position).map(({ value }) => text(value));
      expect(values(0)).toEqual(["1", "22", "333"]);
      expect(values(1)).toEqual(["1", "22"]);
      expect(values(2)).toEqual(["1", "22"]);
      expect(values(3)).toEqual(["1", "22", "333"]);
      expect(values(4)).toEqual(["1"]);
      expect(values(5)).toEqual(["", "", ""]);
      expect(values(6)).toEqual([]);
      expect(view.range(0)[1]).toEqual(record("b", "22", 2));
    });

    it("reads a key that is wanted with its value and without, whichever comes first", async () => {
      await state.write(batch(1, [put("a", "1", 1)]));
      await reopen();
      const key = { ...space, key: bytes("a") };
      for (const wants of [
        [true, false],
        [false, true],
      ]) {
        const view = await state.read({
          keys: wants.map((withValue) => ({ ...key, withValue })),
          ranges: [],
        });
        expect(view.get(NAMESPACE_ID, GENERATION, bytes("a"))).toEqual(record("a", "1", 1));
      }
    });

    it("reads the newest record after every kind of change, cached or not", async () => {
      const current = new Map<string, string>();
      let revision = 0;
      for (let index = 1; index <= 60; index += 1) {
        const changes = Array.from({ length: 5 }, (_, at) => {
          const key = `k${(index * 7 + at * 3) % 20}`;
          revision += 1;
          if ((index + at) % 4 === 0) {
            current.delete(key);
            return remove(key, revision);
          }
          current.set(key, `v${revision}`);
          return put(key, `v${revision}`, revision);
        });
        const names = Array.from({ length: 20 }, (_, at) => `k${at}`);
        const [found] = await Promise.all([
          state.records({ ...space, keys: names.map(bytes), revision, keysOnly: false }),
          state.write(batch(index, changes)),
        ]);
        expect(found.length).toBe(20);
        const now = await state.records({ ...space, keys: names.map(bytes), revision, keysOnly: false });
        expect(now.map((item) => (item === null ? null : text(item.value)))).toEqual(
          names.map((key) => current.get(key) ?? null),
        );
      }
    });

    it("truncates: the ended generation cannot be read, a scan under way goes on, the next one starts empty", async () => {
      const keys = Array.from({ length: 600 }, (_, at) => `k${String(at).padStart(3, "0")}`);
      await state.write(
        batch(
          1,
          keys.map((key, at) => put(key, "old", at + 1)),
        ),
      );
      const chunks = scan(state)[Symbol.asyncIterator]();
      const seen = [...((await chunks.next()).value ?? [])];
      await state.write(batch(2, [truncate(601)], { namespaces: [namespace({ generation: 2 })] }));
      await expect(get(state, "k000")).rejects.toBeInstanceOf(ReadExpired);
      await expect(scanned(state, { revision: 600 })).rejects.toBeInstanceOf(ReadExpired);
      await state.write(batch(3, [put("k000", "new", 602, 0, 2)]));
      expect(await pairs(state, { generation: 2 })).toEqual(["k000=new"]);
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
        seen.push(...next.value);
      expect(seen.length).toBe(600);
      await reopen();
      expect(await pairs(state, { generation: 2 })).toEqual(["k000=new"]);
      await expect(scanned(state)).rejects.toBeInstanceOf(ReadExpired);
    });

    it("what was found on opening is durable", async () => {
      await state.write(batch(4, [put("a", "1", 1)]));
      await reopen();
      expect(state.checkpointIndex).toBe(4);
    });

    it("ends with a failed write: all later writes are refused with one failure", async () => {
      await state.write(batch(1, [put("a", "1", 1)]));
      await state.checkpoint();
      rig.failNextWrite();
      // What is written may fail later than it is written, but never unnoticed.
      const first: unknown = await Promise.resolve(state.write(batch(2, [put("a", "2", 2)])))
        .then(() => state.checkpoint())
        .catch((error: unknown) => error);
      expect(first).toBeInstanceOf(StoreFailure);
      await expect(state.write(batch(3, [put("a", "3", 3)]))).rejects.toBe(first);
      await expect(get(state, "a")).rejects.toBe(first);
      await expect(scanned(state)).rejects.toBe(first);
      await state.close();
      state = await rig.open();
      expect(state.opened.applied).toEqual({ term: 1, index: 1 });
      expect(await get(state, "a")).toBe("1");
    });

    it("close ends scans under way and is safe to call twice", async () => {
      const keys = Array.from({ length: 500 }, (_, at) => `k${at}`);
      await state.write(
        batch(
          1,
          keys.map((key, at) => put(key, "v", at + 1)),
        ),
      );
      const chunks = scan(state)[Symbol.asyncIterator]();
      await chunks.next();
      await Promise.all([state.close(), state.close()]);
      await expect(chunks.next()).rejects.toBeInstanceOf(StoreFailure);
      await expect(get(state, "k1")).rejects.toBeInstanceOf(StoreFailure);
      await expect(state.write(batch(2, []))).rejects.toBeInstanceOf(StoreFailure);
    });
  });
}
