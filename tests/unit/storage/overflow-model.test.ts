import { afterEach, expect, jest, test } from "@jest/globals";
import type { Change, StoredRecord } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, GENERATION, NAMESPACE_ID, put, remove } from "../../compliance/state-samples";

// Few of them, so that keys meet in the cache, in what is gathered, and in the place of one row in the file.
jest.mock("../../../services/storage/key-hash", () => {
  const real = jest.requireActual<typeof import("../../../services/storage/key-hash")>(
    "../../../services/storage/key-hash",
  );
  const keyHash: typeof real.keyHash = (seed, space, key) =>
    (Math.imul(real.keyHash(seed, space, key) % HASHES, 0x9e3779b1) | 0) >>> 0;
  return { ...real, keyHash };
});

const HASHES = 200;
const KEYS = 600;
const STEPS = 900;
/** Most of them short enough for so small a cache; the longest lies apart. */
const VALUE_BYTES = [0, 3, 8, 10, 12, 14, 16, 300, 4097];
const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };

let rig: LevelRig;

afterEach(() => rig.dispose());

/** A store of so little room that nearly each row goes to the file, and comes back from it. */
class Modelled {
  readonly model = new Map<string, StoredRecord>();
  private index = 1;
  private revision = 0;

  constructor(
    private readonly state: StateStore,
    private readonly random: Random,
  ) {}

  below(limit: number): number {
    return this.random.below(limit);
  }

  keyName(): string {
    return `k${this.below(KEYS)}`;
  }

  async write(count: number): Promise<void> {
    const changes: Change[] = [];
    this.revision += 1;
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      const key = this.keyName();
      if (this.below(4) === 0) {
        if (!this.model.delete(key)) continue;
        changes.push(remove(key, this.revision, changes.length));
        continue;
      }
      const value = `${this.revision}.${ordinal}`.padEnd(
        VALUE_BYTES[this.below(VALUE_BYTES.length)] as number,
        key,
      );
      const change = put(key, value, this.revision, changes.length);
      if (change.kind === "put") this.model.set(key, change.record);
      changes.push(change);
    }
    this.index += 1;
    await this.state.write(batch(this.index, changes));
  }

  async repair(): Promise<void> {
    const key = this.keyName();
    const present = this.model.get(key);
    const wrong = put(key, `r${this.below(1000)}`, present?.modRevision ?? this.revision);
    const record = wrong.kind === "put" && this.below(3) > 0 ? wrong.record : null;
    await this.state.repair([{ ...space, key: bytes(key), record }]);
    if (record === null) this.model.delete(key);
    else this.model.set(key, record);
  }

  async check(names: readonly string[]): Promise<void> {
    const keys = names.map((name) => ({ ...space, key: bytes(name), withValue: true }));
    const expected = names.map((name) => this.model.get(name) ?? null);
    const view = await this.state.read({ keys, ranges: [] });
    const found = keys.map(({ key }) => view.get(NAMESPACE_ID, GENERATION, key));
    expect(found.map(plain)).toEqual(expected.map(plain));
  }
}

function plain(record: StoredRecord | null | undefined): unknown {
  if (record === null || record === undefined) return record;
  return { ...record, key: Buffer.from(record.key).toString(), value: Buffer.from(record.value).toString() };
}

test.each([1, 2, 3, 4, 5, 6])(
  "a key is what was written of it last, wherever its row went (seed %d)",
  async (seed) => {
    rig = await LevelRig.create({
      recordCacheBytesMax: 16 * 1024,
      recordOverflowBytesMax: seed % 2 === 0 ? 8 * 1024 : 128 * 1024,
      gatheredBytes: seed % 3 === 0 ? 0 : 8 * 1024,
      gatheredMs: 1,
    });
    const state = await rig.openState();
    const random = seededRandom(seed);
    const modelled = new Modelled(state, random);
    for (let step = 0; step < STEPS; step += 1) {
      const kind = modelled.below(20);
      if (kind === 0) await modelled.repair();
      else if (kind === 1) await modelled.write(300);
      else if (kind < 9) await modelled.write(1 + modelled.below(12));
      else await modelled.check(Array.from({ length: 1 + modelled.below(20) }, () => modelled.keyName()));
    }
    await modelled.check(Array.from({ length: KEYS }, (_, at) => `k${at}`));
  },
);
