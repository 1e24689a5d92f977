import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Consistency,
  decodeScanPart,
  GetRequest,
  OpenSessionRequest,
  OpenSessionResponse,
  PutRequest,
  ScanRequest,
} from "@quorate/proto/kv";
import { ByteCall, methodRoutes, NO_HEADERS } from "@quorate/services/forward";
import { foundingMembership } from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import { decodeFrame, type NodeService } from "@quorate/services/rpc";
import { createDataDirectory, type OpenedStores, openStores } from "@quorate/services/storage";
import { frameOf, PipelineCaller } from "./pipeline-caller";
import { Followers, founders, leader, others, serviceOf } from "./served-leader";

/*
 * What a put, a get and a scan cost a leader, in CPU microseconds an operation, without a network: the whole node service over
 * a real replica with its log in memory and its state in memory or in LevelDB, and two followers that answer at once. So many
 * calls are in flight at a time. The frames for the followers are encoded as the peer links do, and puts and gets come in frames of
 * a pipeline too. What an operation leaves behind on V8's heap is told where that has room for a round. Run it with
 *   node --expose-gc --min-semi-space-size=256 --max-semi-space-size=256 tests/dist/bench/hot-path.bench.js \
 *     [memory|level] [put,put@pipeline,get,get@pipeline,scan,frames]
 */

const KV = "/quorate.kv.v1.KvService/";
const ROUNDS = 9;
const IN_FLIGHT = 64;
/** So few that making them ready leaves no garbage to speak of behind. */
const FRAMES = 24;
const KEYS = 13 * FRAMES * IN_FLIGHT;
const SCAN_RECORDS = 1000;

function key(number: number): Buffer {
  return Buffer.from(`key-${String(number).padStart(12, "0")}`);
}

function call(method: string, body: Uint8Array, requestId = ""): ByteCall {
  const route = methodRoutes.get(KV + method);
  if (route === undefined) throw new Error(`no method ${method}`);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const connection = { getPeer: () => "bench" };
  const headers = { ...NO_HEADERS, requestId };
  return new ByteCall({ method: route, body: bytes, headers, connection, deadlineMs: Date.now() + 60_000 });
}

interface Figures {
  cpuUs: number;
  mainUs: number;
  readonly garbageBytes: number[];
}

/** The least that a round took: all else is what else the machine did, or the garbage of others. */
class Least {
  private readonly of = new Map<string, Figures>();

  /** Adds up the CPU time of the pieces of a round, between which other things are made ready. */
  async round(what: string, operations: number, pieces: Iterable<() => Promise<void> | void>): Promise<void> {
    let cpuUs = 0;
    let mainUs = 0;
    for (const run of pieces) {
      const cpu = process.cpuUsage();
      const mainBeforeUs = mainThreadUs();
      await run();
      const { user, system } = process.cpuUsage(cpu);
      cpuUs += user + system;
      mainUs += mainThreadUs() - mainBeforeUs;
    }
    const least = this.at(what);
    least.cpuUs = Math.min(least.cpuUs, cpuUs / operations);
    least.mainUs = Math.min(least.mainUs, mainUs / operations);
  }

  /** The bytes on V8's heap and beside it that a few operations take, where none are collected meanwhile. */
  async garbage(what: string, operations: number, run: () => Promise<void>): Promise<void> {
    global.gc?.();
    const before = process.memoryUsage();
    await run();
    const after = process.memoryUsage();
    const bytes = (after.heapUsed - before.heapUsed + after.external - before.external) / operations;
    const least = this.at(what);
    least.garbageBytes.push(bytes);
  }

  print(): void {
    for (const [what, { cpuUs, mainUs, garbageBytes }] of this.of) {
      const median = garbageBytes.sort((left, right) => left - right)[garbageBytes.length >> 1];
      const garbage = median === undefined ? "" : `, ${median.toFixed(0)} bytes of garbage`;
      const main = mainUs.toFixed(2).padStart(9);
      console.log(`${what.padEnd(52)} CPU ${cpuUs.toFixed(2).padStart(9)} us, main thread ${main}${garbage}`);
    }
  }

