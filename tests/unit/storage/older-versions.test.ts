import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, jest, test } from "@jest/globals";
import type { Change } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { type ChainLink, linkAfter, NO_LINK, oldestAfter } from "@quorate/services/storage";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  GENERATION,
  get,
  history,
  meta,
  NAMESPACE_ID,
  NEWEST,
  pairs,
  put,
  record,
  remove,
  scanned,
  text,
} from "../../compliance/state-samples";
import { corruptStoredRecords } from "../../support/corrupt-record";
import { editDatabase } from "./damaged-files";

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };

/** Steps that a key of so many changes may take: of each power of 8 there are no more than 8. */
function stepsMax(changeCount: number): number {
  return 8 * (1 + Math.floor(Math.log(Math.max(changeCount, 1)) / Math.log(8)));
}

test("from the newest of many versions each older one is a few steps away", () => {
  const count = 5000;
  const links: ChainLink[] = [NO_LINK];
  for (let depth = 1; depth <= count; depth += 1) {
    links.push(linkAfter(links[depth - 1] as ChainLink, { revision: depth * 3, ordinal: depth % 4 }));
  }
  const linkAt = (revision: number) => links[revision / 3] as ChainLink;
  let mostSteps = 0;
  for (let revision = 0; revision < count * 3; revision += 11) {
    let link = links[count] as ChainLink;
    let steps = 0;
    while (link.revision > revision) {
      const place = oldestAfter(link, revision);
      expect(place.ordinal).toBe(linkAt(place.revision).ordinal);
      // What that change took the place of.
      link = links[place.revision / 3 - 1] as ChainLink;
      steps += 1;
    }
    expect(link.depth).toBe(Math.floor(revision / 3));
    mostSteps = Math.max(mostSteps, steps);
  }
  expect(mostSteps).toBeLessThanOrEqual(stepsMax(count));
});

