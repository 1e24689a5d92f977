import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, jest, test } from "@jest/globals";
import type { Change } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { KnownKeys, keyHash, PROCESS_SEED } from "@quorate/services/storage";
import { ClassicLevel } from "classic-level";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  GENERATION,
  get,
  meta,
  NAMESPACE_ID,
  namespace,
  put,
  record,
  remove,
} from "../../compliance/state-samples";

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
const NEWEST_KIND = 0x10;
/** A filter of 32 blocks has room for 768 keys. */
const SMALL = { min: 5, max: 5 };

function hashOf(key: string): number {
  return keyHash(PROCESS_SEED, space, bytes(key));
}

describe("which keys there are", () => {
  let path: string;
  let database: ClassicLevel<Uint8Array, Uint8Array>;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "quorate-storage-"));
    database = new ClassicLevel(path, { keyEncoding: "view", valueEncoding: "view" });
    await database.open();
  });

  afterEach(async () => {
    await database.close();
    await rm(path, { recursive: true, force: true });
  });

  function storedKey(key: string): Buffer {
    const prefix = Buffer.alloc(9);
    prefix.writeUInt8(NEWEST_KIND, 0);
    prefix.writeUInt32BE(NAMESPACE_ID, 1);
    prefix.writeUInt32BE(GENERATION, 5);
    return Buffer.concat([prefix, bytes(key)]);
  }

  function names(count: number, prefix = "k"): string[] {
    return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
  }

  async function store(keys: readonly string[]): Promise<void> {
    await database.batch(
      keys.map((key) => ({ type: "put", key: storedKey(key), value: bytes("") }) as const),
    );
  }

  /** @param flush gives LevelDB what was written */
  function knownKeys(flush = async () => {}, storedCount = 0): KnownKeys {
    return new KnownKeys({ database, check: () => {} }, { flush }, storedCount, SMALL);
  }

  const newOf = (known: KnownKeys, keys: readonly string[]) => keys.filter((key) => known.isNew(hashOf(key)));

  it("is not known before those that are stored were read", async () => {
    await store(names(10));
    const known = knownKeys();
    expect(newOf(known, names(100, "other"))).toEqual([]);
    await known.settle();
  });

  it.each([0, 1, 255, 256, 257, 700])("is known when they were: of %d", async (count) => {
    await store(names(count));
    const known = knownKeys();
    await known.settle();
    expect(newOf(known, names(count))).toEqual([]);
    expect(newOf(known, names(1_000, "other")).length).toBeGreaterThan(950);
  });

  it("takes in all of more than one iterator reads", async () => {
    await store(names(10_000));
    const known = knownKeys();
    await known.settle();
    expect(newOf(known, names(10_000))).toEqual([]);
  });

  it("passes over rows of other kinds", async () => {
    const others = [0x01, 0x09, 0x11, 0x20].map((kind) => Buffer.of(kind, ...storedKey("k0").subarray(1)));
    await database.batch(others.map((key) => ({ type: "put", key, value: bytes("") }) as const));
    const known = knownKeys();
    await known.settle();
    expect(known.isNew(hashOf("k0"))).toBe(true);
  });

  it("includes those that are written while others are read", async () => {
    await store(names(600));
    const known = knownKeys();
    known.add(hashOf("a, before all others"));
    await known.settle();
    expect(newOf(known, [...names(600), "a, before all others"])).toEqual([]);
  });

  it("is learned anew when they are too many, so that those that went are none", async () => {
    const gone = names(100);
    const later = names(700, "later");
    await store(gone);
    let flush = async () => {};
    const known = knownKeys(() => flush());
    await known.settle();
    flush = async () => {
      await database.clear();
      await store(later);
    };
    for (const key of later) known.add(hashOf(key));
    expect(newOf(known, [...gone, ...later])).toEqual([]);
    await known.settle();
    expect(newOf(known, later)).toEqual([]);
    expect(newOf(known, gone).length).toBeGreaterThan(90);
  });

  it("includes what was written before it is learned anew and reaches LevelDB only then", async () => {
    const unwritten: string[] = [];
    const known = knownKeys(() => store(unwritten));
    await known.settle();
    for (const key of names(800)) {
      unwritten.push(key);
      known.add(hashOf(key));
    }
    await known.settle();
    expect(newOf(known, names(800))).toEqual([]);
  });

  it("is learned anew once only where there is no room for all of them", async () => {
    await store(names(5_000));
    const keys = jest.spyOn(database, "keys");
    const known = knownKeys();
    await known.settle();
    const reads = keys.mock.calls.length;
    for (const key of names(100, "later")) known.add(hashOf(key));
    await known.settle();
    expect(keys.mock.calls.length).toBe(reads);
    expect(newOf(known, [...names(5_000), ...names(100, "later")])).toEqual([]);
  });

  it("is learned when lookups found nothing for one of 64 keys that are stored, and not before", async () => {
    await store(names(640));
    const keys = jest.spyOn(database, "keys");
    const known = knownKeys(undefined, 640);
    for (let lookup = 0; lookup < 9; lookup += 1) known.noteAbsent();
    await known.settle();
    expect(keys).not.toHaveBeenCalled();
    expect(newOf(known, names(100, "other"))).toEqual([]);
    known.noteAbsent();
    known.add(hashOf("written meanwhile"));
    await known.settle();
    expect(newOf(known, [...names(640), "written meanwhile"])).toEqual([]);
    expect(newOf(known, names(100, "other")).length).toBeGreaterThan(90);
  });

  it("is never known where they cannot be read", async () => {
    jest.spyOn(database, "keys").mockImplementation(() => {
      throw new Error("IO error");
    });
    const known = knownKeys();
    known.add(hashOf("written"));
    await known.settle();
    expect(newOf(known, ["written", ...names(100)])).toEqual([]);
  });
});

