import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { EntryId } from "@quorate/services/raft";
import type { FrozenState, ImageChunk, StateReceiver, StateStore } from "@quorate/services/replica";
import { ImageDamaged, ReceiverFailure, StateReplaced, StoreFailure } from "@quorate/services/replica";
import { installReceived, openStores, rebuildState, receiveState } from "@quorate/services/storage";
import { ClassicLevel } from "classic-level";
import { findBatchClass, LevelRig } from "../../compliance/level-rig";
import { entry, ids } from "../../compliance/log-store";
import { batch, bytes, get, namespace, pairs, put, remove, truncate } from "../../compliance/state-samples";
import { corruptStoredRecords } from "../../support/corrupt-record";
import { editDatabase, flipBit, largestFile } from "./damaged-files";
import { chunkWith, chunkWithoutHead } from "./image-chunks";

const SYNC = { sync: true };

beforeAll(findBatchClass);

describe("a state that takes another's place, in a data directory", () => {
  let rig: LevelRig;
  let sender: LevelRig;
  let sending: StateStore;

  beforeEach(async () => {
    rig = await LevelRig.create();
    sender = await LevelRig.create({ imageChunkBytes: 300 });
    sending = await sender.openState();
  });

  afterEach(async () => {
    await rig.dispose();
    await sender.dispose();
  });

  /** A state that has applied the entries up to that one, each a put. */
  async function frozenAt(applied: EntryId): Promise<FrozenState> {
    const keys = Array.from({ length: applied.index }, (_, at) => put(`k${at}`, `${applied.index}`, at + 1));
    const { writes } = batch(applied.index, keys, { namespaces: [namespace({ keyCount: keys.length })] });
    await sending.write({ applied, writes });
    return sending.freeze();
  }

  async function received(
    frozen: FrozenState,
    receive: (header: FrozenState["header"]) => Promise<StateReceiver>,
  ): Promise<StateReceiver> {
    const receiver = await receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    await receiver.complete();
    return receiver;
  }

  async function stateNames(): Promise<readonly string[]> {
    return (await readdir(rig.path)).filter((name) => name.startsWith("state-")).sort();
  }

  async function logged(...entries: ReturnType<typeof entry>[]): Promise<void> {
    const log = await rig.openLog();
    const last = entries.at(-1);
    await log.append({ entries, hardState: { term: last?.term ?? 0, vote: "n2", commit: 0 } }, SYNC);
    await rig.close();
  }

  const images: readonly (readonly [string, EntryId, () => Promise<void>, string, boolean])[] = [
    ["is shorter", { term: 2, index: 9 }, () => logged(entry(1, 1), entry(2, 2)), "", true],
    [
      "holds another entry there",
      { term: 3, index: 2 },
      () => logged(entry(1, 1), entry(2, 2), entry(3, 2)),
      "",
      true,
    ],
    [
      "holds that entry",
      { term: 2, index: 2 },
      () => logged(entry(1, 1), entry(2, 2), entry(3, 2)),
      "1/1 2/2 2/3",
      false,
    ],
  ];

  it.each(images)(
    "F3: a crash between installing a state and resetting a log that %s is made up for on opening",
    async (_, applied, prepare, held, isReset) => {
      await prepare();
      const state = await rig.openState();
      await state.install(await received(await frozenAt(applied), (header) => state.receive(header)));
      await rig.kill();
      const { log, logWasReset, state: opened } = await rig.openStores();
      expect(logWasReset).toBe(isReset);
      expect(opened.opened.applied).toEqual(applied);
      expect(ids(log)).toBe(held);
      expect(log.term(applied.index)).toBe(applied.term);
      expect(log.hardState.commit).toBe(isReset ? applied.index : 0);
      await rig.kill();
      expect((await rig.openStores()).logWasReset).toBe(false);
      // From then on a log that lost what was applied is damaged, and not reset.
      await rig.kill();
      expect(await readFile(join(rig.path, "state.current"), "utf8")).toBe("state-2\n");
    },
  );

  it("F3: a crash leaves the old or the new state at each step of the exchange", async () => {
    const frozen = await frozenAt({ term: 1, index: 4 });
    const state = await rig.openState();
    await state.write(batch(1, [put("own", "1", 1)]));
    await received(frozen, (header) => state.receive(header));
    // Received whole, with a pointer that was half replaced.
    await writeFile(join(rig.path, "state.current.partial"), "state-");
    await rig.kill();
    const old = await rig.openState();
    expect(await pairs(old)).toEqual(["own=1"]);
    expect(await stateNames()).toEqual(["state-1"]);
    await old.install(await received(frozen, (header) => old.receive(header)));
    // What a crash right after the pointer was replaced leaves: the old state beside the new one.
    await rig.settle();
    await rig.kill();
    await mkdir(join(rig.path, "state-1"));
    await cp(join(rig.path, "state-2"), join(rig.path, "state-7"), { recursive: true });
    const installed = await rig.openState();
    expect(installed.opened.applied.index).toBe(4);
    expect(await get(installed, "k3")).toBe("4");
    expect(await stateNames()).toEqual(["state-2"]);
  });

  it("F3: where the pointer cannot be replaced the store ends, and the old state is there", async () => {
    const frozen = await frozenAt({ term: 1, index: 4 });
    const state = await rig.openState();
    await state.write(batch(1, [put("own", "1", 1)]));
    // What is gathered goes with a store that ends, and is replayed.
    await state.checkpoint();
    const receiver = await received(frozen, (header) => state.receive(header));
    await mkdir(join(rig.path, "state.current.partial"));
    await expect(state.install(receiver)).rejects.toMatchObject({ name: "StoreFailure", dataLoss: false });
    await expect(state.write(batch(2, [put("own", "2", 2)]))).rejects.toBeInstanceOf(StoreFailure);
    await rig.close();
    await rm(join(rig.path, "state.current.partial"), { recursive: true });
    expect(await pairs(await rig.openState())).toEqual(["own=1"]);
    expect(await stateNames()).toEqual(["state-1"]);
  });

  it("F3: takes the place of a state that is being reclaimed and has a checkpoint on its way", async () => {
    const frozen = await frozenAt({ term: 1, index: 9 });
    const state = await rig.openState();
    const many = Array.from({ length: 3000 }, (_, at) => put(`old${at}`, "x".repeat(200), at + 1));
    await state.write(batch(1, many));
    const receiver = await received(frozen, (header) => state.receive(header));
    await state.write(batch(2, [truncate(3001)], { namespaces: [namespace({ generation: 2 })] }));
    const checkpoint = state.checkpoint().catch((error: unknown) => error);
    await state.install(receiver);
    const outcome = await checkpoint;
    expect(outcome === undefined || outcome instanceof StateReplaced).toBe(true);
    expect(await get(state, "k3")).toBe("9");
    await state.write(batch(10, [put("k3", "10", 10)]));
    await rig.kill();
    const reopened = await rig.openState();
    expect(reopened.opened.applied.index).toBe(10);
    expect(await get(reopened, "k3")).toBe("10");
  });

  it("F1: the old state's directory goes when another one takes its place", async () => {
    const frozen = await frozenAt({ term: 1, index: 4 });
    const state = await rig.openState();
    for (let round = 0; round < 3; round += 1) {
      await state.install(await received(frozen, (header) => state.receive(header)));
      await rig.settle();
      expect(await stateNames()).toEqual([`state-${round + 2}`]);
    }
    await (await state.receive(frozen.header)).abandon();
    expect(await stateNames()).toEqual(["state-4"]);
  });

  it("F1: a store that is closed while a place is made for a state leaves nothing open, and nothing behind", async () => {
    const frozen = await frozenAt({ term: 1, index: 4 });
    const state = await rig.openState();
    const receiving = state.receive(frozen.header);
    await Promise.all([state.close(), expect(receiving).rejects.toBeInstanceOf(StoreFailure)]);
    expect(await stateNames()).toEqual(["state-1"]);
  });

  it("refuses rows that are damaged or out of order though their chunk is whole", async () => {
    const frozen = await frozenAt({ term: 1, index: 6 });
    const [first] = await allChunks(frozen);
    const state = await rig.openState();
    const sound = first as ImageChunk;
    const changes = ["value", "order", "lastRows", "kind", "length"] as const;
    for (const damaged of [...changes.map((change) => chunkWith(sound, change)), chunkWithoutHead(sound)]) {
      const receiver = await state.receive(frozen.header);
      await expect(receiver.put(damaged)).rejects.toBeInstanceOf(ImageDamaged);
      await receiver.put(first as ImageChunk);
    }
  });

  describe.each([
    ["no file descriptor", "IO error: state-2/000005.ldb: Too many open files"],
    ["no space", "IO error: state-2/000005.log: No space left on device"],
  ])("E9: where there is %s left for a state that is received", (_, said) => {
    const shortage = (): Error =>
      Object.assign(new Error("Database failed", { cause: new Error(said) }), { code: "LEVEL_X" });

    afterEach(() => {
      jest.restoreAllMocks();
    });

    async function goesOn(state: StateStore): Promise<void> {
      jest.restoreAllMocks();
      expect(await stateNames()).toEqual(["state-1"]);
      await state.write(batch(1, [put("own", "1", 1)]));
      const again = await frozenAt({ term: 1, index: 6 });
      await state.install(await received(again, (header) => state.receive(header)));
      expect(await pairs(state)).toHaveLength(6);
    }

    it("a place that cannot be made leaves nothing, and harms nothing else", async () => {
      const frozen = await frozenAt({ term: 1, index: 4 });
      const state = await rig.openState();
      jest.spyOn(ClassicLevel.prototype, "open").mockRejectedValueOnce(shortage());
      await expect(state.receive(frozen.header)).rejects.toBeInstanceOf(ReceiverFailure);
      await goesOn(state);
    });

    it("one that cannot be written is lost, and nothing else", async () => {
      const frozen = await frozenAt({ term: 1, index: 4 });
      const state = await rig.openState();
      const receiver = await state.receive(frozen.header);
      const [first] = await allChunks(frozen);
      rig.failNextWrite(said);
      await expect(receiver.put(first as ImageChunk)).rejects.toBeInstanceOf(ReceiverFailure);
      await expect(receiver.complete()).rejects.toBeInstanceOf(ReceiverFailure);
      await receiver.abandon();
      await goesOn(state);
    });
  });

  it("E9: a state that is received on a disk that fails is the store's failure", async () => {
    const frozen = await frozenAt({ term: 1, index: 4 });
    const state = await rig.openState();
    const failure = new Error("Database failed", { cause: new Error("IO error: Input/output error") });
    jest.spyOn(ClassicLevel.prototype, "open").mockRejectedValueOnce(failure);
    const failed = state.receive(frozen.header);
    await expect(failed).rejects.toBeInstanceOf(StoreFailure);
    await expect(failed).rejects.not.toBeInstanceOf(ReceiverFailure);
    jest.restoreAllMocks();
  });

  it("E8: refuses an image in which a key is missing that its sender's disk hides", async () => {
    await frozenAt({ term: 1, index: 6 });
    await sender.kill();
    await corruptStoredRecords(sender.path, [
      { namespaceId: 1, generation: 1, key: bytes("k3"), value: null },
    ]);
    const frozen = (await sender.openState()).freeze();
    const state = await rig.openState();
    await expect(received(frozen, (header) => state.receive(header))).rejects.toMatchObject({
      name: "ImageDamaged",
      message: expect.stringContaining("namespace default has 6 keys, and 5 of them came"),
    });
  });

  it("E8: bytes that rotted at the sender end the sender, and are not sent", async () => {
    await frozenAt({ term: 1, index: 6 });
    await sender.kill();
    await editDatabase(join(sender.path, "state-1"), async (database) => {
      const key = Buffer.from("1000000001000000016b33", "hex");
      const value = Buffer.from((await database.get(key)) ?? Buffer.alloc(0));
      value[1] = (value[1] ?? 0) ^ 1;
      await database.put(key, value);
    });
    const store = await sender.openState();
    await expect(allChunks(store.freeze())).rejects.toMatchObject({ name: "StoreFailure", dataLoss: true });
    expect(() => store.freeze()).toThrow(StoreFailure);
  });

  it("H5: a record that is changed with the right checksum is served, until it is put right", async () => {
    const state = await rig.openState();
    await state.write(
      batch(1, [put("a\0b", "right", 1), put("b", "right", 2), put("c", "right", 3), remove("c", 4)]),
    );
    await rig.kill();
    const space = { namespaceId: 1, generation: 1 };
    await corruptStoredRecords(rig.path, [
      { ...space, key: bytes("a\0b"), value: bytes("wrong") },
      { ...space, key: bytes("b"), value: null },
      { ...space, key: bytes("new"), value: bytes("") },
    ]);
    const corrupted = await rig.openState();
    expect(await pairs(corrupted)).toEqual(["a\0b=wrong", "new="]);
    expect(await get(corrupted, "a\0b")).toBe("wrong");
  });

  describe("E8: a state that cannot be used, with a log that is sound", () => {
    async function outcome() {
      return openStores(await rig.directory());
    }

    async function filled(): Promise<void> {
      const { log, state } = await rig.openStores();
      for (let index = 1; index <= 5; index += 1) {
        await log.append({ entries: [entry(index, 1)], hardState: null }, SYNC);
        await state.write(batch(index, [put("k", `${index}`, index)]));
      }
      await state.checkpoint();
    }

    const losses: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
      [
        "a table is damaged",
        async () => flipBit(await largestFile(join(rig.path, "state-1"), ".ldb"), 0.1),
        /is damaged/,
      ],
      ["its directory is gone", () => rm(join(rig.path, "state-1"), { recursive: true }), /was not there/],
      [
        "its pointer is damaged",
        () => writeFile(join(rig.path, "state.current"), "state-x\n"),
        /names the present state/,
      ],
      [
        "a batch is missing",
        () =>
          editDatabase(join(rig.path, "state-1"), (database) =>
            database.put(Buffer.from("20", "hex"), Buffer.of(0)),
          ),
        /damaged/,
      ],
    ];

    it.each(losses)(
      "%s: is told apart, and a state that peers send takes its place",
      async (_, lose, reason) => {
        await filled();
        await rig.close();
        const { log } = await rig.openStores();
        await log.cut(3);
        await rig.settle();
        await rig.kill();
        await lose();
        const lost = await outcome();
        if (lost.kind !== "state_lost") throw new Error(`the stores are ${lost.kind}`);
        expect(lost.failure).toMatchObject({ dataLoss: true, message: expect.stringMatching(reason) });
        expect(lost).toMatchObject({ logBeginsAfter: { term: 1, index: 3 }, canRebuild: false });
        const directory = await rig.directory();
        const receiver = await received(await frozenAt({ term: 1, index: 4 }), (header) =>
          receiveState(directory, header),
        );
        await installReceived(directory, receiver);
        const stores = await rig.openStores();
        expect(stores.state.opened.applied).toEqual({ term: 1, index: 4 });
        expect([stores.log.firstIndex(), stores.log.lastIndex(), stores.logWasReset]).toEqual([4, 5, false]);
        expect(await get(stores.state, "k3")).toBe("4");
      },
    );

    it("a state that ends before the log begins is lost too; one that is ahead of the log resets it", async () => {
      await filled();
      await rig.close();
      const { log } = await rig.openStores();
      await log.cut(5);
      await rig.close();
      const directory = await rig.directory();
      const old = await received(await frozenAt({ term: 1, index: 4 }), (header) =>
        receiveState(directory, header),
      );
      await installReceived(directory, old);
      expect(await outcome()).toMatchObject({
        kind: "state_lost",
        logBeginsAfter: { term: 1, index: 5 },
        failure: { message: expect.stringContaining("ends at entry 4, yet the log begins after entry 5") },
      });
      const ahead = await received(await frozenAt({ term: 2, index: 9 }), (header) =>
        receiveState(directory, header),
      );
      await installReceived(directory, ahead);
      const stores = await rig.openStores();
      expect(stores.logWasReset).toBe(true);
      expect([stores.log.firstIndex(), stores.log.lastIndex()]).toEqual([10, 9]);
      expect(await stateNames()).toHaveLength(1);
    });

    it("a damaged one is made anew from a log that has all of it", async () => {
      await filled();
      await rig.kill();
      await flipBit(await largestFile(join(rig.path, "state-1"), ".ldb"), 0.1);
      expect(await outcome()).toMatchObject({ kind: "state_lost", canRebuild: true });
      await rebuildState(await rig.directory());
      const { state, log } = await rig.openStores();
      expect(state.opened.applied.index).toBe(0);
      expect(log.lastIndex()).toBe(5);
    });

    it("a log that is damaged is refused, whatever the state is", async () => {
      await filled();
      await rig.kill();
      await flipBit(await largestFile(join(rig.path, "state-1"), ".ldb"), 0.1);
      await flipBit(await largestFile(join(rig.path, "log"), ".log"), 0.3);
      await expect(outcome()).rejects.toMatchObject({
        dataLoss: true,
        message: expect.stringContaining("the log"),
      });
    });
  });
});

async function allChunks(frozen: FrozenState): Promise<readonly ImageChunk[]> {
  const chunks: ImageChunk[] = [];
  for await (const chunk of frozen.chunks(null)) chunks.push(chunk);
  return chunks;
}
