import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { seededRandom } from "@quorate/services/std";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, NEWEST, put, remove, text } from "../../compliance/state-samples";

const KEYS = 100;
/** Enough for a few dozen keys and a dozen values. */
const CACHE_BYTES = 20_000;
const SPACE = { namespaceId: 1, generation: 1 };

describe("the cache of newest records, in LevelDB", () => {
  let rig: LevelRig;
  let state: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create({ recordCacheBytesMax: CACHE_BYTES });
    state = await rig.openState();
  });

  afterEach(() => rig.dispose());

  function cachedKeys(): number {
    return (state as unknown as { present: { newest: { cache: { keyCount: number } } } }).present.newest.cache
      .keyCount;
  }

  it("tells of each key what was written last, however keys and values leave it", async () => {
    const random = seededRandom(1);
    const values = new Map<string, string>();
    let revision = 0;
    let keysMax = 0;
    for (let index = 1; index <= 400; index += 1) {
      const names = Array.from({ length: 6 }, () => `k${random.below(KEYS)}`);
      const changes = names.slice(0, 3).map((name): Change => {
        revision += 1;
        if (random.below(4) === 0) {
          values.delete(name);
          return remove(name, revision);
        }
        const value = `${revision}:`.padEnd(random.below(200), "v");
        values.set(name, value);
        return put(name, value, revision);
      });
      await state.write(batch(index, changes));
      const keysOnly = random.below(2) === 0;
      const keys = names.map(bytes);
      const records = await state.records({ ...SPACE, keys, revision: NEWEST, keysOnly });
      expect(records.map((found) => found && [text(found.key), text(found.value), found.valueBytes])).toEqual(
        names.map((name) => {
          const value = values.get(name);
          return value === undefined ? null : [name, keysOnly ? "" : value, value.length];
        }),
      );
      keysMax = Math.max(keysMax, cachedKeys());
    }
    // Two thirds of the bound are for keys, of 200 bytes and more each.
    expect(keysMax).toBeGreaterThan(20);
    expect(keysMax).toBeLessThanOrEqual((CACHE_BYTES * 2) / 3 / 200);
  });
});
