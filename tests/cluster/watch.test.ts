import { setTimeout as delay } from "node:timers/promises";
import { expect } from "@jest/globals";
import type { Kv, KvDelete, KvEvent, KvPut, KvTruncated, Quorate, Watch } from "@quorate/client";
import { clusterOfFile, isLongRun } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

/** A minute ahead, a minute behind, and right. */
const SKEWS_MS = [60_000, -60_000, 0];

/** Makes a process believe in another time of day. */
function skewedClock(skewMs: number): string {
  const program = `const Real = Date; globalThis.Date = class extends Real {
    constructor(...given) { if (given.length === 0) super(Real.now() + ${skewMs}); else super(...given); }
    static now() { return Real.now() + ${skewMs}; }
  };`;
  return `data:text/javascript,${encodeURIComponent(program)}`;
}

const cluster = clusterOfFile({
  nodes: 3,
  gateways: 1,
  nodeFlags: (node) => ["--import", skewedClock(SKEWS_MS[node - 1] ?? 0)],
});
const { test } = cluster;

type Change = KvPut | KvDelete | KvTruncated;

function isChange(event: KvEvent): event is Change {
  return event.kind === "put" || event.kind === "delete" || event.kind === "truncated";
}

/** Takes events until there are so many, or the last one satisfies. */
async function take(watch: Watch, enough: (seen: readonly KvEvent[]) => boolean): Promise<KvEvent[]> {
  const seen: KvEvent[] = [];
  while (!enough(seen)) {
    const next = await watch.next();
    if (next.done === true) throw new Error(`the watch ended after ${seen.length} events`);
    seen.push(next.value);
  }
  return seen;
}

/** How often the leader is lost. */
const ROUNDS = isLongRun ? 3 : 2;

const count = (wanted: number) => (seen: readonly KvEvent[]) => seen.length === wanted;

/** An event as words that can be compared. */
function wordsOf(event: KvEvent): string {
  switch (event.kind) {
    case "put":
      return `${event.revision} ${event.cause} ${event.key} = ${event.record.text()}, was ${event.previous?.text() ?? "-"}, ${event.requestId ?? "-"} ${event.time.getTime()}`;
    case "delete":
      return `${event.revision} ${event.cause} ${event.key} gone, was ${event.previous?.text() ?? "-"}, ${event.requestId ?? "-"} ${event.time.getTime()}`;
    case "truncated":
      return `${event.revision} ${event.cause} ${event.requestId ?? "-"} ${event.time.getTime()}`;
    case "current":
      return `current ${event.record.key} = ${event.record.text()}`;
    case "synced":
      return `synced ${event.revision}`;
  }
}

async function changeEverything(kv: Kv, prefix: string): Promise<void> {
  await kv.put(`${prefix}a`, "1");
  await kv.increment(`${prefix}a`, 4);
  await kv.append(`${prefix}b`, "b");
  await kv.prepend(`${prefix}b`, "a");
  await kv.put(`${prefix}a`, "x");
  await kv.delete(`${prefix}a`);
  await kv.delete(`${prefix}never`);
  await kv.deleteRange({ prefix: `${prefix}b` });
}

test("I1: one event per change, with revision, operation, key, value, previous value, request id and time", async (c) => {
  const { kv } = c.client();
  const watch = kv.watch({ prefix: "i1/" }, { previous: true });
  await watch.opened();
  await changeEverything(kv, "i1/");
  const seen = (await take(watch, count(7))).filter(isChange);
  expect(seen.map(({ kind, cause }) => `${kind} by ${cause}`)).toEqual([
    "put by put",
    "put by increment",
    "put by append",
    "put by prepend",
    "put by put",
    "delete by delete",
    "delete by delete_range",
  ]);
  expect(seen.map((event) => (event.kind === "truncated" ? "" : (event.previous?.text() ?? null)))).toEqual([
    null,
    "1",
    null,
    "b",
    "5",
    "x",
    "ab",
  ]);
  for (const [at, event] of seen.entries()) {
    expect(event.requestId).toMatch(/^\d+\/\d+$/);
    // The clock of a node may be a minute wrong here: the time is for display only.
    expect(Math.abs(event.time.getTime() - Date.now())).toBeLessThan(120_000);
    if (at > 0) expect(event.revision).toBeGreaterThan(seen[at - 1]?.revision ?? 0);
  }
  watch.close();
});

