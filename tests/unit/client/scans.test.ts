import { expect, test } from "@jest/globals";
import { type KvRecord, QuorateError, type ScanOptions } from "@quorate/client";
import { type Answer, connectionLost, HEADER, ScriptedEndpoints } from "./scripted-endpoints";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";

interface Page {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
  readonly limit: bigint;
  readonly reverse: boolean;
  readonly revision: bigint;
  readonly minRevision: bigint;
}

const KEYS = Array.from({ length: 10 }, (_, at) => `k${at}`);

function record(key: string) {
  return {
    key: Buffer.from(key),
    value: Buffer.from(`value of ${key}`),
    createRevision: 1n,
    modRevision: 1n,
    version: 1n,
    leaseId: 0n,
  };
}

/** Serves KEYS as a node would, two records a message. */
const serve: Answer = ({ request }) => {
  const { start, end, limit, reverse } = request as Page;
  const inRange = KEYS.filter(
    (key) =>
      Buffer.compare(Buffer.from(key), start) >= 0 &&
      (end.length === 0 || Buffer.compare(Buffer.from(key), end) < 0),
  );
  const ordered = reverse ? inRange.toReversed() : inRange;
  const records = ordered.slice(0, Number(limit)).map(record);
  const parts = Array.from({ length: Math.max(1, Math.ceil(records.length / 2)) }, (_, at) => ({
    header: HEADER,
    records: records.slice(2 * at, 2 * at + 2),
    more: false,
    nextCursor: Buffer.alloc(0),
  }));
  const last = parts.at(-1) as { more: boolean };
  last.more = ordered.length > records.length;
  return parts;
};

async function scanned(ends: ScriptedEndpoints, options: ScanOptions = {}): Promise<string[]> {
  const collect = async () => {
    const keys: string[] = [];
    for await (const { key } of ends.client.kv.scan({ prefix: "k" }, options)) keys.push(key);
    return keys;
  };
  return ends.timing.drive(collect());
}

test.each([
  { pageRecords: 1 },
  { pageRecords: 3 },
  { pageRecords: 5 },
  { pageRecords: 10 },
  { pageRecords: 1000 },
])(
  "A17: pages of $pageRecords records are complete, in order and without duplicates, both ways",
  async (options) => {
    expect(await scanned(new ScriptedEndpoints(A, serve), options)).toEqual(KEYS);
    expect(await scanned(new ScriptedEndpoints(A, serve), { ...options, reverse: true })).toEqual(
      KEYS.toReversed(),
    );
  },
);

test("a limit ends the scan, within a page and across pages", async () => {
  expect(await scanned(new ScriptedEndpoints(A, serve), { limit: 4, pageRecords: 3 })).toEqual(
    KEYS.slice(0, 4),
  );
  expect(await scanned(new ScriptedEndpoints(A, serve), { limit: 0 })).toEqual([]);
});

test("all pages are read at the revision of the first, from nodes that have reached it", async () => {
  const ends = new ScriptedEndpoints(A, serve);
  await scanned(ends, { pageRecords: 4 });
  const pages = ends.attempts.map(({ request }) => request as Page);
  expect(pages.map(({ revision, minRevision }) => [revision, minRevision])).toEqual([
    [0n, 0n],
    [7n, 7n],
    [7n, 7n],
  ]);
});

test.each([{ reverse: false }, { reverse: true }])(
  "a stream that breaks is taken up elsewhere behind the last record (%p)",
  async ({ reverse }) => {
    const ends = new ScriptedEndpoints(`${A},${B}`, (attempt) => {
      const parts = serve(attempt) as object[];
      return attempt.address === A ? [...parts.slice(0, 2), connectionLost] : parts;
    });
    expect(await scanned(ends, { reverse })).toEqual(reverse ? KEYS.toReversed() : KEYS);
    expect(ends.attempts.map(({ address }) => address)).toEqual([A, B]);
  },
);

test("a scan that makes no headway ends with the failure at its deadline", async () => {
  const ends = new ScriptedEndpoints(A, () => connectionLost, { deadlineMs: 1000 });
  const error = await ends.failure(scanned(ends));
  expect(error.message).toBe("connection dropped");
  expect(ends.timing.nowMs()).toBeLessThanOrEqual(1000);
});