describe.each([
  ["with a cache", {}],
  ["without a cache", { recordCacheBytesMax: 0 }],
])("older versions in LevelDB, %s", (_, options) => {
  let rig: LevelRig;
  let state: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create(options);
    state = await rig.openState();
  });

  afterEach(() => rig.dispose());

  async function reopen(): Promise<void> {
    await rig.kill();
    state = await rig.openState();
  }

  /** How often rows of changes are looked for, until it is asked. */
  function countSeeks(): () => number {
    const { database } = (state as unknown as { present: { handle: { database: Iterating } } }).present
      .handle;
    const iterator = database.iterator.bind(database);
    let seeks = 0;
    const spy = jest.spyOn(database, "iterator").mockImplementation((given) => {
      const made = iterator(given);
      const seek = made.seek.bind(made);
      made.seek = (key) => {
        seeks += 1;
        seek(key);
      };
      return made;
    });
    return () => {
      spy.mockRestore();
      return seeks;
    };
  }

  /** Runs something once, when a row of changes is looked for. */
  function onNextSeek(run: () => void): void {
    const { database } = (state as unknown as { present: { handle: { database: Iterating } } }).present
      .handle;
    const iterator = database.iterator.bind(database);
    const spy = jest.spyOn(database, "iterator").mockImplementation((given) => {
      spy.mockRestore();
      const made = iterator(given);
      const seek = made.seek.bind(made);
      made.seek = (key) => {
        run();
        seek(key);
      };
      return made;
    });
  }

  async function rowsOfKind(kind: number): Promise<number> {
    await rig.close();
    let count = 0;
    await editDatabase(join(rig.path, "state-1"), async (database) => {
      count = (await database.keys({ gte: Buffer.of(kind), lt: Buffer.of(kind + 1) }).all()).length;
    });
    state = await rig.openState();
    return count;
  }

  /** One key changed again and again, deleted now and then, others in between, some with it. */
  async function changeHotKey(random: Random, revisions: number): Promise<readonly (string | null)[]> {
    const values: (string | null)[] = [null];
    let index = 1;
    for (let revision = 1; revision <= revisions; index += 1) {
      const changes: Change[] = [];
      for (let left = 1 + random.below(100); left > 0 && revision <= revisions; left -= 1) {
        const value = random.below(5) === 0 ? null : `${revision}`;
        const others = random.below(3);
        for (let ordinal = 0; ordinal < others; ordinal += 1) {
          changes.push(put(`other${random.below(50)}-${ordinal}`, "x".repeat(200), revision, ordinal));
        }
        changes.push(value === null ? remove("hot", revision, others) : put("hot", value, revision, others));
        values.push(value);
        revision += 1;
      }
      await state.write(batch(index, changes));
    }
    return values;
  }

  it("of a key that was changed thousands of times are each found by reading a few rows", async () => {
    const revisions = 3000;
    const values = await changeHotKey(seededRandom(1), revisions);
    for (const round of ["written", "reopened"]) {
      if (round === "reopened") await reopen();
      for (let revision = 0; revision <= revisions; revision += 1 + (revision % 97)) {
        const seeks = countSeeks();
        expect({ revision, value: await get(state, "hot", revision) }).toEqual({
          revision,
          value: values[revision],
        });
        expect(seeks()).toBeLessThanOrEqual(stepsMax(revisions));
      }
    }
    const told = await history(state, { range: { start: bytes("hot"), end: bytes("hot\0") } });
    expect(told.map((change) => (change.kind === "put" ? text(change.record.value) : null))).toEqual(
      values.slice(1),
    );
  });

  it("of many keys that changed since are found together, each row read a few times at most", async () => {
    const keys = Array.from({ length: 400 }, (_unused, at) => `k${100 + at}`);
    const written = (round: number) => keys.map((key, at) => put(key, `${round}`, round * 400 + at + 1));
    for (let round = 0; round < 6; round += 1) await state.write(batch(round + 1, written(round)));
    await reopen();
    for (let round = 0; round < 6; round += 1) {
      const seeks = countSeeks();
      expect(await pairs(state, { revision: round * 400 + 400 })).toEqual(
        keys.map((key) => `${key}=${round}`),
      );
      // A step for each round since, in which the 7 rows or so of one are read, and one more where chunks meet.
      expect(seeks()).toBeLessThanOrEqual((5 - round) * 20);
    }
  });

  it("are looked for while keys beside them change, and what these are now is what is read next", async () => {
    await state.write(batch(1, [put("a", "1", 1), put("b", "2", 2), put("a", "3", 3)]));
    await reopen();
    let writing: Promise<void> | null = null;
    onNextSeek(() => {
      writing = state.write(batch(2, [put("b", "4", 4)]));
    });
    const keys = [bytes("a"), bytes("b")];
    const found = await state.records({ ...space, keys, revision: 2, keysOnly: false });
    expect(found.map((each) => (each === null ? null : text(each.value)))).toEqual(["1", "2"]);
    await writing;
    expect(await get(state, "b")).toBe("4");
    const view = await state.read({ keys: [{ ...space, key: bytes("b"), withValue: true }], ranges: [] });
    expect(view.get(NAMESPACE_ID, GENERATION, bytes("b"))).toEqual(record("b", "4", 4));
  });

  it("are read and told from the floor on when what lies below is removed, and after a restart", async () => {
    const revisions = 700;
    const values = await changeHotKey(seededRandom(2), revisions);
    const floor = 333;
    await state.write(batch(10_000, [], { meta: meta(revisions, { compactedRevision: floor }) }));
    await rig.settle();
    for (const round of ["settled", "reopened"]) {
      if (round === "reopened") await reopen();
      for (let revision = floor; revision <= revisions; revision += 5) {
        expect(await get(state, "hot", revision)).toBe(values[revision] as string | null);
      }
      expect(
        await history(state, { from: floor + 1, range: { start: bytes("h"), end: bytes("i") } }),
      ).toHaveLength(revisions - floor);
    }
  });

  describe("with values that lie apart", () => {
    const long = (letter: string): string => letter.repeat(5000);

    beforeEach(async () => {
      await state.write(
        batch(1, [put("a", long("1"), 1), put("a", long("2"), 2), put("b", long("3"), 3), put("c", "4", 4)]),
      );
      await state.write(batch(2, [put("a", "5", 5), remove("b", 6), put("c", long("7"), 7)]));
    });

    it("are there at each revision, in reads, scans and history", async () => {
      for (const round of ["written", "reopened", "read again"]) {
        if (round === "reopened") await reopen();
        expect(await get(state, "a", 1)).toBe(long("1"));
        expect(await get(state, "a", 4)).toBe(long("2"));
        expect(await get(state, "a")).toBe("5");
        expect(await get(state, "c")).toBe(long("7"));
        expect(await pairs(state, { revision: 4 })).toEqual([`a=${long("2")}`, `b=${long("3")}`, "c=4"]);
        expect(await pairs(state)).toEqual(["a=5", `c=${long("7")}`]);
        const bare = await scanned(state, { revision: 4, keysOnly: true });
        expect(bare.map(({ value, valueBytes }) => [value.length, valueBytes])).toEqual([
          [0, 5000],
          [0, 5000],
          [0, 1],
        ]);
        const told = await history(state);
        expect(told.map((change) => (change.kind === "put" ? text(change.record.value) : null))).toEqual([
          long("1"),
          long("2"),
          long("3"),
          "4",
          "5",
          null,
          long("7"),
        ]);
      }
    });

    it("are what commands read, with and without them", async () => {
      for (const round of ["written", "reopened", "read again"]) {
        if (round === "reopened") await reopen();
        for (const withValue of [false, true]) {
          const view = await state.read({ keys: [{ ...space, key: bytes("c"), withValue }], ranges: [] });
          const expected = record("c", long("7"), 7);
          expect(view.get(NAMESPACE_ID, GENERATION, bytes("c"))).toEqual(
            withValue ? expected : { ...expected, value: bytes("") },
          );
        }
      }
    });

    it("are in frozen states", async () => {
      const frozen = state.freeze();
      await state.write(batch(3, [put("c", "8", 8)]));
      const found: string[] = [];
      const range = { ...space, start: bytes(""), end: null, reverse: false, keysOnly: false };
      for await (const chunk of frozen.scan(range)) found.push(...chunk.map(({ value }) => text(value)));
      expect(found).toEqual(["5", long("7")]);
      frozen.close();
    });

    it("go with the change that replaced them", async () => {
      expect(await rowsOfKind(VALUE_KIND)).toBe(4);
      await state.write(batch(3, [], { meta: meta(7, { compactedRevision: 7 }) }));
      await rig.settle();
      expect(await rowsOfKind(VALUE_KIND)).toBe(1);
      expect(await pairs(state)).toEqual(["a=5", `c=${long("7")}`]);
    });

    it("are damage where they are missing", async () => {
      await rig.kill();
      await editDatabase(join(rig.path, "state-1"), async (database) => {
        await database.clear({ gte: Buffer.of(VALUE_KIND), lt: Buffer.of(VALUE_KIND + 1) });
      });
      state = await rig.openState();
      await expect(get(state, "c")).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    });
  });

  it("a change that is missing where it is needed is damage", async () => {
    await state.write(batch(1, [put("a", "1", 1), put("a", "2", 2)]));
    await rig.kill();
    await editDatabase(join(rig.path, "state-1"), async (database) => {
      await database.clear({ gte: Buffer.of(REVISION_KIND), lt: Buffer.of(REVISION_KIND + 1) });
    });
    state = await rig.openState();
    expect(await get(state, "a")).toBe("2");
    await expect(get(state, "a", 1)).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
  });

  it("what was told stays as it was told when records are put right, and what follows is told as it is", async () => {
    const changes = [
      put("wrong", "1", 1),
      put("wrong", "2", 2),
      put("extra", "1", 3),
      put("newer", "1", 4),
      put("newer", "2", 5),
      remove("gone", 6),
      put("long", "x".repeat(5000), 7),
    ];
    await state.write(batch(1, changes));
    await state.repair([
      { ...space, key: bytes("wrong"), record: record("wrong", "right", 2) },
      { ...space, key: bytes("extra"), record: null },
      { ...space, key: bytes("newer"), record: record("newer", "one", 4) },
      { ...space, key: bytes("gone"), record: record("gone", "there", 3) },
      { ...space, key: bytes("missing"), record: record("missing", "now", 5) },
      { ...space, key: bytes("long"), record: record("long", "short", 6) },
    ]);
    // A second time, of what was put right already.
    await state.repair([{ ...space, key: bytes("newer"), record: record("newer", "y".repeat(5000), 4) }]);
    const later = [
      put("wrong", "3", 8),
      put("extra", "2", 9),
      remove("newer", 10),
      put("gone", "2", 11),
      put("missing", "2", 12),
      remove("long", 13),
    ];
    const told = changes.map((change) => (change.revision === 2 ? put("wrong", "right", 2) : change));
    const read = async (keys: readonly string[], revision: number) => {
      const found = await state.records({ ...space, keys: keys.map(bytes), revision, keysOnly: false });
      return found.map((each) => (each === null ? null : text(each.value)));
    };
    for (const round of ["put right", "reopened", "changed", "changed and reopened"]) {
      if (round === "changed") await state.write(batch(2, later));
      if (round.endsWith("reopened")) await reopen();
      expect(await history(state, { to: 7 })).toEqual(told);
      expect(await read(["wrong", "extra", "newer", "gone", "missing", "long"], 7)).toEqual([
        "right",
        null,
        "y".repeat(5000),
        "there",
        "now",
        "short",
      ]);
      expect(await read(["wrong", "extra", "newer", "missing", "long"], 3)).toEqual([
        "right",
        null,
        null,
        null,
        null,
      ]);
    }
    expect(await history(state, { from: 8 })).toEqual(later);
    expect(await read(["wrong", "extra", "newer", "gone", "missing", "long"], NEWEST)).toEqual([
      "3",
      "2",
      null,
      "2",
      "2",
      null,
    ]);
    await state.write(batch(3, [], { meta: meta(13, { compactedRevision: 13 }) }));
    await rig.settle();
    expect(await rowsOfKind(VALUE_KIND)).toBe(0);
    expect(await rowsOfKind(REVISION_KIND)).toBe(0);
    expect(await pairs(state)).toEqual(["extra=2", "gone=2", "missing=2", "wrong=3"]);
  });

  it.each([
    ["changed", put("k", "2", 2)],
    ["deleted", remove("k", 2)],
  ])(
    "a key that a fault %s keeps the long value that it is given back, whatever is given up",
    async (_fault, wrong) => {
      const long = "x".repeat(5000);
      await state.write(batch(1, [put("k", long, 1), wrong, put("other", "1", 3)]));
      await state.repair([{ ...space, key: bytes("k"), record: record("k", long, 1) }]);
      await state.write(batch(2, [], { meta: meta(3, { compactedRevision: 3 }) }));
      await rig.settle();
      await reopen();
      expect(await get(state, "k")).toBe(long);
      await state.write(batch(3, [put("k", "4", 4)], { meta: meta(4, { compactedRevision: 3 }) }));
      await rig.settle();
      await reopen();
      expect([await get(state, "k", 3), await get(state, "k")]).toEqual([long, "4"]);
    },
  );
});

