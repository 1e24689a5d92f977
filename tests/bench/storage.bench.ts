import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Change, INITIAL_STATE, type StateWrites } from "@quorate/services/kv";
import type { Entry } from "@quorate/services/raft";
import { createDataDirectory, diskBytes, type OpenedStores, openStores } from "@quorate/services/storage";

/*
 * What storage costs, alone on this machine: wall and CPU time an operation, and memory. Run it with
 *   node tests/dist/bench/storage.bench.js [directory on the disk to measure] [commands]
 * where `commands` measures nothing but what applying commands costs.
 */

const KEY_COUNT = 100_000;
const NEWEST = Number.MAX_SAFE_INTEGER;
const SESSION_ID = 1;
const ANSWER = new Uint8Array(12);

interface Measured {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function measure(run: () => Promise<void>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await run();
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

function report(what: string, operations: number, { wallMs, cpuMs }: Measured): void {
  const wallUs = ((wallMs * 1000) / operations).toFixed(1);
  const cpuUs = ((cpuMs * 1000) / operations).toFixed(1);
  const rssMb = (process.memoryUsage().rss / 1e6).toFixed(0);
  console.log(
    `${what.padEnd(52)} ${wallUs.padStart(9)} us  CPU ${cpuUs.padStart(8)} us  RSS ${rssMb.padStart(4)} MB`,
  );
}

function key(number: number): Uint8Array {
  return Buffer.from(`key-${String(number).padStart(12, "0")}`);
}

class StorageBench {
  private index = 0;
  private revision = 0;
  private applied = 0;
  /** The commands of the batch before. */
  private answered: { readonly clientId: number; readonly sequence: number }[] = [];

  constructor(
    private readonly stores: OpenedStores,
    private readonly path: string,
  ) {}

  /** The same directory, opened anew. */
  with(stores: OpenedStores): StorageBench {
    const bench = new StorageBench(stores, this.path);
    bench.index = this.index;
    return bench;
  }

  async appends(perBatch: number, batches: number, sync: boolean): Promise<void> {
    const prepared = Array.from({ length: batches }, () => this.entries(perBatch));
    const measured = await measure(async () => {
      for (const entries of prepared) await this.stores.log.append({ entries, hardState: null }, { sync });
    });
    report(`append of ${perBatch} x 300 B, sync ${sync}: an entry`, perBatch * batches, measured);
  }

  async puts(perBatch: number, batches: number): Promise<void> {
    const measured = await measure(async () => {
      for (let written = 0; written < batches; written += 1) await this.put(perBatch);
    });
    report(`state batch of ${perBatch} x 256 B: a put`, perBatch * batches, measured);
  }

  /** As the commands of a session are applied: keys at random are read and put, answers kept and dropped again. */
  async commands(what: string, keyCount: number, count: number): Promise<void> {
    const perBatch = 64;
    const batches = Math.floor(count / perBatch);
    let place = 1;
    const measured = await measure(async () => {
      for (let written = 0; written < batches; written += 1) {
        const keys = Array.from({ length: perBatch }, () => {
          // Numerical Recipes' generator: the same keys in each run.
          place = (Math.imul(place, 1_664_525) + 1_013_904_223) >>> 0;
          return key(place % keyCount);
        });
        const reads = keys.map((each) => ({
          namespaceId: 1,
          generation: 1,
          key: each,
          withValue: false,
        }));
        await this.stores.state.read({ keys: reads, ranges: [] });
        const before = this.revision;
        const changes = keys.map((each) => this.change(each, SESSION_ID));
        const sequences = changes.map(({ revision }) => revision);
        await this.write(changes, 0, {
          sessions: [
            {
              clientId: SESSION_ID,
              namespaceId: 1,
              ttlMs: 60_000,
              deadlineMs: null,
              firstUnanswered: before + 1,
            },
          ],
          answers: sequences.map((sequence) => ({ clientId: SESSION_ID, sequence, answer: ANSWER })),
          answersDropped: written === 0 ? [] : this.answered,
        });
        this.answered = sequences.map((sequence) => ({ clientId: SESSION_ID, sequence }));
      }
    });
    report(`batch of ${perBatch} commands, ${what}: a put`, perBatch * batches, measured);
    console.log(`on disk ${((await diskBytes(this.path)) / 1e6).toFixed(0)} MB`);
  }

  /** As commands do, which look at what they overwrite. */
  async overwrites(perBatch: number, batches: number): Promise<void> {
    const measured = await measure(async () => {
      for (let written = 0; written < batches; written += 1) {
        const keys = Array.from({ length: perBatch }, (_, at) => ({
          namespaceId: 1,
          generation: 1,
          key: key((this.revision + at + 1) % KEY_COUNT),
          withValue: false,
        }));
        await this.stores.state.read({ keys, ranges: [] });
        await this.put(perBatch);
      }
    });
    report(`read and state batch of ${perBatch} x 256 B: a put`, perBatch * batches, measured);
  }

  async gets(name: string, count: number, numberOf: (at: number) => number): Promise<void> {
    const query = { namespaceId: 1, generation: 1, revision: NEWEST, keysOnly: false };
    const measured = await measure(async () => {
      for (let at = 0; at < count; at += 1)
        await this.stores.state.records({ ...query, keys: [key(numberOf(at))] });
    });
    report(`read of one key, ${name}`, count, measured);
  }

  async scan(name: string, keysOnly: boolean, reverse: boolean): Promise<void> {
    let rows = 0;
    const range = { namespaceId: 1, generation: 1, start: new Uint8Array(0), end: null, revision: NEWEST };
    const measured = await measure(async () => {
      for await (const chunk of this.stores.state.scan({ ...range, keysOnly, reverse })) rows += chunk.length;
    });
    report(`scan ${name}: a record`, rows, measured);
  }

  async history(): Promise<void> {
    let changes = 0;
    const range = { start: new Uint8Array(0), end: null };
    const measured = await measure(async () => {
      const chunks = this.stores.state.history({ namespaceId: 1, from: 1, to: NEWEST, range });
      for await (const chunk of chunks) changes += chunk.length;
    });
    report("history with values: a change", changes, measured);
  }

  /** Sends the state to a store beside it, as a peer would get it, while nothing is written. */
  async image(target: OpenedStores): Promise<void> {
    const { namespaces } = INITIAL_STATE;
    await this.write([], 0, {
      namespaces: namespaces.map((namespace) => ({ ...namespace, keyCount: KEY_COUNT })),
    });
    const frozen = this.stores.state.freeze();
    let bytes = 0;
    const sent = await measure(async () => {
      for await (const { data } of frozen.chunks(null)) bytes += data.length;
    });
    report(`image sent, ${(bytes / 1e6).toFixed(0)} MB: a key`, KEY_COUNT, sent);
    const receiver = await target.state.receive(frozen.header);
    const received = await measure(async () => {
      for await (const chunk of frozen.chunks(null)) await receiver.put(chunk);
    });
    report("image sent and received: a key", KEY_COUNT, received);
    report("image completed", 1, await measure(() => receiver.complete().then(() => undefined)));
    report("image installed", 1, await measure(() => target.state.install(receiver).then(() => undefined)));
    frozen.close();
  }

  /** Gives up nine tenths of the log while it is appended to. */
  async cut(): Promise<void> {
    const { log } = this.stores;
    const first = log.firstIndex();
    const count = Math.floor((log.lastIndex() - first) * 0.9);
    const bytesBefore = await diskBytes(this.path);
    report("log cut by 90,000 entries, durably", 1, await measure(() => log.cut(first + count)));
    let slowestMs = 0;
    const removed = await measure(async () => {
      let isRemoved = false;
      const settled = (log as unknown as { settle(): Promise<void> }).settle().then(() => {
        isRemoved = true;
      });
      while (!isRemoved) {
        const { wallMs } = await measure(() =>
          log.append({ entries: this.entries(1), hardState: null }, { sync: true }),
        );
        slowestMs = Math.max(slowestMs, wallMs);
      }
      await settled;
    });
    report("and removed, appends beside it: an entry", count, removed);
    const [before, after] = [bytesBefore, await diskBytes(this.path)].map((bytes) =>
      (bytes / 1e6).toFixed(0),
    );
    console.log(`on disk ${before} MB before, ${after} MB after; slowest append ${slowestMs.toFixed(0)} ms`);
  }

  /** Gives up all history, of keys that were each written several times. */
  async compaction(): Promise<void> {
    const { state } = this.stores;
    const bytesBefore = await diskBytes(this.path);
    const measured = await measure(async () => {
      await this.write([], this.revision);
      await (state as unknown as { settle(): Promise<void> }).settle();
    });
    report("compaction, and space given back: a change", this.revision, measured);
    const [before, after] = [bytesBefore, await diskBytes(this.path)].map((bytes) =>
      (bytes / 1e6).toFixed(0),
    );
    console.log(`on disk ${before} MB before, ${after} MB after`);
  }

  private entries(count: number): Entry[] {
    return Array.from({ length: count }, () => {
      this.index += 1;
      return { index: this.index, term: 1, kind: "normal", data: new Uint8Array(randomBytes(300)) };
    });
  }

  private async put(count: number): Promise<void> {
    const changes = Array.from({ length: count }, () =>
      this.change(key((this.revision + 1) % KEY_COUNT), null),
    );
    await this.write(changes, 0);
  }

  private change(bytes: Uint8Array, clientId: number | null): Change {
    this.revision += 1;
    const { revision } = this;
    const record = {
      key: bytes,
      value: new Uint8Array(randomBytes(256)),
      valueBytes: 256,
      createRevision: revision,
      modRevision: revision,
      version: 1,
      leaseId: 0,
    };
    const requestId = clientId === null ? null : { clientId, sequence: revision };
    const origin = { cause: "put", wallTimeMs: 1_700_000_000_000, requestId } as const;
    return { kind: "put", namespaceId: 1, generation: 1, revision, ordinal: 0, record, origin };
  }

  private async write(
    changes: readonly Change[],
    compactedRevision: number,
    more: Partial<StateWrites> = {},
  ): Promise<void> {
    this.applied += 1;
    const meta = { ...INITIAL_STATE.meta, revision: this.revision, compactedRevision };
    const nothing = {
      namespaces: [],
      sessions: [],
      sessionsEnded: [],
      answers: [],
      answersDropped: [],
      membership: null,
      namespacesDeleted: [],
      leases: [],
      leasesEnded: [],
      leaseKeysDetached: [],
      leaseKeysAttached: [],
    };
    const writes = { meta, ...nothing, changes, ...more };
    await this.stores.state.write({ applied: { term: 1, index: this.applied }, writes });
  }
}

/** What applying commands costs, in a process of its own so that memory tells something. */
async function mainOfCommands(open: () => Promise<OpenedStores>, path: string): Promise<void> {
  const stores = await open();
  const bench = new StorageBench(stores, path);
  await bench.commands("20,000 keys, from empty", 20_000, 100_000);
  await bench.commands("20,000 keys", 20_000, 100_000);
  await bench.commands("200,000 keys", 200_000, 200_000);
  await stores.close();
}

async function main(): Promise<void> {
  const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), "quorate-bench-"));
  const isOfCommands = process.argv[3] === "commands";
  try {
    const path = join(root, "n1");
    const open = async (name = "n1"): Promise<OpenedStores> => {
      const identity = { clusterId: "bench", memberId: name, members: [] };
      const created = await createDataDirectory({ path: join(root, name), ...identity });
      if (created.kind !== "opened") throw new Error(created.message);
      const outcome = await openStores(created.directory);
      if (outcome.kind !== "opened") throw new Error(`the stores are ${outcome.kind}`);
      return outcome.stores;
    };
    if (isOfCommands) return await mainOfCommands(open, path);
    let stores = await open();
    const bench = new StorageBench(stores, path);
    await bench.appends(1, 500, true);
    await bench.appends(10, 500, true);
    await bench.appends(100, 500, true);
    await bench.appends(100, 445, false);
    await bench.puts(100, KEY_COUNT / 100);
    await bench.puts(1, 2000);
    const target = await open("n2");
    await bench.image(target);
    await target.close();
    await bench.gets("at random", 20_000, (at) => (at * 7919) % KEY_COUNT);
    await bench.gets("one of 100", 20_000, (at) => at % 100);
    await bench.scan("with values", false, false);
    await bench.scan("with values, backwards", false, true);
    await bench.scan("keys only", true, false);
    await bench.history();
    await bench.overwrites(100, (3 * KEY_COUNT) / 100);
    await bench.compaction();
    await stores.close();
    for (const round of ["first", "second"]) {
      report(
        `${round} reopening, 100,000 entries and keys`,
        1,
        await measure(async () => {
          stores = await open();
        }),
      );
      if (round === "first") await stores.close();
    }
    await bench.with(stores).cut();
    await stores.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

void main();
