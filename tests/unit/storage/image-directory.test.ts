import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { foundingMembership } from "@quorate/services/kv";
import { type FrozenState, type ImageChunk, ImageDamaged } from "@quorate/services/replica";
import {
  beginImageDirectory,
  createDataDirectory,
  createDataDirectoryFromImage,
  openDataDirectory,
  openStores,
  verifyImageRows,
} from "@quorate/services/storage";
import { FOUNDING, IDENTITY, LevelRig } from "../../compliance/level-rig";
import { batch, get, namespace, put } from "../../compliance/state-samples";

const SESSION = { clientId: 4, namespaceId: 1, ttlMs: 7, deadlineMs: null, firstUnanswered: 1 };

describe("a data directory that is made from an image", () => {
  let root: string;
  let path: string;
  let sender: LevelRig;
  let frozen: FrozenState;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "quorate-storage-"));
    path = join(root, "a", "data");
    sender = await LevelRig.create({ imageChunkBytes: 300 });
    const state = await sender.openState();
    const puts = Array.from({ length: 40 }, (_, at) => put(`k${at}`, `${at}`, at + 1));
    const { writes } = batch(70, puts, { namespaces: [namespace({ keyCount: 40 })], sessions: [SESSION] });
    await state.write({ applied: { term: 5, index: 70 }, writes });
    frozen = state.freeze();
  });

  afterEach(async () => {
    await sender.dispose();
    await rm(root, { recursive: true, force: true });
  });

  const identity = { clusterId: "c2", memberId: "n9", members: IDENTITY.members };
  const options = () => ({ path, ...identity });
  const open = () => openDataDirectory({ path, clusterId: "c2", memberId: "n9" });

  async function stores() {
    const opened = await open();
    if (opened.kind !== "opened") throw new Error(opened.message);
    const outcome = await openStores(opened.directory);
    if (outcome.kind !== "opened") throw new Error(`the stores are ${outcome.kind}`);
    return outcome.stores;
  }

  async function* broken(after: number): AsyncIterable<ImageChunk> {
    let count = 0;
    for await (const chunk of frozen.chunks(null)) {
      if (count === after) throw new Error("the peer is gone");
      count += 1;
      yield chunk;
    }
  }

  it("F6: holds the state, members of its own, and a log that goes on after it", async () => {
    const membership = { ...foundingMembership(IDENTITY.members.slice(0, 1)), epoch: 3 };
    const made = await createDataDirectoryFromImage({
      ...options(),
      header: frozen.header,
      chunks: frozen.chunks(null),
      membership,
    });
    expect(made).toMatchObject({
      kind: "created",
      directory: { path, identity: { clusterId: "c2", memberId: "n9", origin: "image" } },
    });
    for (let round = 0; round < 2; round += 1) {
      const { log, state, close } = await stores();
      expect(state.opened.applied).toEqual({ term: 5, index: 70 });
      expect(state.opened.resident.membership).toEqual(membership);
      expect(state.opened.resident.sessions).toEqual([SESSION]);
      expect(await get(state, "k39")).toBe("39");
      expect([log.firstIndex(), log.lastIndex(), log.term(70)]).toEqual([71, 70, 5]);
      expect(log.hardState).toEqual({ term: 5, vote: null, commit: 70 });
      await close();
    }
    expect((await readdir(path)).sort()).toEqual(["identity.json", "log", "state-1", "state.current"]);
  });

  it("F2: what came of a stream that broke is gone on with, or begun anew from another", async () => {
    const begun = await beginImageDirectory(options());
    if (begun.kind !== "begun") throw new Error(begun.message);
    const first = await begun.directory.receive(frozen.header);
    const putBroken = async (): Promise<void> => {
      for await (const chunk of broken(3)) await first.put(chunk);
    };
    await expect(putBroken()).rejects.toThrow("the peer is gone");
    for await (const chunk of frozen.chunks(first.position)) await first.put(chunk);
    const second = await begun.directory.receive(frozen.header);
    await expect(first.complete()).rejects.toMatchObject({ name: "StoreFailure" });
    for await (const chunk of frozen.chunks(null)) await second.put(chunk);
    await begun.directory.finish(second, null);
    const { state, close } = await stores();
    expect(await get(state, "k7")).toBe("7");
    await close();
  });

  it("F3: nothing is a member's before it is finished; a crash midway is begun anew", async () => {
    const begun = await beginImageDirectory(options());
    if (begun.kind !== "begun") throw new Error(begun.message);
    const receiver = await begun.directory.receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    await receiver.complete();
    expect(await open()).toMatchObject({ kind: "refused", reason: "not_bootstrapped" });
    await receiver.abandon();
    const again = await beginImageDirectory(options());
    if (again.kind !== "begun") throw new Error(again.message);
    const second = await again.directory.receive(frozen.header);
    for await (const chunk of frozen.chunks(null)) await second.put(chunk);
    const made = await again.directory.finish(second, null);
    expect(made.identity).toEqual(again.directory.identity);
    const { state, close } = await stores();
    expect(state.opened.resident.membership).toEqual(FOUNDING);
    await close();
  });

  it.each([
    ["a stream that breaks", () => broken(2), /the peer is gone/],
    ["an image without its end", () => headOf(2), /its end is missing/],
  ] as const)("%s leaves nothing", async (_, chunks, reason) => {
    const making = createDataDirectoryFromImage({
      ...options(),
      header: frozen.header,
      chunks: chunks(),
      membership: null,
    });
    await expect(making).rejects.toThrow(reason);
    expect(await readdir(path)).toEqual([]);
    expect(await open()).toMatchObject({ kind: "refused", reason: "not_bootstrapped" });
    const created = await createDataDirectory({ ...options(), members: IDENTITY.members });
    expect(created).toMatchObject({ kind: "opened", created: true });
  });

  it("is not made where a member's data is, or something else's", async () => {
    await createDataDirectory({ ...options(), members: IDENTITY.members });
    expect(await beginImageDirectory(options())).toMatchObject({ kind: "refused", reason: "already_made" });
    const other = join(root, "other");
    await mkdir(other);
    await writeFile(join(other, "letters.txt"), "");
    expect(await beginImageDirectory({ ...options(), path: other })).toMatchObject({
      kind: "refused",
      reason: "not_ours",
    });
    expect(await readdir(other)).toEqual(["letters.txt"]);
  });

  it("F6: an image is verified without making anything of it", async () => {
    const summary = await verifyImageRows(frozen.header, frozen.chunks(null));
    expect(summary).toMatchObject({ header: frozen.header, keys: 40 });
    expect(summary.rows).toBeGreaterThan(40);
    await expect(verifyImageRows(frozen.header, headOf(2))).rejects.toBeInstanceOf(ImageDamaged);
    async function* damaged(): AsyncIterable<ImageChunk> {
      for await (const chunk of frozen.chunks(null)) {
        const data = Buffer.from(chunk.data);
        data[9] = (data[9] as number) ^ 1;
        yield { ...chunk, data };
      }
    }
    await expect(verifyImageRows(frozen.header, damaged())).rejects.toBeInstanceOf(ImageDamaged);
    await expect(
      verifyImageRows({ ...frozen.header, revision: 1 }, frozen.chunks(null)),
    ).rejects.toBeInstanceOf(ImageDamaged);
  });

  async function* headOf(count: number): AsyncIterable<ImageChunk> {
    let left = count;
    for await (const chunk of frozen.chunks(null)) {
      if (left === 0) return;
      left -= 1;
      yield chunk;
    }
  }
});