describe("LevelDB", () => {
  let rig: LevelRig;

  beforeEach(async () => {
    rig = await LevelRig.create();
  });

  afterEach(() => rig.dispose());

  /** How many keys are looked up in it, until it is asked. */
  function countLookups(): () => number {
    const one = jest.spyOn(ClassicLevel.prototype, "getSync");
    const many = jest.spyOn(ClassicLevel.prototype, "getMany");
    return () => {
      const count = one.mock.calls.length + many.mock.calls.flatMap(([keys]) => keys).length;
      one.mockRestore();
      many.mockRestore();
      return count;
    };
  }

  async function readAndPut(state: StateStore, index: number, keys: readonly string[]): Promise<void> {
    const reads = keys.map((key) => ({ ...space, key: bytes(key), withValue: false }));
    const view = await state.read({ keys: reads, ranges: [] });
    expect(keys.map((key) => view.get(NAMESPACE_ID, GENERATION, bytes(key)))).toEqual(keys.map(() => null));
    await state.write(
      batch(
        index,
        keys.map((key, ordinal) => put(key, "v", index, ordinal)),
      ),
    );
  }

  const manyNames = Array.from({ length: 300 }, (_, at) => `many${at}`);

  it("is not asked for keys that never were, to write them or to read them", async () => {
    const state = await rig.openState();
    await rig.settle();
    const lookups = countLookups();
    await readAndPut(state, 2, ["a", "b", "c"]);
    await readAndPut(state, 3, manyNames);
    expect(await get(state, "never")).toBe(null);
    expect(await get(state, "a")).toBe("v");
    expect(lookups()).toBe(0);
  });

  it("is not asked for them after a restart either, and for those that were it is", async () => {
    await readAndPut(await rig.openState(), 2, ["a", ...manyNames]);
    await rig.kill();
    const state = await rig.openState();
    await rig.settle();
    const lookups = countLookups();
    await readAndPut(state, 3, ["b", "c"]);
    expect(await get(state, "a")).toBe("v");
    expect(lookups()).toBe(1);
  });

  it("is asked for keys that never were after a restart, until it is worth knowing those that were", async () => {
    const first = await rig.openState();
    const stored = namespace({ keyCount: 3 * 64 });
    await first.write(batch(2, [put("a", "1", 1)], { namespaces: [stored] }));
    await rig.kill();
    const state = await rig.openState();
    const lookups = countLookups();
    await readAndPut(state, 3, ["b", "c"]);
    await rig.settle();
    await readAndPut(state, 4, ["d"]);
    await rig.settle();
    await readAndPut(state, 5, ["e", "f", "g"]);
    expect(lookups()).toBe(3);
    expect(await get(state, "b")).toBe("v");
  });

  it("is asked for one that was put right, though it never was here", async () => {
    const state = await rig.openState();
    await rig.settle();
    await state.write(batch(2, [put("a", "1", 1)]));
    await state.repair([{ ...space, key: bytes("lost"), record: record("lost", "again", 1) }]);
    expect(await get(state, "lost")).toBe("again");
  });
});

const KEYS = 400;
const STEPS = 150;

test.each([1, 2, 3, 4])(
  "a key that was written is found, whatever is restarted, deleted and given up (seed %d)",
  async (seed) => {
    const rig = await LevelRig.create({
      recordCacheBytesMax: 4 * 1024,
      recordOverflowBytesMax: 0,
      gatheredBytes: 2 * 1024,
      gatheredMs: 1,
    });
    try {
      const random = seededRandom(seed);
      const model = new Map<string, string>();
      let state = await rig.openState();
      let revision = 0;
      let compactedRevision = 0;
      for (let step = 0; step < STEPS; step += 1) {
        if (random.below(10) === 0) {
          await rig.kill();
          state = await rig.openState();
        }
        if (random.below(10) === 0) compactedRevision = revision;
        revision += 1;
        const changes: Change[] = [];
        for (let ordinal = 0; ordinal < 1 + random.below(20); ordinal += 1) {
          const key = `k${random.below(KEYS)}`;
          if (model.has(key) && random.below(2) === 0) {
            model.delete(key);
            changes.push(remove(key, revision, changes.length));
          } else {
            model.set(key, `${revision}.${ordinal}`);
            changes.push(put(key, `${revision}.${ordinal}`, revision, changes.length));
          }
        }
        await state.write(batch(revision + 1, changes, { meta: meta(revision, { compactedRevision }) }));
        const asked = Array.from({ length: 5 }, () => `k${random.below(KEYS)}`);
        const found = await Promise.all(asked.map((key) => get(state, key)));
        expect(found).toEqual(asked.map((key) => model.get(key) ?? null));
      }
    } finally {
      await rig.dispose();
    }
  },
);