  private at(what: string): Figures {
    let least = this.of.get(what);
    if (least === undefined) {
      least = { cpuUs: Number.POSITIVE_INFINITY, mainUs: Number.POSITIVE_INFINITY, garbageBytes: [] };
      this.of.set(what, least);
    }
    return least;
  }
}

const least = new Least();

/** Without the collector's threads, the compiler's, and LevelDB's. */
function mainThreadUs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1000;
}

function round(what: string, operations: number, run: () => Promise<void> | void): Promise<void> {
  return least.round(what, operations, [run]);
}

/** So many calls at a time, the next as soon as one ends. */
async function inFlight(count: number, run: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      await run(at);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

const freshness = {
  namespace: "",
  consistency: Consistency.UNSPECIFIED,
  minRevision: 0n,
  maxStalenessMs: 0n,
  revision: 0n,
};

function putRequest(number: number): Uint8Array {
  const value = Buffer.alloc(256, number);
  const fields = { namespace: "", key: key(number), value, leaseId: 0n, returnPrevious: false };
  return PutRequest.encode(fields).finish();
}

class HotPath {
  private readonly puts = Array.from({ length: KEYS }, (_, at) => putRequest(at));
  private readonly gets = Array.from({ length: KEYS }, (_, at) =>
    GetRequest.encode({ ...freshness, key: key(at) }).finish(),
  );
  private clientId = 0n;
  private sequence = 0;
  private lastKey = 0;
  private readonly caller: PipelineCaller;

  constructor(
    private readonly service: NodeService,
    private readonly followers: Followers,
  ) {
    this.caller = new PipelineCaller(service);
  }

  async openSession(): Promise<void> {
    const body = OpenSessionRequest.encode({ namespace: "", ttlMs: 0n }).finish();
    this.clientId = OpenSessionResponse.decode(await this.service.unary(call("OpenSession", body))).clientId;
  }

  /** As the typed client sends them, each with its request id. */
  put(): Promise<void> {
    return inFlight(KEYS, (at) => {
      this.sequence += 1;
      const oldest = Math.max(1, this.sequence - IN_FLIGHT);
      const requestId = `${this.clientId}/${this.sequence}/${oldest}`;
      return this.service.unary(call("Put", this.puts[at] as Uint8Array, requestId));
    });
  }

  /** As many puts in frames of one stream. */
  putFrames(): Buffer[] {
    return this.framesOf((at) => {
      this.sequence += 1;
      const oldest = Math.max(1, this.sequence - IN_FLIGHT);
      const requestId = `${this.clientId}/${this.sequence}/${oldest}/${this.sequence - 1}`;
      return { method: `${KV}Put`, requestId, body: this.puts[at] as Uint8Array };
    });
  }

  getFrames(): Buffer[] {
    return this.framesOf((at) => ({
      method: `${KV}Get`,
      requestId: "",
      body: this.gets[at] as Uint8Array,
    }));
  }

  private framesOf(callOf: (at: number) => Parameters<typeof frameOf>[0][number]): Buffer[] {
    return Array.from({ length: FRAMES }, () =>
      frameOf(Array.from({ length: IN_FLIGHT }, () => callOf(this.nextKey()))),
    );
  }

  private nextKey(): number {
    this.lastKey = (this.lastKey + 1) % KEYS;
    return this.lastKey;
  }

  /** As many calls as there are keys. */
  *sendings(frames: () => Buffer[]): Generator<() => Promise<void>> {
    for (let at = 0; at < KEYS; at += FRAMES * IN_FLIGHT) {
      const ready = frames();
      yield () => this.send(ready);
    }
  }

  /** Each when the one before is answered. */
  async send(frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) await this.caller.send(frame, IN_FLIGHT);
  }

  get(): Promise<void> {
    return inFlight(KEYS, (at) => this.service.unary(call("Get", this.gets[at] as Uint8Array)));
  }

  async scan(scans: number): Promise<Uint8Array[]> {
    let parts: Uint8Array[] = [];
    for (let at = 0; at < scans; at += 1) {
      const body = ScanRequest.encode({
        ...freshness,
        start: key((at * SCAN_RECORDS) % (KEYS - SCAN_RECORDS)),
        end: Buffer.alloc(0),
        prefix: Buffer.alloc(0),
        limit: BigInt(SCAN_RECORDS),
        cursor: Buffer.alloc(0),
        reverse: false,
        keysOnly: false,
      }).finish();
      parts = [];
      const write = async (part: Uint8Array): Promise<void> => void parts.push(part);
      await this.service.stream(call("Scan", body), { write });
    }
    return parts;
  }

  /** Both frames of a batch of entries, and one of them read by its follower, an entry. */
  async frames(times: number): Promise<void> {
    const entries = this.followers.lastEntries;
    const message = {
      kind: "append",
      from: "n1",
      term: 1,
      previous: { term: 1, index: 1 },
      entries,
    } as const;
    let frame: Uint8Array = new Uint8Array(0);
    const count = times * entries.length;
    await round("  both frames of a batch encoded: an entry", count, () => {
      for (let at = 0; at < times; at += 1) {
        // The same entries in another array: each follower's message has its own.
        const batch = entries.map((entry) => ({ ...entry }));
        for (const to of others)
          frame = this.followers.frames.frame([{ ...message, to, entries: [...batch], commit: at }]);
      }
    });
    await round("  a frame decoded by a follower: an entry", count, () => {
      for (let at = 0; at < times; at += 1) decodeFrame(frame);
    });
  }
}

