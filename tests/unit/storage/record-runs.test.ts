import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { StoredRecord } from "@quorate/services/kv";
import type { RangeQuery, StateStore } from "@quorate/services/replica";
import { type Random, seededRandom } from "@quorate/services/std";
import { LevelRig } from "../../compliance/level-rig";
import {
  batch,
  bytes,
  GENERATION,
  NAMESPACE_ID,
  NEWEST,
  put,
  record,
  remove,
  text,
} from "../../compliance/state-samples";

const KEYS = 400;
const VALUE = "v".repeat(300);

/** Asked for as a caller does that says how much it takes. */
function wanting(state: StateStore, more: Partial<RangeQuery> = {}): AsyncIterable<readonly StoredRecord[]> {
  return state.scan({
    namespaceId: NAMESPACE_ID,
    generation: GENERATION,
    start: bytes(""),
    end: null,
    revision: NEWEST,
    reverse: false,
    keysOnly: false,
    recordsWanted: 10_000,
    ...more,
  });
}

async function pairsOf(chunks: AsyncIterable<readonly StoredRecord[]>): Promise<string[]> {
  const pairs: string[] = [];
  for await (const chunk of chunks) pairs.push(...chunk.map(pairOf));
  return pairs;
}

function pairOf({
  key,
  value,
  createRevision,
  modRevision,
  version,
  leaseId,
  valueBytes,
}: StoredRecord): string {
  return `${text(key)}=${text(value)} ${valueBytes} ${createRevision} ${modRevision} ${version} ${leaseId}`;
}

function keyAt(at: number): string {
  return `k${String(at).padStart(4, "0")}`;
}

