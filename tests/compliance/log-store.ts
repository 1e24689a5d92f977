import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Entry, HardState, LogReader } from "@quorate/services/raft";
import { entryBytes } from "@quorate/services/raft";
import { type LogStore, StoreFailure } from "@quorate/services/replica";

/** One log that outlives its store. */
export interface LogRig {
  /** Opens the store; the one opened before is closed or crashed. */
  open(): Promise<LogStore>;
  /** Ends the store as a killed process does: nothing that was written is lost. */
  kill(): Promise<void>;
  /** The next write fails. */
  failNextWrite(): void;
  /** Removes all that is left. */
  dispose(): Promise<void>;
}

export function entry(index: number, term: number, text = `e${index}`): Entry {
  return { index, term, kind: "normal", data: new TextEncoder().encode(text) };
}

export function allEntries(log: LogReader): readonly Entry[] {
  if (log.lastIndex() < log.firstIndex()) return [];
  return log.entries({
    from: log.firstIndex(),
    toExclusive: log.lastIndex() + 1,
    bytesMax: Number.POSITIVE_INFINITY,
  });
}

export function ids(log: LogReader): string {
  return allEntries(log)
    .map(({ term, index }) => `${term}/${index}`)
    .join(" ");
}

const SYNC = { sync: true };
const hardState: HardState = { term: 3, vote: "n2", commit: 2 };

