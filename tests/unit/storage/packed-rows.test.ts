import { cp, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Change, SessionAnswer, SessionState, StateWrites } from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  changeOrigin,
  history,
  meta,
  namespace,
  pairs,
  put,
  remove,
  truncate,
} from "../../compliance/state-samples";
import { isLongRun } from "../../support/long-run";
import { cutTail, editDatabase, largestFile } from "./damaged-files";

const BATCH_KIND = 0x21;
const ANSWER_KIND = 0x05;
const REVISION_KIND = 0x01;

let rig: LevelRig;

beforeEach(async () => {
  rig = await LevelRig.create({ checkpointBatches: 100_000, checkpointBytes: 2 ** 40, gatheredBytes: 0 });
});

afterEach(() => rig.dispose());

async function reopened(): Promise<StateStore> {
  await rig.kill();
  return rig.openState();
}

/** The rows of a kind as the disk has them; the store is closed for it. */
async function rowsOf(kind: number): Promise<number> {
  await rig.close();
  let count = 0;
  await editDatabase(join(rig.path, "state-1"), async (database) => {
    count = (await database.keys({ gte: Buffer.of(kind), lt: Buffer.of(kind + 1) }).all()).length;
  });
  return count;
}

describe("rows of history, in LevelDB", () => {
  /** Revisions 1 to 100 of namespace 1, two changes each and one a deletion, and every fifth of namespace 2 too. */
  function mixedChanges(): readonly Change[] {
    return Array.from({ length: 100 }, (_, at): readonly Change[] => {
      const revision = at + 1;
      const [first, second] = [put(`k${at % 7}`, `v${at}`, revision), remove(`d${at}`, revision, 1)];
      const others: Change[] = at % 5 === 0 ? [{ ...put("o", `v${at}`, revision, 2), namespaceId: 2 }] : [];
      const cause = at % 2 === 0 ? "txn" : "append";
      const origin = { ...changeOrigin(cause, at % 3 === 0 ? null : at), wallTimeMs: 2 ** 40 - at };
      return [first, second, ...others].map((change) => ({ ...change, origin }));
    }).flat();
  }

  const ofNamespace = (changes: readonly Change[], id: number) =>
    changes.filter(({ namespaceId }) => namespaceId === id);

  it("hold many changes of a batch, each as it was, and are told from any revision to any other", async () => {
    const changes = mixedChanges();
    const namespaces = [namespace(), namespace({ id: 2, name: "two" })];
    const state = await rig.openState();
    await state.write(batch(1, changes, { namespaces }));
    const again = await reopened();
    for (const id of [1, 2]) {
      expect(await history(again, { namespaceId: id })).toEqual(ofNamespace(changes, id));
    }
    for (const [from, to] of [
      [1, 1],
      [2, 31],
      [32, 33],
      [33, 64],
      [64, 65],
      [99, 100],
      [100, 100],
    ] as const) {
      expect(await history(again, { from, to })).toEqual(
        ofNamespace(changes, 1).filter(({ revision }) => revision >= from && revision <= to),
      );
    }
    // 200 changes of one namespace, 64 a row, and 20 of the other.
    expect(await rowsOf(REVISION_KIND)).toBe(4 + 1);
  });

  it("are split where they grow long, and hold a truncation among other changes", async () => {
    const long = "k".repeat(3000);
    const before = Array.from({ length: 15 }, (_, at) => put(`${long}${at}`, "a", at + 1));
    const changes = [...before, truncate(16), put("n", "e", 17, 0, 2)];
    const state = await rig.openState();
    await state.write(batch(1, changes, { namespaces: [namespace({ generation: 2 })] }));
    const told = await history(await reopened(), { from: 16 });
    expect(told).toEqual(changes.slice(15));
    // 45,000 bytes of keys, and 32 KiB a row.
    expect(await rowsOf(REVISION_KIND)).toBe(2);
  });

  it("stay whole while any of their changes is told, and then go with all that these replaced", async () => {
    // A row with which others go does not wait until its space is worth returning.
    const keys = Array.from({ length: 60 }, (_, at) =>
      at % 30 === 0
        ? put("gone", "", at + 1)
        : at % 30 === 1
          ? remove("gone", at + 1)
          : put(`k${at % 2}`, `v${at}`, at + 1),
    );
    let state = await rig.openState();
    await state.write(batch(1, keys.slice(0, 30)));
    await state.write(batch(2, keys.slice(30)));
    await state.write(batch(3, [], { meta: meta(60, { compactedRevision: 45 }) }));
    await rig.settle();
    state = await reopened();
    await rig.settle();
    expect(await history(state, { from: 46 })).toEqual(keys.slice(45));
    expect(await pairs(state, { revision: 45 })).toEqual(["k0=v44", "k1=v43"]);
    expect(await rowsOf(REVISION_KIND)).toBe(1);
    state = await rig.openState();
    await state.write(batch(4, [], { meta: meta(60, { compactedRevision: 60 }) }));
    await rig.settle();
    expect(await pairs(state)).toEqual(["k0=v58", "k1=v59"]);
    expect(await rowsOf(REVISION_KIND)).toBe(0);
  });
});

