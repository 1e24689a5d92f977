import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  type FrozenState,
  type ImageChunk,
  ImageDamaged,
  type StateBatch,
  type StateReceiver,
  StateReplaced,
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
  GENERATION,
  get,
  history,
  NAMESPACE_ID,
  NEWEST,
  namespace,
  pairs,
  put,
  record,
  remove,
  scan,
  text,
} from "./state-samples";
import type { StateRig } from "./state-store";

const KEYS = ["", "a", "a\0", "a\0\xff", "ab", "b", "c".repeat(300), "\xff", "\xff\0"];
const EVERYTHING = { start: bytes(""), end: null };
const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };

/**
 * How every StateStore must send its state, receive another's and put it in the place of its own.
 *
 * @param seeds of the random histories that are sent
 */
export function stateImageCompliance(
  name: string,
  create: () => Promise<StateRig>,
  seeds: readonly number[],
): void {
  describe(`images of the state on ${name}`, () => {
    let source: { readonly rig: StateRig; state: StateStore };
    let target: { readonly rig: StateRig; state: StateStore };

    beforeEach(async () => {
      const [from, to] = [await create(), await create()];
      source = { rig: from, state: await from.open() };
      target = { rig: to, state: await to.open() };
    });

    afterEach(async () => {
      for (const { rig, state } of [source, target]) {
        await state.close();
        await rig.dispose();
      }
    });

    async function reopenTarget(): Promise<void> {
      await target.rig.kill();
      target.state = await target.rig.open();
    }

    /** Batches of a random history, and what they come to. */
    async function written(
      seed: number,
      count: number,
    ): Promise<{ model: StateModel; batches: RandomBatches }> {
      const model = new StateModel();
      const batches = new RandomBatches(seededRandom(seed), KEYS);
      for (let left = count; left > 0; left -= 1) await write(source.state, model, batches.next());
      return { model, batches };
    }

    async function receivedWhole(frozen: FrozenState): Promise<StateReceiver> {
      const receiver = await target.state.receive(frozen.header);
      for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
      await receiver.complete();
      return receiver;
    }

    it.each(seeds)(
      "F3: is what the state was when it was frozen, while writing goes on (seed %i)",
      async (seed) => {
        const { model, batches } = await written(seed, 120);
        const asOfNow = source.state.freeze();
        const missed: StateBatch[] = [];
        const receiver = await target.state.receive(asOfNow.header);
        for await (const chunk of asOfNow.chunks(null)) {
          const next = batches.next();
          missed.push(next);
          await source.state.write(next);
          await receiver.put(chunk);
        }
        asOfNow.close();
        const completed = await receiver.complete();
        const opened = await target.state.install(receiver);
        expect(opened).toEqual(completed);
        expect(target.state.opened).toEqual(opened);
        expect(opened.applied).toEqual(asOfNow.header.applied);
        expect(target.state.checkpointIndex).toBe(opened.applied.index);
        await expectLike(target.state, model);
        await reopenTarget();
        expect(target.state.opened.applied).toEqual(opened.applied);
        expect(target.state.opened.resident).toEqual(opened.resident);
        await expectLike(target.state, model);
        for (const next of missed) await write(target.state, model, next);
        await target.rig.settle();
        await expectLike(target.state, model);
        await reopenTarget();
        const again = await source.rig.kill().then(() => source.rig.open());
        source.state = again;
        expect(target.state.opened).toEqual(again.opened);
        await expectLike(target.state, model);
        await expectLike(again, model);
      },
    );

    it("F3: has sessions, leases, members and rounds of verification", async () => {
      const session = { clientId: 4, namespaceId: 1, ttlMs: 7, deadlineMs: null, firstUnanswered: 1 };
      const member = {
        memberId: "n9",
        clientAddress: "a:1",
        peerAddress: "a:2",
        priority: 7,
        promoteWhenCaughtUp: true,
        replaces: "n2",
        storeId: "s",
      };
      await source.state.write(
        batch(1, [put("k", "v", 1)], {
          namespaces: [namespace({ keyCount: 1 })],
          sessions: [session],
          answers: [{ clientId: 4, sequence: 2, answer: Uint8Array.of(0, 255) }],
          leases: [{ leaseId: 3, namespaceId: 1, ttlMs: 5, deadlineMs: 9 }],
          leaseKeysAttached: [{ ...space, leaseId: 3, key: bytes("k") }],
          membership: {
            epoch: 5,
            configuration: {
              voters: ["n1"],
              votersOutgoing: [],
              learners: ["n9"],
              learnersNext: [],
              autoLeave: false,
            },
            members: [member],
            retiredStores: ["gone"],
          },
        }),
      );
      const { resident } = await target.state.install(await receivedWhole(source.state.freeze()));
      expect(resident.sessions).toEqual([session]);
      expect(resident.membership.members).toEqual([member]);
      await source.rig.kill();
      source.state = await source.rig.open();
      expect(resident).toEqual(source.state.opened.resident);
    });

    it("F3: is gone on with where it was broken off, by a receiver that has a part of it", async () => {
      const { model } = await written(4, 150);
      const frozen = source.state.freeze();
      const whole = await chunksOf(frozen, null);
      expect(whole.length).toBeGreaterThan(2);
      expect(whole.map(({ isLast }) => isLast)).toEqual(whole.map((_, at) => at === whole.length - 1));
      const receiver = await target.state.receive(frozen.header);
      let chunk: ImageChunk | undefined;
      for (;;) {
        [chunk] = await chunksOf(frozen, receiver.position, 1);
        await receiver.put(chunk as ImageChunk);
        expect(receiver.position).toEqual(chunk?.position);
        if (chunk?.isLast === true) break;
      }
      await receiver.complete();
      await target.state.install(receiver);
      await expectLike(target.state, model);
    });

    it("refuses what is damaged, left out, doubled or not whole, and takes the right chunk after it", async () => {
      await written(5, 150);
      const frozen = source.state.freeze();
      const chunks = await chunksOf(frozen, null);
      const [first, second, third] = chunks as [ImageChunk, ImageChunk, ImageChunk];
      const receiver = await target.state.receive(frozen.header);
      const refused = async (chunk: ImageChunk): Promise<void> => {
        const { position } = receiver;
        await expect(receiver.put(chunk)).rejects.toBeInstanceOf(ImageDamaged);
        expect(receiver.position).toBe(position);
      };
      await expect(receiver.complete()).rejects.toBeInstanceOf(ImageDamaged);
      await refused(second);
      await receiver.put(first);
      await refused(first);
      await refused(third);
      const flipped = Uint8Array.from(second.data);
      flipped[flipped.length >>> 1] = (flipped[flipped.length >>> 1] as number) ^ 1;
      await refused({ ...second, data: flipped });
      await refused({ ...second, data: second.data.subarray(0, -1) });
      await refused({ ...second, position: first.position });
      await refused({ ...second, position: new Uint8Array(0) });
      await expect(receiver.complete()).rejects.toBeInstanceOf(ImageDamaged);
      for (const chunk of chunks.slice(1)) await receiver.put(chunk);
      await refused(first);
      await receiver.complete();
    });

    it("refuses an image of another format, and one that is not of what its header says", async () => {
      await written(6, 10);
      const frozen = source.state.freeze();
      const { header } = frozen;
      await expect(target.state.receive({ ...header, format: "level-2" })).rejects.toBeInstanceOf(
        ImageDamaged,
      );
      for (const wrong of [
        { ...header, revision: header.revision + 1 },
        { ...header, applied: { term: header.applied.term, index: header.applied.index + 1 } },
        { ...header, applied: { term: header.applied.term + 1, index: header.applied.index } },
      ]) {
        const receiver = await target.state.receive(wrong);
        const receiving = async (): Promise<void> => {
          for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
          await receiver.complete();
        };
        await expect(receiving()).rejects.toBeInstanceOf(ImageDamaged);
      }
    });

    it("F3: a crash before the new state is installed leaves the old one, at each step of receiving", async () => {
      await written(7, 40);
      const frozen = source.state.freeze();
      await target.state.write(batch(1, [put("own", "1", 1)], { namespaces: [namespace({ keyCount: 1 })] }));
      const chunks = await chunksOf(frozen, null);
      const steps: ((receiver: StateReceiver) => Promise<unknown>)[] = [
        async () => undefined,
        (receiver) => receiver.put(chunks[0] as ImageChunk),
        async (receiver) => {
          for (const chunk of chunks) await receiver.put(chunk);
        },
        async (receiver) => {
          for (const chunk of chunks) await receiver.put(chunk);
          await receiver.complete();
        },
      ];
      for (const step of steps) {
        await step(await target.state.receive(frozen.header));
        await reopenTarget();
        expect(target.state.opened.applied.index).toBe(1);
        expect(await pairs(target.state)).toEqual(["own=1"]);
      }
    });

    it("F3: a crash after it was installed leaves the new one", async () => {
      const { model } = await written(8, 60);
      await target.state.write(batch(1, [put("own", "1", 1)]));
      await target.state.install(await receivedWhole(source.state.freeze()));
      await reopenTarget();
      expect(target.state.opened).toEqual({
        applied: source.state.freeze().header.applied,
        resident: target.state.opened.resident,
      });
      await expectLike(target.state, model);
      await target.state.install(await receivedWhole(source.state.freeze()));
      await reopenTarget();
      await expectLike(target.state, model);
    });

    it("ends what is being read when it is installed; what is asked for later is of the new state", async () => {
      const names = Array.from({ length: 100 }, (_, at) => `k${String(at).padStart(3, "0")}`);
      const changes = names.map((key, at) => put(key, "old".repeat(100), at + 1));
      await target.state.write(batch(1, changes, { namespaces: [namespace({ keyCount: 100 })] }));
      const later = names.map((key, at) => put(key, "new", at + 1));
      await source.state.write(batch(7, later, { namespaces: [namespace({ keyCount: 100 })] }));
      const frozen = target.state.freeze();
      const reads: AsyncIterator<unknown>[] = [
        scan(target.state)[Symbol.asyncIterator](),
        frozen.scan({ ...space, ...EVERYTHING, reverse: false, keysOnly: false })[Symbol.asyncIterator](),
        target.state
          .history({ namespaceId: NAMESPACE_ID, from: 1, to: NEWEST, range: EVERYTHING })
          [Symbol.asyncIterator](),
      ];
      const isLong: boolean[] = [];
      for (const read of reads) isLong.push((await read.next()).done !== true);
      const receiver = await receivedWhole(source.state.freeze());
      expect(await get(target.state, "k007")).toBe("old".repeat(100));
      const under: Promise<string | null> = get(target.state, "k008");
      await target.state.install(receiver);
      expect(["new", "old".repeat(100)]).toContain(await under);
      for (const read of reads) {
        const ended = read.next().then(
          (next) => next.done,
          (error: unknown) => error,
        );
        const outcome = await ended;
        // A read that came in one chunk has nothing left that could be of another state.
        expect(outcome === true || outcome instanceof StateReplaced).toBe(true);
      }
      expect(() => frozen.close()).not.toThrow();
      expect(await get(target.state, "k007")).toBe("new");
      expect((await pairs(target.state)).length).toBe(100);
      expect(await history(target.state)).toHaveLength(100);
      await receiver.abandon();
      expect(await get(target.state, "k099")).toBe("new");
      await target.state.write(batch(8, [put("k007", "newer", 101)]));
      expect(await get(target.state, "k007")).toBe("newer");
    });

    it("a frozen state is not moved by what is written, truncated or compacted later", async () => {
      await source.state.write(
        batch(1, [put("a", "1", 1), put("b", "1", 2), put("c", "1", 3), remove("c", 4)]),
      );
      const frozen = source.state.freeze();
      const found = async (): Promise<readonly string[]> => {
        const records: string[] = [];
        const query = { ...space, start: bytes(""), end: null, reverse: false, keysOnly: false };
        for await (const chunk of frozen.scan(query)) {
          records.push(
            ...chunk.map(({ key, value, modRevision }) => `${text(key)}=${text(value)}@${modRevision}`),
          );
        }
        return records;
      };
      const expected = ["a=1@1", "b=1@2"];
      expect(await found()).toEqual(expected);
      const before = await chunksOf(frozen, null);
      await source.state.write(
        batch(2, [put("a", "2", 5), remove("b", 6), put("c", "2", 7), put("d", "1", 8)]),
      );
      expect(await found()).toEqual(expected);
      await source.state.write(
        batch(3, [put("e", "1", 9)], {
          meta: { ...source.state.opened.resident.meta, revision: 9, compactedRevision: 8 },
        }),
      );
      await source.rig.settle();
      expect(await found()).toEqual(expected);
      expect(frozen.header).toMatchObject({ applied: { term: 1, index: 1 }, revision: 4 });
      expect(await chunksOf(frozen, null)).toEqual(before);
      frozen.close();
      frozen.close();
      await expect(found()).rejects.toBeInstanceOf(StateReplaced);
    });

    it("a frozen state that is closed ends who reads it", async () => {
      await written(9, 150);
      const frozen = source.state.freeze();
      const chunks = frozen.chunks(null)[Symbol.asyncIterator]();
      await chunks.next();
      frozen.close();
      await expect(chunks.next()).rejects.toBeInstanceOf(StateReplaced);
      await source.state.write(batch(1000, [put("on", "1", 100_000)]));
    });

    it("one image is received at a time: an earlier one is abandoned", async () => {
      const { model } = await written(10, 30);
      const frozen = source.state.freeze();
      const first = await target.state.receive(frozen.header);
      for await (const chunk of frozen.chunks(null)) await first.put(chunk);
      const second = await receivedWhole(frozen);
      await first.abandon();
      await first.abandon();
      await target.state.install(second);
      await expectLike(target.state, model);
    });

    it("ends with a store that failed", async () => {
      await written(11, 30);
      const frozen = source.state.freeze();
      const receiver = await target.state.receive(frozen.header);
      const [chunk] = await chunksOf(frozen, null, 1);
      target.rig.failNextWrite();
      await expect(receiver.put(chunk as ImageChunk)).rejects.toBeInstanceOf(StoreFailure);
      await expect(receiver.complete()).rejects.toBeInstanceOf(StoreFailure);
      await source.state.close();
      await expect(chunksOf(frozen, null)).rejects.toBeInstanceOf(StoreFailure);
      expect(() => source.state.freeze()).toThrow(StoreFailure);
    });

    it("a checkpoint makes all that was written before it durable", async () => {
      await source.state.write(batch(1, [put("a", "1", 1)]));
      await source.state.checkpoint();
      expect(source.state.checkpointIndex).toBe(1);
      await source.state.checkpoint();
      await source.state.write(batch(5, [put("a", "2", 2)]));
      const checkpoint = source.state.checkpoint();
      await source.state.write(batch(6, [put("a", "3", 3)]));
      await checkpoint;
      expect(source.state.checkpointIndex).toBeGreaterThanOrEqual(5);
    });

    it("H5: repair puts records right as newest versions, and tells nothing of it", async () => {
      const { state } = source;
      await state.write(
        batch(1, [
          put("wrong", "1", 1),
          put("wrong", "2", 2),
          put("extra", "1", 3),
          put("newer", "1", 4),
          put("newer", "2", 5),
        ]),
      );
      await state.write(
        batch(2, [remove("gone", 6), put("twice", "1", 7), put("twice", "2", 8), put("fine", "1", 9)]),
      );
      const told = await history(state);
      const right = (key: string, value: string, revision: number) =>
        record(key, value, revision, { createRevision: 1, version: 7, leaseId: 2 });
      await state.repair([
        { ...space, key: bytes("wrong"), record: right("wrong", "right", 2) },
        { ...space, key: bytes("extra"), record: null },
        { ...space, key: bytes("newer"), record: right("newer", "one", 4) },
        { ...space, key: bytes("gone"), record: right("gone", "is there", 3) },
        { ...space, key: bytes("missing"), record: right("missing", "now", 5) },
        { ...space, key: bytes("twice"), record: null },
        { ...space, key: bytes("never"), record: null },
      ]);
      const expected = ["fine=1", "gone=is there", "missing=now", "newer=one", "wrong=right"];
      for (const round of ["at once", "after a restart"]) {
        if (round !== "at once") {
          await source.rig.kill();
          source.state = await source.rig.open();
        }
        expect(await pairs(source.state)).toEqual(expected);
        const keys = ["wrong", "extra", "newer", "gone", "missing", "twice", "never", "fine"].map(bytes);
        const found = await source.state.records({ ...space, keys, revision: NEWEST, keysOnly: false });
        expect(
          found.map((each) => each && `${text(each.value)} ${each.modRevision} ${each.version}`),
        ).toEqual(["right 2 7", null, "one 4 7", "is there 3 7", "now 5 7", null, null, "1 9 1"]);
        expect(await get(source.state, "wrong", 1)).toBe("1");
        expect(await get(source.state, "newer", 9)).toBe("one");
        expect(await get(source.state, "twice", 7)).toBe("1");
        expect(await history(source.state)).toHaveLength(told.length);
        expect(source.state.opened.applied.index === 0 || source.state.opened.applied.index === 2).toBe(true);
      }
      await source.state.write(batch(3, [put("wrong", "later", 10), put("extra", "back", 11)]));
      expect(await get(source.state, "wrong", 9)).toBe("right");
      expect(await get(source.state, "extra")).toBe("back");
    });
  });
}