describe("a key that was lost, as by a fault of the software", () => {
  it("has its past again when it was put right", async () => {
    const rig = await LevelRig.create();
    try {
      const before = await rig.openState();
      const changes = [put("a", "1", 1), put("k", "3", 3), put("k", "5", 5, 1), put("z", "1", 6)];
      await before.write(batch(1, changes));
      await rig.kill();
      await corruptStoredRecords(rig.path, [{ ...space, key: bytes("k"), value: null }]);
      const state = await rig.openState();
      expect(await get(state, "k")).toBe(null);
      await state.repair([{ ...space, key: bytes("k"), record: record("k", "5", 5) }]);
      expect([await get(state, "k", 2), await get(state, "k", 4), await get(state, "k")]).toEqual([
        null,
        "3",
        "5",
      ]);
      for (let to = 1; to <= 6; to += 1) {
        expect(await history(state, { to })).toEqual(changes.filter(({ revision }) => revision <= to));
      }
    } finally {
      await rig.dispose();
    }
  });
});

test("what thousands of changes at once take the place of is there at the revision before, whatever is in memory", async () => {
  const rig = await LevelRig.create();
  try {
    const keys = Array.from({ length: 1000 }, (_, at) => `k${1000 + at}`);
    const before = await rig.openState();
    const values = keys.map((key, at) => put(key, `${at}`.repeat(at % 2 === 0 ? 10 : 2000), 1, at));
    await before.write(batch(1, values));
    await rig.kill();
    const state = await rig.openState();
    expect(await get(state, "k1500")).toBe("500".repeat(10));
    await state.write(batch(2, [put("k1501", "new", 2)]));
    await state.write(
      batch(
        3,
        keys.map((key, at) => remove(key, 3, at)),
      ),
    );
    expect(await pairs(state)).toEqual([]);
    expect(await pairs(state, { revision: 2 })).toEqual(
      keys.map((key, at) => `${key}=${at === 501 ? "new" : `${at}`.repeat(at % 2 === 0 ? 10 : 2000)}`),
    );
    expect(await history(state, { to: 1 })).toEqual(values);
  } finally {
    await rig.dispose();
  }
});

const VALUE_KIND = 0x11;
const REVISION_KIND = 0x01;

interface Iterating {
  iterator(options: object): { seek(key: Uint8Array): void };
}