describe("rows of answers, in LevelDB", () => {
  const session = (clientId: number, firstUnanswered: number): SessionState => ({
    clientId,
    namespaceId: 1,
    ttlMs: 5000,
    deadlineMs: null,
    firstUnanswered,
  });
  const answer = (clientId: number, sequence: number, length = 8): SessionAnswer => ({
    clientId,
    sequence,
    answer: bytes(`${clientId}:${sequence}:`.padEnd(length, "x")),
  });
  const range = (count: number) => Array.from({ length: count }, (_, at) => at);

  it("hold the answers of a batch, and go with the last of them", async () => {
    const state = await rig.openState();
    const sequences = range(100).map((at) => at + 1);
    const answers = sequences.map((sequence) => answer(1, sequence));
    await state.write(batch(1, [], { sessions: [session(1, 1)], answers }));
    const droppedTo = (first: number, before: number): Partial<StateWrites> => ({
      sessions: [session(1, first)],
      answersDropped: range(first - before).map((at) => ({ clientId: 1, sequence: before + at })),
    });
    await state.write(batch(2, [], droppedTo(100, 1)));
    expect((await reopened()).opened.resident.answers).toEqual([answer(1, 100)]);
    expect(await rowsOf(ANSWER_KIND)).toBe(1);
    await (await rig.openState()).write(batch(3, [], droppedTo(101, 100)));
    expect((await reopened()).opened.resident.answers).toEqual([]);
    expect(await rowsOf(ANSWER_KIND)).toBe(0);
  });

  it("are bounded in bytes and in answers, but for one that is longer", async () => {
    const state = await rig.openState();
    const answers = [...range(600).map((at) => answer(1, at + 1)), answer(1, 601, 100_000), answer(1, 602)];
    await state.write(batch(1, [], { sessions: [session(1, 1)], answers }));
    expect((await reopened()).opened.resident.answers).toEqual(answers);
    expect(await rowsOf(ANSWER_KIND)).toBe(3 + 1 + 1);
  });

  it("take little more room than what is kept, however idle some clients are beside others", async () => {
    const state = await rig.openState();
    const idle = range(50).map((at) => at + 1000);
    await state.write(batch(1, [], { sessions: [session(1, 1)] }));
    let sequence = 0;
    // In each batch one answer of an idle client, which keeps its row, and 63 of a busy one.
    for (const [at, clientId] of idle.entries()) {
      const dropped = range(sequence === 0 ? 0 : 63).map((back) => ({
        clientId: 1,
        sequence: sequence - back,
      }));
      const answers = [...range(63).map((more) => answer(1, sequence + more + 1)), answer(clientId, 1)];
      await state.write(
        batch(at + 2, [], {
          sessions: [session(1, sequence + 1), session(clientId, 1)],
          answers,
          answersDropped: dropped,
        }),
      );
      sequence += 63;
    }
    const kept = [
      ...range(63).map((at) => answer(1, sequence - 62 + at)),
      ...idle.map((clientId) => answer(clientId, 1)),
    ];
    expect((await reopened()).opened.resident.answers).toEqual(kept);
    // Fifty rows would be needed if each stayed for its one answer.
    expect(await rowsOf(ANSWER_KIND)).toBeLessThanOrEqual(3 + Math.ceil((1024 + 2 * kept.length) / 64));
  });

  /** Sessions that come, answer, drop and go, as the state machine has them. */
  class RandomSessions {
    private readonly sessions = new Map<
      number,
      { firstUnanswered: number; next: number; answers: Set<number> }
    >();
    private nextClientId = 1;

    constructor(private readonly random: Random) {}

    next(): Partial<StateWrites> {
      const ended: number[] = [];
      const answers: SessionAnswer[] = [];
      const answersDropped: { clientId: number; sequence: number }[] = [];
      const touched = new Set<number>();
      if (this.sessions.size < 8) {
        this.sessions.set(this.nextClientId, { firstUnanswered: 1, next: 1, answers: new Set() });
        touched.add(this.nextClientId);
        this.nextClientId += 1;
      }
      for (const [clientId, found] of this.sessions) {
        // The lower the id, the busier the client.
        if (this.random.below((clientId % 8) + 1) > 1) continue;
        touched.add(clientId);
        if (this.random.below(12) === 0) {
          this.sessions.delete(clientId);
          touched.delete(clientId);
          ended.push(clientId);
          continue;
        }
        const raisedTo = found.firstUnanswered + this.random.below(found.next - found.firstUnanswered + 1);
        for (const sequence of found.answers) {
          if (sequence >= raisedTo) continue;
          found.answers.delete(sequence);
          answersDropped.push({ clientId, sequence });
        }
        found.firstUnanswered = raisedTo;
        for (let left = this.random.below(60); left > 0; left -= 1) {
          found.answers.add(found.next);
          answers.push(answer(clientId, found.next));
          found.next += 1;
        }
      }
      const sessions = [...touched].map((id) => session(id, this.sessions.get(id)?.firstUnanswered ?? 1));
      return { sessions, sessionsEnded: ended, answers, answersDropped };
    }

    kept(): readonly SessionAnswer[] {
      const byId = [...this.sessions].sort(([left], [right]) => left - right);
      return byId.flatMap(([clientId, { answers }]) =>
        [...answers].sort((left, right) => left - right).map((sequence) => answer(clientId, sequence)),
      );
    }
  }

  it.each(isLongRun ? [1, 2, 3, 4, 5, 6] : [1, 2])(
    "E6: hold what sessions keep wherever a crash stops them (seed %d)",
    async (seed) => {
      const sessions = new RandomSessions(seededRandom(seed));
      const keptAt: (readonly SessionAnswer[])[] = [[]];
      let state = await rig.openState();
      for (let index = 1; index <= 120; index += 1) {
        await state.write(batch(index, [], sessions.next()));
        keptAt.push(sessions.kept());
        if (index % 40 !== 0) continue;
        state = await reopened();
        expect(state.opened.resident.answers).toEqual(keptAt[index]);
      }
      for (let index = 121; index <= 200; index += 1) {
        await state.write(batch(index, [], sessions.next()));
        keptAt.push(sessions.kept());
      }
      await rig.kill();
      const kept = `${rig.path}-kept`;
      await cp(rig.path, kept, { recursive: true });
      const log = await largestFile(join(rig.path, "state-1"), ".log");
      const { size } = await stat(log);
      const applied = new Set<number>();
      for (let cut = 0; cut < size; cut += Math.ceil(size / 25)) {
        await rm(rig.path, { recursive: true });
        await cp(kept, rig.path, { recursive: true });
        await cutTail(log, cut);
        const again = await rig.openState();
        const { index } = again.opened.applied;
        applied.add(index);
        expect(again.opened.resident.answers).toEqual(keptAt[index]);
        await again.write(batch(index + 1, []));
        await rig.close();
      }
      expect(applied.size).toBeGreaterThan(10);
    },
  );

  it("E6: hold what sessions keep where batches are gathered, whatever of them a row is made of", async () => {
    await rig.dispose();
    rig = await LevelRig.create();
    const random = seededRandom(1);
    const sessions = new RandomSessions(random);
    let state = await rig.openState();
    for (let index = 1; index <= 200; index += 1) {
      await state.write(batch(index, [], sessions.next()));
      if (random.below(8) > 0) continue;
      state = await reopened();
      expect(state.opened.resident.answers).toEqual(sessions.kept());
    }
  });

  it("have no answer that was dropped before it was stored, and session and namespace once", async () => {
    await rig.dispose();
    rig = await LevelRig.create({ gatheredBytes: 2 ** 30, gatheredMs: 2 ** 30 });
    const state = await rig.openState();
    for (let index = 1; index <= 50; index += 1) {
      await state.write(
        batch(index, [put(`k${index}`, "v", index), put("last", `${index}`, index, 1)], {
          namespaces: [namespace({ keyCount: index + 1 })],
          sessions: [session(1, index)],
          answers: [answer(1, index)],
          answersDropped: index === 1 ? [] : [{ clientId: 1, sequence: index - 1 }],
        }),
      );
    }
    await state.checkpoint();
    const after = await reopened();
    expect(after.opened.resident.answers).toEqual([answer(1, 50)]);
    expect(after.opened.resident.sessions).toEqual([session(1, 50)]);
    expect(after.opened.resident.namespaces[0]?.keyCount).toBe(51);
    expect(await history(after)).toHaveLength(100);
    expect(await rowsOf(ANSWER_KIND)).toBe(1);
    // As many changes as two rows hold.
    expect(await rowsOf(REVISION_KIND)).toBe(2);
    expect(await rowsOf(BATCH_KIND)).toBeLessThanOrEqual(1);
  });
});