async function write(state: StateStore, model: StateModel, next: StateBatch): Promise<void> {
  await state.write(next);
  model.write(next);
}

async function chunksOf(
  frozen: FrozenState,
  after: Uint8Array | null,
  count = Number.POSITIVE_INFINITY,
): Promise<readonly ImageChunk[]> {
  const chunks: ImageChunk[] = [];
  for await (const chunk of frozen.chunks(after)) {
    chunks.push(chunk);
    if (chunks.length === count) break;
  }
  return chunks;
}

/** All that can be read and told is what the model has. */
async function expectLike(state: StateStore, model: StateModel): Promise<void> {
  for (const target of model.namespaces.values()) {
    const { id: namespaceId, generation } = target;
    const oldest = model.oldestReadable(target);
    for (let revision = oldest; revision <= model.meta.revision; revision += 7) {
      const expected = model.recordsAt(target, revision).map(recordLine);
      const found: string[] = [];
      const query = { namespaceId, generation, ...EVERYTHING, revision, reverse: false, keysOnly: false };
      for await (const chunk of state.scan(query)) found.push(...chunk.map(recordLine));
      expect(found).toEqual(expected);
    }
    const keys = KEYS.map(bytes);
    const newest = await state.records({ namespaceId, generation, keys, revision: NEWEST, keysOnly: false });
    const there = newest.flatMap((each) => (each === null ? [] : [text(each.key)])).sort();
    expect(there).toEqual(model.recordsAt(target, model.meta.revision).map(({ key }) => text(key)));
    const from = model.firstEvent(target);
    const told: string[] = [];
    for await (const chunk of state.history({ namespaceId, from, to: NEWEST, range: EVERYTHING }))
      told.push(...chunk.map(changeLine));
    expect(told).toEqual(model.history(namespaceId, from, NEWEST, EVERYTHING).map(changeLine));
  }
}