test("I2: five writes are five events in the order of their revisions, none twice", async (c) => {
  const { kv } = c.client(c.gateway().address);
  const watch = kv.watch("i2");
  await watch.opened();
  const revisions: number[] = [];
  for (let at = 0; at < 5; at += 1) revisions.push((await kv.put("i2", String(at))).revision);
  await kv.put("i2-other", "x");
  const seen = (await take(watch, count(5))).filter(isChange);
  expect(seen.map(({ revision }) => revision)).toEqual(revisions);
  const { revision } = await kv.put("i2", "last");
  expect((await take(watch, count(1))).filter(isChange)[0]?.revision).toBe(revision);
  watch.close();
});

test("I3: leader, followers and gateway tell identical sequences, live and from the past", async (c) => {
  const clients = [...c.numbers.map((node) => c.client(node)), c.client(c.gateway().address)];
  const { kv } = c.client();
  const { revision } = await kv.put("i3/start", "x");
  const live = clients.map((client) => client.kv.watch({ prefix: "i3/" }, { previous: true }));
  await Promise.all(live.map((watch) => watch.opened()));
  await changeEverything(kv, "i3/");
  await kv.put("i3/end", "x");
  const isLast = (seen: readonly KvEvent[]): boolean => {
    const last = seen.at(-1);
    return last?.kind === "put" && last.key === "i3/end";
  };
  const told = await Promise.all(live.map((watch) => take(watch, isLast)));
  const [first = []] = told;
  expect(first).toHaveLength(8);
  for (const events of told) expect(events.map(wordsOf)).toEqual(first.map(wordsOf));
  const past = clients.map((client) =>
    client.kv.watch({ prefix: "i3/" }, { previous: true, fromRevision: revision + 1 }),
  );
  for (const watch of past) expect((await take(watch, isLast)).map(wordsOf)).toEqual(first.map(wordsOf));
  for (const watch of [...live, ...past]) watch.close();
});

test("I4: twenty present records first, then what is written meanwhile: no gap, no overlap", async (c) => {
  const { kv } = c.client();
  for (let at = 0; at < 20; at += 1) await kv.put(`i4/${String(at).padStart(2, "0")}`, "before");
  let isWriting = true;
  let written = 0;
  const writing = (async () => {
    while (isWriting) {
      await kv.put(`i4/${String(written++ % 30).padStart(2, "0")}`, `during ${written}`);
      await delay(1);
    }
  })();
  for (const node of c.numbers) {
    const watch = c.client(node).kv.watch({ prefix: "i4/" }, { currentState: true });
    const state = await take(watch, (seen) => seen.at(-1)?.kind === "synced");
    const synced = state.at(-1);
    const revision = synced?.kind === "synced" ? synced.revision : 0;
    const records = state.flatMap((event) => (event.kind === "current" ? [event.record] : []));
    expect(records.length).toBeGreaterThanOrEqual(20);
    expect(records.every(({ modRevision }) => modRevision <= revision)).toBe(true);
    const live = (await take(watch, count(15))).filter(isChange);
    // Every revision of this cluster's one writer is one event: the first is the very next one.
    expect(live.map((event) => event.revision)).toEqual(
      Array.from({ length: 15 }, (_, at) => revision + 1 + at),
    );
    watch.close();
  }
  isWriting = false;
  await writing;
});

test("I5: a watch goes on across the loss of its node and of the leader, and misses and repeats nothing", async (c) => {
  const client: Quorate = c.client(c.numbers, { deadlineMs: 60_000 });
  const watch = client.kv.watch({ prefix: "i5/" });
  await watch.opened();
  const seen: Change[] = [];
  const watching = (async () => {
    for await (const event of watch) if (isChange(event)) seen.push(event);
  })();
  const revisions: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let at = 0; at < 10; at += 1) {
      revisions.push((await client.kv.put(`i5/${at}`, `${round}`)).revision);
    }
    const leader = await c.leader();
    await c.kill(leader);
    for (let at = 0; at < 10; at += 1) {
      revisions.push((await client.kv.put(`i5/${at}`, `${round}+`)).revision);
    }
    await c.restart(leader);
  }
  await inTime("the last event has come", async () => seen.at(-1)?.revision === revisions.at(-1));
  watch.close();
  await watching;
  expect(seen.map(({ revision }) => revision)).toEqual(revisions);
});

