import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { StateStore } from "@quorate/services/replica";
import { RowOverflow } from "../../../services/storage/row-overflow";
import { LevelRig } from "../../compliance/level-rig";
import { batch, bytes, GENERATION, get, NAMESPACE_ID, put } from "../../compliance/state-samples";

const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
/** So many that a cache of 64 KiB has room for few of them. */
const KEYS = 2_000;

describe("rows that the cache has no room for", () => {
  let rig: LevelRig;
  let state: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create({ recordCacheBytesMax: 64 * 1024, recordOverflowBytesMax: 4 * 1024 * 1024 });
    state = await rig.openState();
    for (let at = 0; at < KEYS; at += 1) await state.write(batch(at + 2, [put(`k${at}`, `v${at}`, at + 1)]));
    // What is gathered for LevelDB is found there.
    await state.checkpoint();
  });

  afterEach(() => rig.dispose());

  /** How often rows are looked for in the file meanwhile. */
  async function lookups(run: () => Promise<void>): Promise<number> {
    const find = jest.spyOn(RowOverflow.prototype, "find");
    await run();
    const count = find.mock.calls.length;
    find.mockRestore();
    return count;
  }

  async function readAll(): Promise<void> {
    for (let at = 0; at < KEYS; at += 1) expect(await get(state, `k${at}`, KEYS)).toBe(`v${at}`);
  }

  it("come into the cache soon where they are read often", async () => {
    const count = await lookups(async () => {
      for (let time = 0; time < 100; time += 1) expect(await get(state, "k0", KEYS)).toBe("v0");
    });
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThanOrEqual(4);
  });

  it("push out few others where each is read once", async () => {
    const add = jest.spyOn(RowOverflow.prototype, "add");
    const count = await lookups(readAll);
    const pushedOut = add.mock.calls.length;
    add.mockRestore();
    expect(count).toBeGreaterThan(KEYS / 2);
    expect(pushedOut).toBeGreaterThan(0);
    expect(pushedOut).toBeLessThanOrEqual(count / 4);
  });

  it("are looked for once by a command that reads one and writes it", async () => {
    const count = await lookups(async () => {
      const reads = [{ ...space, key: bytes("k0"), withValue: true }];
      const view = await state.read({ keys: reads, ranges: [] });
      expect(view.get(NAMESPACE_ID, GENERATION, bytes("k0"))).not.toBe(null);
      await state.write(batch(KEYS + 2, [put("k0", "again", KEYS + 1)]));
    });
    expect(count).toBe(1);
    expect(await get(state, "k0")).toBe("again");
  });
});