test("a revision that was compacted meanwhile is an explicit error", async () => {
  const compacted = new QuorateError("revision 7 was compacted", {
    code: "OUT_OF_RANGE",
    reason: "COMPACTED",
    oldestRevision: 9,
  });
  const ends = new ScriptedEndpoints(A, (attempt) =>
    (attempt.request as Page).revision === 0n ? serve(attempt) : compacted,
  );
  const error = await ends.failure(scanned(ends, { pageRecords: 4 }));
  expect([error.reason, error.oldestRevision]).toEqual(["COMPACTED", 9]);
});

test.each([{ pageRecords: 0 }, { pageRecords: 1.5 }, { limit: -1 }])("%p is refused", async (options) => {
  const ends = new ScriptedEndpoints(A, serve);
  expect((await ends.failure(scanned(ends, options))).code).toBe("INVALID_ARGUMENT");
});

test("a consumer that stops early is served no further page", async () => {
  const ends = new ScriptedEndpoints(A, serve);
  const first = async (): Promise<KvRecord | undefined> => {
    for await (const found of ends.client.kv.scan({}, { pageRecords: 2 })) return found;
    return undefined;
  };
  expect((await ends.timing.drive(first()))?.text()).toBe("value of k0");
  expect(ends.attempts).toHaveLength(1);
});

test("records that are asked for all at once come in their order, and then nothing", async () => {
  const ends = new ScriptedEndpoints(A, serve);
  const records = ends.client.kv.scan({ prefix: "k" }, { pageRecords: 3 })[Symbol.asyncIterator]();
  const asked = Array.from({ length: KEYS.length + 2 }, () => records.next());
  const answers = await ends.timing.drive(Promise.all(asked));
  expect(answers.map(({ value }) => (value as KvRecord | undefined)?.key)).toEqual([
    ...KEYS,
    undefined,
    undefined,
  ]);
  expect(answers.map(({ done }) => done)).toEqual([...KEYS.map(() => false), true, true]);
});

test("nothing comes after a scan was left, and it can be left twice", async () => {
  const ends = new ScriptedEndpoints(A, serve);
  const records = ends.client.kv.scan({ prefix: "k" })[Symbol.asyncIterator]();
  const { value } = await ends.timing.drive(records.next());
  expect((value as KvRecord).key).toBe("k0");
  for (let times = 0; times < 2; times += 1) {
    expect(await ends.timing.drive(records.return?.() ?? Promise.reject())).toEqual({
      done: true,
      value: undefined,
    });
  }
  expect(await ends.timing.drive(records.next())).toEqual({ done: true, value: undefined });
});

test("records keep what they hold, short and long, beside those that came with them", async () => {
  const lengths = [0, 1, 300, 4096, 4097, 20_000, 16_000, 2];
  const contents = lengths.map((length, at) => Buffer.alloc(length, at + 1));
  const records = contents.map((value, at) => ({ ...record(`k${at}`), value }));
  const ends = new ScriptedEndpoints(A, () => [
    { header: HEADER, records, more: false, nextCursor: Buffer.alloc(0) },
  ]);
  const found: KvRecord[] = [];
  const collect = async () => {
    for await (const each of ends.client.kv.scan({ prefix: "k" })) found.push(each);
  };
  await ends.timing.drive(collect());
  expect(found.map(({ key, bytes }) => [key, Buffer.from(bytes)])).toEqual(
    contents.map((value, at) => [`k${at}`, value]),
  );
});

test("a record that came with the one before is there for who asks right after", async () => {
  const ends = new ScriptedEndpoints(A, serve);
  const records = ends.client.kv.scan({ prefix: "k" })[Symbol.asyncIterator]();
  const secondAfterFirst = async () => {
    await records.next();
    let isThere = false;
    void records.next().then(() => {
      isThere = true;
    });
    await null;
    return isThere;
  };
  expect(await ends.timing.drive(secondAfterFirst())).toBe(true);
});