test("I5: a compacted start is an explicit error with the oldest revision, and the next one works", async (c) => {
  const { kv } = c.client();
  const first = (await kv.put("i5c", "1")).revision;
  const second = (await kv.put("i5c", "2")).revision;
  const third = (await kv.put("i5c", "3")).revision;
  await kv.compact(second);
  for (const node of c.numbers) {
    const own = c.client(node).kv;
    const watch = own.watch("i5c", { fromRevision: first });
    const failure = await watch.next().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "OUT_OF_RANGE", reason: "COMPACTED", oldestRevision: second + 1 });
    const next = own.watch("i5c", { fromRevision: second + 1 });
    const [event] = (await take(next, count(1))).filter(isChange);
    expect(event?.revision).toBe(third);
    next.close();
  }
});

test("I6: filters, cancellation, and a truncation that everybody hears of", async (c) => {
  const client = c.client();
  await client.namespaces.create("i6");
  const kv = client.namespace("i6");
  const puts = kv.watch({ prefix: "a/" }, { deletes: false });
  const deletes = kv.watch({ prefix: "a/" }, { puts: false });
  const cancelled = kv.watch({ prefix: "a/" });
  const elsewhere = client.kv.watch({ prefix: "a/" });
  await Promise.all([puts, deletes, cancelled, elsewhere].map((watch) => watch.opened()));
  cancelled.close();
  expect(await cancelled.next()).toEqual({ done: true, value: undefined });
  await kv.put("a/1", "x");
  await kv.put("b/1", "x");
  await kv.delete("a/1");
  const { revision } = await kv.truncate();
  expect((await take(puts, count(2))).map(({ kind }) => kind)).toEqual(["put", "truncated"]);
  const [deletion, truncation] = (await take(deletes, count(2))).filter(isChange);
  expect(deletion).toMatchObject({ kind: "delete", key: "a/1" });
  expect(truncation).toMatchObject({ kind: "truncated", revision, cause: "truncate" });
  await client.namespaces.delete("i6");
  await expect(take(puts, count(1))).rejects.toMatchObject({ reason: "UNKNOWN_NAMESPACE" });
  await client.kv.put("a/1", "x");
  expect((await take(elsewhere, count(1))).map(wordsOf)[0]).toContain("a/1 = x, was -");
  elsewhere.close();
  deletes.close();
});

test("I7: a minute of clock skew between the nodes changes no winner: the order is that of the log", async (c) => {
  const watch = c.client().kv.watch("i7");
  await watch.opened();
  // Each node leads in turn and stamps its writes with its own idea of the time.
  const expected: string[] = [];
  // Where each turn begins: the first is that of node 1, a minute ahead, the second that of node 2, a minute behind.
  const turns: number[] = [];
  const own = new Map(c.numbers.map((node) => [node, c.client(node)]));
  for (const [turn, leader] of [1, 2, 3, 1].entries()) {
    await inTime(`n${leader} leads`, async () => {
      await c.node(leader).admin.attempt("transferLeadership", { memberId: `n${leader}` });
      if ((await c.leader()) !== leader) return false;
      const { term } = await c.status(leader);
      turns[turn] = expected.length;
      for (const [node, { kv }] of own) {
        expected.push(`by n${leader} through n${node}`);
        await kv.put("i7", expected.at(-1) ?? "");
      }
      return (await c.status(leader)).term === term && (await c.leader()) === leader;
    });
  }
  const seen = (await take(watch, count(expected.length))).flatMap((event) =>
    event.kind === "put" ? [event] : [],
  );
  expect(seen.map(({ record }) => record.text())).toEqual(expected);
  const stampedMs = seen.map(({ time }) => time.getTime());
  const [ahead, behind] = turns.map((at) => stampedMs[at] ?? Number.NaN) as [number, number];
  expect(ahead - behind).toBeGreaterThan(60_000);
  for (const node of c.numbers) expect(await c.client(node).kv.getText("i7")).toBe(expected.at(-1));
  watch.close();
});