describe("records that scans have read", () => {
  let rig: LevelRig;
  let state: StateStore;
  let index = 0;
  let revision = 0;

  function nextRevision(): number {
    revision += 1;
    return revision;
  }

  async function write(changes: readonly ReturnType<typeof put>[]): Promise<void> {
    index += 1;
    await state.write(batch(index, changes));
  }

  async function open(options: Parameters<typeof LevelRig.create>[0] = {}): Promise<void> {
    rig = await LevelRig.create(options);
    state = await rig.openState();
    index = 0;
    revision = KEYS;
    await write(Array.from({ length: KEYS }, (_, at) => put(keyAt(at), VALUE, at + 1)));
    await state.checkpoint();
  }

  beforeEach(() => open());

  afterEach(() => rig.dispose());

  interface Inside {
    readonly present: {
      readonly handle: { readonly database: { iterator(options: unknown): unknown } };
      readonly runs: { readonly byteLength: number };
    };
  }

  /** What a read takes from LevelDB, as the first keys of ranges. */
  async function rangesRead(read: () => Promise<unknown>): Promise<readonly string[]> {
    const { database } = (state as unknown as Inside).present.handle;
    const { iterator } = database;
    const starts: string[] = [];
    database.iterator = (options) => {
      starts.push(text((options as { gte: Uint8Array }).gte.subarray(9)));
      return iterator.call(database, options);
    };
    try {
      await read();
    } finally {
      database.iterator = iterator;
    }
    return starts;
  }

  const bytesKept = (): number => (state as unknown as Inside).present.runs.byteLength;

  it("are not read from LevelDB again, whole or in part", async () => {
    const all = await pairsOf(wanting(state));
    expect(all).toHaveLength(KEYS);
    const again: string[][] = [];
    const ranges = await rangesRead(async () => {
      again.push(await pairsOf(wanting(state)));
      again.push(await pairsOf(wanting(state, { start: bytes("k0017"), end: bytes("k0203") })));
    });
    expect(ranges).toEqual([]);
    expect(again).toEqual([all, all.slice(17, 203)]);
  });

  it("are read again where one of them changed since, and only there", async () => {
    const all = await pairsOf(wanting(state));
    await write([put("k0200", "new", nextRevision()), remove("k0100", nextRevision())]);
    const seen: string[][] = [];
    const ranges = await rangesRead(async () => {
      seen.push(await pairsOf(wanting(state)));
    });
    expect(ranges).toHaveLength(2);
    expect((ranges[0] as string) <= "k0100").toBe(true);
    expect((ranges[1] as string) > "k0100" && (ranges[1] as string) <= "k0200").toBe(true);
    const expected = all.with(200, pairOf(record("k0200", "new", revision - 1))).toSpliced(100, 1);
    expect(seen[0]).toEqual(expected);
    expect(await rangesRead(() => pairsOf(wanting(state)))).toEqual([]);
  });

  it("are read again where a key came in between, before all, or behind all", async () => {
    await pairsOf(wanting(state));
    for (const key of ["k0100+", "a", "z"]) {
      await write([put(key, "new", nextRevision())]);
      expect((await pairsOf(wanting(state))).filter((pair) => pair.includes("=new"))).toContain(
        pairOf(record(key, "new", revision)),
      );
    }
    expect(await pairsOf(wanting(state))).toHaveLength(KEYS + 3);
  });

  it("are not taken for what there was at an older revision", async () => {
    const before = await pairsOf(wanting(state));
    await write([put("k0200", "new", nextRevision())]);
    await pairsOf(wanting(state));
    expect(await pairsOf(wanting(state, { revision: revision - 1 }))).toEqual(before);
  });

  it("are not kept where one of them changes while they are read", async () => {
    const scan = wanting(state, { end: bytes("k0300") })[Symbol.asyncIterator]();
    const first = await scan.next();
    await write([put("k0299", "new", nextRevision()), put("k0000", "new", nextRevision())]);
    const seen = (first.value as readonly StoredRecord[]).map(pairOf);
    for (let next = await scan.next(); next.done !== true; next = await scan.next())
      seen.push(...next.value.map(pairOf));
    expect(seen.filter((pair) => pair.includes("=new"))).toEqual([]);
    const changed = (await pairsOf(wanting(state))).filter((pair) => pair.includes("=new"));
    expect(changed.map((pair) => pair.slice(0, 5))).toEqual(["k0000", "k0299"]);
  });

  it("are forgotten when one is put right", async () => {
    await pairsOf(wanting(state));
    const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
    const right = record("k0007", "right", 8);
    await state.repair([
      { ...space, key: bytes("k0007"), record: right },
      { ...space, key: bytes("k0008"), record: null },
    ]);
    const seen = await pairsOf(wanting(state));
    expect(seen[7]).toBe(pairOf(right));
    expect(seen[8]).toMatch(/^k0009=/);
  });

  it("are not kept where one is put right while they are read", async () => {
    const scan = wanting(state, { end: bytes("k0010") })[Symbol.asyncIterator]();
    await scan.next();
    const right = record("k0007", "right", 8);
    const space = { namespaceId: NAMESPACE_ID, generation: GENERATION };
    await state.repair([{ ...space, key: bytes("k0007"), record: right }]);
    expect((await scan.next()).done).toBe(true);
    expect((await pairsOf(wanting(state)))[7]).toBe(pairOf(right));
  });

  it("have no values for who wants keys only, and are not kept without values", async () => {
    const keysOnly = { keysOnly: true, end: bytes("k0003") };
    const bare = ["k0000= 300 1 1 1 0", "k0001= 300 2 2 1 0", "k0002= 300 3 3 1 0"];
    expect(await pairsOf(wanting(state, keysOnly))).toEqual(bare);
    expect((await pairsOf(wanting(state))).every((pair) => pair.includes(VALUE))).toBe(true);
    expect(await pairsOf(wanting(state, keysOnly))).toEqual(bare);
  });

  it("come to no more bytes than they may, those that were used last", async () => {
    await rig.dispose();
    await open({ recordRunsBytesMax: 40_000 });
    for (let at = 0; at < KEYS; at += 40) {
      await pairsOf(wanting(state, { start: bytes(keyAt(at)), end: bytes(keyAt(at + 40)) }));
      expect(bytesKept()).toBeLessThanOrEqual(40_000);
    }
    expect(bytesKept()).toBeGreaterThan(20_000);
    const last = { start: bytes(keyAt(KEYS - 40)), end: bytes(keyAt(KEYS)) };
    expect(await rangesRead(() => pairsOf(wanting(state, last)))).toEqual([]);
    const first = { start: bytes(keyAt(0)), end: bytes(keyAt(40)) };
    expect(await rangesRead(() => pairsOf(wanting(state, first)))).toEqual(["k0000"]);
  });

  it("are not all that there is, where somebody reads through everything", async () => {
    const large = "v".repeat(100_000);
    await write(Array.from({ length: 40 }, (_, at) => put(`l${at + 10}`, large, nextRevision())));
    expect(await pairsOf(wanting(state, { recordsWanted: Number.POSITIVE_INFINITY }))).toHaveLength(
      KEYS + 40,
    );
    expect(bytesKept()).toBeLessThan(1_300_000);
  });
});