type OpenedState = Pick<OpenedStores, "state" | "close">;

function inMemory(): OpenedState {
  const disk = new MemoryStateDisk(undefined, undefined, foundingMembership(founders));
  const state = openMemoryStateStore(disk);
  return { state, close: () => state.close() };
}

async function onDisk(path: string): Promise<OpenedState> {
  const created = await createDataDirectory({ path, clusterId: "bench", memberId: "n1", members: founders });
  if (created.kind !== "opened") throw new Error(created.message);
  const outcome = await openStores(created.directory);
  if (outcome.kind !== "opened") throw new Error(`the stores are ${outcome.kind}`);
  return outcome.stores;
}

async function main(): Promise<void> {
  const [store = "memory", cells = "put,put@pipeline,get,get@pipeline,scan,frames"] = process.argv.slice(2);
  const wanted = cells.split(",");
  const root = await mkdtemp(join(tmpdir(), "quorate-bench-"));
  const followers = new Followers();
  const opened = store === "memory" ? inMemory() : await onDisk(join(root, "n1"));
  try {
    const replica = await leader(opened.state, followers);
    const path = new HotPath(serviceOf(replica), followers);
    await path.openSession();
    await path.put();
    let parts: Uint8Array[] = [];
    for (let at = 0; at < ROUNDS; at += 1) {
      if (wanted.includes("put")) await round("a put, encoded for two followers", KEYS, () => path.put());
      if (wanted.includes("put@pipeline")) {
        const what = "  of a pipeline: a put";
        await least.round(
          what,
          KEYS,
          path.sendings(() => path.putFrames()),
        );
        const more = path.putFrames();
        await least.garbage(what, more.length * IN_FLIGHT, () => path.send(more));
      }
      if (wanted.includes("frames")) await path.frames(300);
      if (wanted.includes("get")) await round("a linearizable get", KEYS, () => path.get());
      if (wanted.includes("get@pipeline")) {
        const what = "  of a pipeline: a get";
        await least.round(
          what,
          KEYS,
          path.sendings(() => path.getFrames()),
        );
        const more = path.getFrames();
        await least.garbage(what, more.length * IN_FLIGHT, () => path.send(more));
      }
      if (wanted.includes("scan")) {
        await round(`a scan of ${SCAN_RECORDS} records`, 20, async () => {
          parts = await path.scan(20);
        });
        await round("  its answer decoded by a client", 20, () => {
          for (let times = 0; times < 20; times += 1) for (const part of parts) decodeScanPart(part);
        });
      }
    }
    least.print();
    await replica.stop();
  } finally {
    await opened.close();
    await rm(root, { recursive: true, force: true });
  }
}

void main();