/** What every LogStore must do, whatever it writes to. */
export function logStoreCompliance(name: string, create: () => Promise<LogRig>): void {
  describe(`log store on ${name}`, () => {
    let rig: LogRig;
    let log: LogStore;

    beforeEach(async () => {
      rig = await create();
      log = await rig.open();
    });

    afterEach(async () => {
      await log.close();
      await rig.dispose();
    });

    async function append(...entries: Entry[]): Promise<void> {
      await log.append({ entries, hardState: null }, SYNC);
    }

    it("starts empty", () => {
      expect(log.firstIndex()).toBe(1);
      expect(log.lastIndex()).toBe(0);
      expect(log.term(0)).toBe(0);
      expect(log.term(1)).toBe("unavailable");
      expect(log.hardState).toEqual({ term: 0, vote: null, commit: 0 });
      expect(log.counters).toEqual({ syncs: 0, entriesSynced: 0 });
    });

    it("holds what was appended, in kind, term and bytes", async () => {
      const entries: Entry[] = [
        entry(1, 1),
        { index: 2, term: 1, kind: "conf_change", data: new Uint8Array(0) },
        { index: 3, term: 4, kind: "conf_change_v2", data: Uint8Array.of(0, 255, 0) },
      ];
      await append(...entries);
      expect(allEntries(log)).toEqual(entries);
      expect([0, 1, 2, 3, 4].map((index) => log.term(index))).toEqual([0, 1, 1, 4, "unavailable"]);
    });

    it("E6: term, vote, commit index and entries survive a restart", async () => {
      await log.append({ entries: [entry(1, 1), entry(2, 3)], hardState }, SYNC);
      await rig.kill();
      log = await rig.open();
      expect(log.hardState).toEqual(hardState);
      expect(allEntries(log)).toEqual([entry(1, 1), entry(2, 3)]);
    });

    it("E6: the latest vote wins after a restart, with a vote and without", async () => {
      await log.append({ entries: [], hardState: { term: 1, vote: "n1", commit: 0 } }, SYNC);
      await log.append({ entries: [], hardState: { term: 2, vote: "n3", commit: 0 } }, SYNC);
      await rig.kill();
      log = await rig.open();
      expect(log.hardState).toEqual({ term: 2, vote: "n3", commit: 0 });
      await log.append({ entries: [], hardState: { term: 3, vote: null, commit: 0 } }, SYNC);
      await rig.kill();
      log = await rig.open();
      expect(log.hardState).toEqual({ term: 3, vote: null, commit: 0 });
    });

    it("keeps the hard state where an append brings none", async () => {
      await log.append({ entries: [entry(1, 3), entry(2, 3)], hardState }, SYNC);
      await append(entry(3, 3));
      expect(log.hardState).toEqual(hardState);
    });

    it("E6: a conflicting suffix is replaced, and stays replaced after a restart", async () => {
      await append(entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1));
      await append(entry(2, 2, "other"));
      expect(ids(log)).toBe("1/1 2/2");
      expect(log.term(3)).toBe("unavailable");
      await rig.kill();
      log = await rig.open();
      expect(ids(log)).toBe("1/1 2/2");
      await append(entry(3, 2));
      await rig.kill();
      log = await rig.open();
      expect(ids(log)).toBe("1/1 2/2 2/3");
    });

    it("replaces the whole log from its first entry", async () => {
      await append(entry(1, 1), entry(2, 1));
      await append(entry(1, 5));
      expect(ids(log)).toBe("5/1");
      expect(log.term(1)).toBe(5);
    });

    it("returns at least one entry, and no more than fit into the bytes asked for", async () => {
      await append(entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 2));
      const size = entryBytes(entry(1, 1));
      const count = (from: number, bytesMax: number) =>
        log.entries({ from, toExclusive: 5, bytesMax }).length;
      expect(count(1, 0)).toBe(1);
      expect(count(1, size)).toBe(1);
      expect(count(1, size * 2)).toBe(2);
      expect(count(2, size * 3 - 1)).toBe(2);
      expect(count(2, Number.POSITIVE_INFINITY)).toBe(3);
    });

    it("shows an append only when it is written", async () => {
      const appended = append(entry(1, 1));
      expect(log.lastIndex()).toBe(0);
      await appended;
      expect(log.lastIndex()).toBe(1);
    });

    it("serialises appends in the order of the calls", async () => {
      const written: number[] = [];
      await Promise.all(
        Array.from({ length: 50 }, (_, at) =>
          log
            .append({ entries: [entry(at + 1, 1)], hardState: null }, { sync: at % 2 === 0 })
            .then(() => written.push(at)),
        ),
      );
      expect(written).toEqual(Array.from({ length: 50 }, (_, at) => at));
      expect(log.lastIndex()).toBe(50);
    });

    it("counts synced writes and their entries", async () => {
      await append(entry(1, 1), entry(2, 1));
      await log.append({ entries: [entry(3, 1)], hardState: null }, { sync: false });
      await log.append({ entries: [], hardState: { term: 1, vote: null, commit: 3 } }, SYNC);
      expect(log.counters).toEqual({ syncs: 2, entriesSynced: 2 });
    });

    it("goes on after an entry that it is reset to", async () => {
      await log.append({ entries: [entry(1, 1), entry(2, 3)], hardState }, SYNC);
      await log.reset({ term: 3, index: 10 });
      expect([log.firstIndex(), log.lastIndex()]).toEqual([11, 10]);
      expect(log.hardState).toEqual({ term: 3, vote: "n2", commit: 10 });
      expect([9, 10, 11].map((index) => log.term(index))).toEqual(["compacted", 3, "unavailable"]);
      await append(entry(11, 3));
      await rig.kill();
      log = await rig.open();
      expect([log.firstIndex(), log.lastIndex()]).toEqual([11, 11]);
      expect(log.term(10)).toBe(3);
      expect(allEntries(log)).toEqual([entry(11, 3)]);
    });

    it("forgets its vote when it is reset into a later term", async () => {
      await log.append({ entries: [entry(1, 3), entry(2, 3)], hardState }, SYNC);
      await log.reset({ term: 7, index: 20 });
      expect(log.hardState).toEqual({ term: 7, vote: null, commit: 20 });
    });

    it("F1: gives up entries at its front, and goes on after the last of them", async () => {
      await append(entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2), entry(5, 4));
      await log.append({ entries: [], hardState: { term: 4, vote: "n1", commit: 5 } }, SYNC);
      const bytesOf = (...indexes: number[]) =>
        allEntries(log)
          .filter(({ index }) => indexes.includes(index))
          .reduce((bytes, each) => bytes + entryBytes(each), 0);
      expect(log.bytes).toBe(bytesOf(1, 2, 3, 4, 5));
      await log.cut(3);
      for (const round of ["at once", "after a restart"]) {
        if (round !== "at once") {
          await rig.kill();
          log = await rig.open();
        }
        expect([log.firstIndex(), log.lastIndex()]).toEqual([4, 5]);
        expect([2, 3, 4, 5, 6].map((index) => log.term(index))).toEqual([
          "compacted",
          2,
          2,
          4,
          "unavailable",
        ]);
        expect(allEntries(log)).toEqual([entry(4, 2), entry(5, 4)]);
        expect(log.bytes).toBe(bytesOf(4, 5));
        expect(log.hardState).toEqual({ term: 4, vote: "n1", commit: 5 });
      }
      await append(entry(5, 5), entry(6, 5));
      await log.cut(6);
      expect(log.bytes).toBe(0);
      expect([log.firstIndex(), log.lastIndex()]).toEqual([7, 6]);
      await rig.kill();
      log = await rig.open();
      expect([log.firstIndex(), log.lastIndex(), log.term(6)]).toEqual([7, 6, 5]);
      await append(entry(7, 6));
      expect(ids(log)).toBe("6/7");
    });

    it("gives nothing up that is given up already", async () => {
      await append(entry(1, 1), entry(2, 1), entry(3, 2));
      await log.cut(2);
      await log.cut(1);
      await log.cut(2);
      await log.cut(0);
      expect(ids(log)).toBe("2/3");
    });

    it("cuts in the order of the calls, while it is appended to", async () => {
      const written: Promise<void>[] = [];
      for (let index = 1; index <= 600; index += 1) {
        written.push(append(entry(index, 1)));
        if (index % 50 === 0) written.push(log.cut(index - 20));
      }
      await Promise.all(written);
      expect([log.firstIndex(), log.lastIndex()]).toEqual([581, 600]);
      await rig.kill();
      log = await rig.open();
      expect([log.firstIndex(), log.lastIndex()]).toEqual([581, 600]);
      expect(allEntries(log)).toEqual(Array.from({ length: 20 }, (_, at) => entry(581 + at, 1)));
    });

    it("keeps its size by what it holds, whatever is replaced, reset or given up", async () => {
      await append(entry(1, 1, "x".repeat(1000)), entry(2, 1, "x".repeat(500)), entry(3, 1));
      await append(entry(2, 2, "y"));
      expect(log.bytes).toBe(allEntries(log).reduce((bytes, each) => bytes + entryBytes(each), 0));
      await log.reset({ term: 2, index: 9 });
      expect(log.bytes).toBe(0);
      await append(entry(10, 2), entry(11, 2));
      await log.cut(10);
      expect(log.bytes).toBe(entryBytes(entry(11, 2)));
    });

    it("a cut that fails ends it, and leaves what was there", async () => {
      await append(entry(1, 1), entry(2, 1));
      rig.failNextWrite();
      await expect(log.cut(1)).rejects.toBeInstanceOf(StoreFailure);
      await expect(append(entry(3, 1))).rejects.toBeInstanceOf(StoreFailure);
      await log.close();
      log = await rig.open();
      expect(ids(log)).toBe("1/1 1/2");
    });

    it("is not moved by what its caller does to the list it handed over", async () => {
      const entries = [entry(1, 1)];
      const appended = log.append({ entries, hardState: null }, SYNC);
      await appended;
      entries.push(entry(2, 1));
      expect(log.lastIndex()).toBe(1);
    });

    it("ends with a failed write: it and all later ones are refused with one failure", async () => {
      await append(entry(1, 1));
      rig.failNextWrite();
      const failures = await Promise.all([
        append(entry(2, 1)).catch((error: unknown) => error),
        append(entry(3, 1)).catch((error: unknown) => error),
        log.reset({ term: 1, index: 9 }).catch((error: unknown) => error),
      ]);
      expect(failures[0]).toBeInstanceOf(StoreFailure);
      expect(failures[0]).toMatchObject({ dataLoss: false });
      expect(new Set(failures).size).toBe(1);
      await log.close();
      log = await rig.open();
      expect(ids(log)).toBe("1/1");
      await append(entry(2, 1));
      expect(ids(log)).toBe("1/1 1/2");
    });

    it("refuses appends after close, which is safe to call twice", async () => {
      await append(entry(1, 1));
      await Promise.all([log.close(), log.close()]);
      await log.close();
      await expect(append(entry(2, 1))).rejects.toBeInstanceOf(StoreFailure);
    });

    it("finishes what was asked for before close", async () => {
      const appended = append(entry(1, 1));
      await log.close();
      await appended;
      log = await rig.open();
      expect(ids(log)).toBe("1/1");
    });
  });
}