describe.each([
  ["much room", {}],
  ["little room", { recordRunsBytesMax: 6000 }],
  ["no room", { recordRunsBytesMax: 0 }],
  ["each batch given to LevelDB by itself, in small chunks", { gatheredBytes: 0, scanChunkBytes: 1000 }],
])("scans among writes, with %s for what was read", (_, options) => {
  it.each([1, 2, 3])("see what there was at their revision (seed %d)", async (seed) => {
    const rig = await LevelRig.create(options);
    try {
      const world = new World(await rig.openState(), seededRandom(seed));
      for (let step = 0; step < 400; step += 1) await world.step();
      await world.endScans();
      expect(world.compared).toBeGreaterThan(50);
    } finally {
      await rig.dispose();
    }
  });
});

interface OpenScan {
  readonly chunks: AsyncIterator<readonly StoredRecord[]>;
  readonly expected: readonly string[];
  readonly seen: string[];
}

/** A state among random writes, and scans of which several are open at a time. */
class World {
  compared = 0;
  private records: ReadonlyMap<string, StoredRecord> = new Map();
  /** As of each write. */
  private readonly past: {
    readonly revision: number;
    readonly records: ReadonlyMap<string, StoredRecord>;
  }[] = [];
  private readonly scans: OpenScan[] = [];
  private index = 0;
  private revision = 0;

  constructor(
    private readonly state: StateStore,
    private readonly random: Random,
  ) {}

  async step(): Promise<void> {
    const drawn = this.random.float();
    if (drawn < 0.3) await this.write();
    else if (drawn < 0.5) await this.begin();
    else await this.goOn();
  }

  async endScans(): Promise<void> {
    while (this.scans.length > 0) await this.goOn();
  }

  private async write(): Promise<void> {
    const records = new Map(this.records);
    const changes = Array.from({ length: 1 + this.random.below(6) }, () => {
      const key = this.key();
      this.revision += 1;
      if (this.random.float() < 0.2) {
        records.delete(key);
        return remove(key, this.revision);
      }
      const change = put(key, "x".repeat(this.random.below(900)), this.revision);
      if (change.kind === "put") records.set(key, change.record);
      return change;
    });
    this.index += 1;
    this.records = records;
    this.past.push({ revision: this.revision, records });
    await this.state.write(batch(this.index, changes));
  }

  /** The first chunk is asked for at once: then the scan is of this moment. */
  private async begin(): Promise<void> {
    const [start, end] = [this.key(), this.key()].toSorted() as [string, string];
    const isOpenEnded = this.random.float() < 0.3;
    const older = this.random.float() < 0.2 ? this.past[this.random.below(this.past.length + 1)] : undefined;
    const { revision, records } = older ?? { revision: this.revision, records: this.records };
    const query = { start: bytes(start), end: isOpenEnded ? null : bytes(end), revision };
    const recordsWanted = this.random.float() < 0.5 ? 10_000 : 1 + this.random.below(40);
    const expected = [...records.entries()]
      .filter(([key]) => key >= start && (isOpenEnded || key < end))
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([, record]) => pairOf(record));
    const chunks = wanting(this.state, { ...query, recordsWanted })[Symbol.asyncIterator]();
    const scan = { chunks, expected, seen: [] };
    this.scans.push(scan);
    await this.take(scan);
  }

  private async goOn(): Promise<void> {
    if (this.scans.length > 0) await this.take(this.scans[this.random.below(this.scans.length)] as OpenScan);
  }

  private async take(scan: OpenScan): Promise<void> {
    const { done, value } = await scan.chunks.next();
    if (done !== true) {
      scan.seen.push(...value.map(pairOf));
      return;
    }
    this.scans.splice(this.scans.indexOf(scan), 1);
    expect(scan.seen).toEqual(scan.expected);
    this.compared += 1;
  }

  private key(): string {
    return `k${this.random.below(300)}`;
  }
}
