import { describe, expect, it } from "@jest/globals";
import type { Entry, Ready } from "@quorate/services/raft";
import { type LogBatch, type LogStore, StoreFailure } from "@quorate/services/replica";
import { mergedEntries, Persister } from "../../../services/replica/persister";

function entry(term: number, index: number): Entry {
  return { term, index, kind: "normal", data: Uint8Array.of(index) };
}

function ready(number: number, parts: Partial<Ready> = {}): Ready {
  const entries = parts.entries ?? [];
  return {
    number,
    softState: null,
    hardState: null,
    entries,
    messages: [],
    messagesAfterPersist: [],
    committedEntries: [],
    readStates: [],
    snapshotOffer: null,
    mustSync: entries.length > 0,
    ...parts,
  };
}

interface Write {
  readonly batch: LogBatch;
  readonly done: () => void;
  readonly fail: (failure: Error) => void;
}

function persister() {
  const writes: Write[] = [];
  const events: string[] = [];
  const log = {
    append: (batch: LogBatch, options: { sync: boolean }) =>
      new Promise<void>((done, fail) => {
        events.push(options.sync ? "sync" : "write");
        writes.push({ batch, done, fail });
      }),
  } as unknown as LogStore;
  const under = new Persister(log, {
    durable: ({ number }) => events.push(`durable ${number}`),
    settled: () => events.push("settled"),
    failed: (failure) => events.push(`failed: ${failure.message}`),
  });
  return { under, writes, events };
}

async function turn(): Promise<void> {
  for (let step = 0; step < 5; step += 1) await Promise.resolve();
}

describe("the persister", () => {
  it("calls nothing durable before the disk has answered", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { entries: [entry(1, 1)] }));
    await turn();
    expect(events).toEqual(["sync"]);
    writes[0]!.done();
    await turn();
    expect(events).toEqual(["sync", "durable 1", "settled"]);
  });

  it("keeps the order of Readys, also of those that ask for no write", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { entries: [entry(1, 1)] }));
    under.push(ready(2));
    await turn();
    expect(events).toEqual(["sync"]);
    writes[0]!.done();
    await turn();
    expect(events).toEqual(["sync", "durable 1", "settled", "durable 2", "settled"]);
  });

  it("writes together what came while the disk worked", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { entries: [entry(1, 1)] }));
    under.push(ready(2, { entries: [entry(1, 2)], hardState: { term: 1, vote: "n1", commit: 0 } }));
    under.push(ready(3, { entries: [entry(1, 3), entry(1, 4)] }));
    writes[0]!.done();
    await turn();
    expect(writes).toHaveLength(2);
    expect(writes[1]!.batch.entries.map(({ index }) => index)).toEqual([2, 3, 4]);
    expect(writes[1]!.batch.hardState).toEqual({ term: 1, vote: "n1", commit: 0 });
    writes[1]!.done();
    await turn();
    expect(events).toEqual(["sync", "durable 1", "settled", "sync", "durable 2", "durable 3", "settled"]);
  });

  it("hands out at once what needs no write, and lets a bare commit index ride on the next write", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { hardState: { term: 3, vote: null, commit: 9 } }));
    expect(events).toEqual(["durable 1"]);
    under.push(ready(2, { entries: [entry(3, 10)] }));
    expect(writes[0]!.batch.hardState).toEqual({ term: 3, vote: null, commit: 9 });
    writes[0]!.done();
    await turn();
    under.push(ready(3, { entries: [entry(3, 11)] }));
    expect(writes[1]!.batch.hardState).toBeNull();
  });

  it("stores a vote before it is durable, entries or not", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { hardState: { term: 4, vote: "n2", commit: 0 }, mustSync: true }));
    expect(events).toEqual(["sync"]);
    expect(writes[0]!.batch).toEqual({ entries: [], hardState: { term: 4, vote: "n2", commit: 0 } });
  });

  it("ends with the first failed write and takes nothing more", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { entries: [entry(1, 1)] }));
    under.push(ready(2, { entries: [entry(1, 2)] }));
    writes[0]!.fail(new StoreFailure("no space", { dataLoss: false }));
    await turn();
    under.push(ready(3));
    await turn();
    expect(events).toEqual(["sync", "failed: no space"]);
    expect(writes).toHaveLength(1);
    await under.stop();
  });

  it("stops after the write under way, without calling it durable", async () => {
    const { under, writes, events } = persister();
    under.push(ready(1, { entries: [entry(1, 1)] }));
    const stopped = under.stop().then(() => events.push("stopped"));
    await turn();
    expect(events).toEqual(["sync"]);
    writes[0]!.done();
    await stopped;
    expect(events).toEqual(["sync", "stopped"]);
  });

  it("merges Readys as the log would: a later one replaces everything from its first entry on", () => {
    const merged = mergedEntries([
      ready(1, { entries: [entry(1, 1), entry(1, 2), entry(1, 3)] }),
      ready(2),
      ready(3, { entries: [entry(2, 2)] }),
      ready(4, { entries: [entry(2, 3), entry(2, 4)] }),
    ]);
    expect(merged.map(({ term, index }) => `${term}/${index}`)).toEqual(["1/1", "2/2", "2/3", "2/4"]);
  });
});
