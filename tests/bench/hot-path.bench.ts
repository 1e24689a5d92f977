import { createHash } from "node:crypto";
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
import {
  ByteCall,
  ByteChannels,
  LeaderDirectory,
  methodRoutes,
  NO_HEADERS,
  SILENT_LOG,
} from "@quorate/services/forward";
import { DEFAULT_LIMITS, foundingMembership, StateMachine } from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import type { Entry, Message } from "@quorate/services/raft";
import { Replica, type StateStore } from "@quorate/services/replica";
import {
  CallCounters,
  decodeFrame,
  FrameEncoder,
  type NodeContext,
  NodeService,
} from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";
import { createDataDirectory, type OpenedStores, openStores } from "@quorate/services/storage";

/*
 * What a put, a get and a scan cost a leader, in CPU microseconds an operation, without a network: the whole node service over
 * a real replica with its log in memory and its state in memory or in LevelDB, and two followers that answer at once. So many
 * calls are in flight at a time. The frames for the followers are encoded as the peer links do. Run it with
 *   node --expose-gc tests/dist/bench/hot-path.bench.js [memory|level] [put,get,scan,frames]
 */

const KV = "/quorate.kv.v1.KvService/";
const ROUNDS = 9;
const KEYS = 20_000;
const IN_FLIGHT = 64;
const SCAN_RECORDS = 1000;

const members = ["n1", "n2", "n3"];
const others = members.slice(1);
const founders = members.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` }));

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

/** Followers that hold whatever they are sent, and say so in the next turn. */
class Followers {
  replica: Replica | null = null;
  /** The last entries that were sent together. */
  lastEntries: readonly Entry[] = [];
  readonly frames = new FrameEncoder();
  framesBytes = 0;
  private answers: Message[] = [];

  send(messages: readonly Message[]): void {
    const replica = this.replica as Replica;
    for (const to of others) {
      const frame = messages.filter((message) => message.to === to);
      if (frame.length > 0) this.framesBytes += this.frames.frame(frame).length;
    }
    for (const message of messages) {
      const reply = { from: message.to, to: "n1", term: message.term };
      switch (message.kind) {
        case "append":
          if (message.entries.length > 0) this.lastEntries = message.entries;
          this.answers.push({
            ...reply,
            kind: "append_response",
            index: message.previous.index + message.entries.length,
            hint: null,
          });
          break;
        case "heartbeat":
          this.answers.push({
            ...reply,
            kind: "heartbeat_response",
            readSequence: message.readSequence,
            lowOnSpace: false,
          });
          break;
        case "vote":
          this.answers.push({ ...reply, kind: "vote_response", rejected: false });
          break;
        case "pre_vote":
          this.answers.push({ ...reply, kind: "pre_vote_response", rejected: false });
          break;
        default:
          break;
      }
    }
    if (this.answers.length === 0) return;
    setImmediate(() => {
      const answers = this.answers;
      this.answers = [];
      if (answers.length > 0) replica.receive(answers);
    });
  }
}

async function leader(state: StateStore, followers: Followers): Promise<Replica> {
  const replica = new Replica({
    id: "n1",
    storeId: "store-n1",
    timing: { electionTicks: 10, heartbeatTicks: 1 },
    log: openMemoryLogStore(new MemoryLogDisk()),
    state,
    machineOf: (resident) => new StateMachine(resident),
    transport: followers,
    clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    scheduler: {
      afterThisTurn: (run) => void setImmediate(run),
      afterMs: (delayMs, run) => void setTimeout(run, delayMs).unref(),
    },
    random: seededRandom(1),
  });
  followers.replica = replica;
  for (let ticks = 0; !replica.isLeader; ticks += 1) {
    if (ticks > 1000) throw new Error("nobody leads");
    replica.tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return replica;
}

function serviceOf(replica: Replica): NodeService {
  const directory = new LeaderDirectory();
  directory.replaceLeader("n1", replica.leader.term);
  const nothing = (): never => {
    throw new Error("not in this bench");
  };
  const context: NodeContext = {
    clusterId: "0123456789abcdef0123456789abcdef",
    memberId: "n1",
    storeId: "store-n1",
    softwareVersion: "0.0.0",
    members: [],
    replica,
    watches: { watchesMax: 0, size: 0, open: nothing },
    directory,
    limits: DEFAULT_LIMITS,
    digest: { sha256: (parts) => createHash("sha256").update(Buffer.concat(parts)).digest() },
    counters: new CallCounters(),
    facts: {
      uptimeMs: () => 0,
      memoryBytes: () => 0,
      diskBytes: () => Promise.resolve(0),
      diskFreeBytes: () => null,
      hasFailed: () => false,
    },
    alarms: { observe: () => {}, list: [] },
    verification: null,
    administration: { backup: null, dropClient: nothing, setLogLevel: nothing },
    log: SILENT_LOG,
    forwarding: true,
    clients: () => [],
    wallMs: () => Date.now(),
  };
  return new NodeService(context, new ByteChannels({}));
}

const bestOf = new Map<string, number>();

/** Notes the CPU time of a round, of which the least counts: all else is what else the machine did. */
async function round(what: string, operations: number, run: () => Promise<void> | void): Promise<void> {
  const cpu = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(cpu);
  const us = (user + system) / operations;
  bestOf.set(what, Math.min(bestOf.get(what) ?? Number.POSITIVE_INFINITY, us));
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

  constructor(
    private readonly service: NodeService,
    private readonly followers: Followers,
  ) {}

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
  const [store = "memory", cells = "put,get,scan,frames"] = process.argv.slice(2);
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
      if (wanted.includes("frames")) await path.frames(300);
      if (wanted.includes("get")) await round("a linearizable get", KEYS, () => path.get());
      if (wanted.includes("scan")) {
        await round(`a scan of ${SCAN_RECORDS} records`, 20, async () => {
          parts = await path.scan(20);
        });
        await round("  its answer decoded by a client", 20, () => {
          for (let times = 0; times < 20; times += 1) for (const part of parts) decodeScanPart(part);
        });
      }
    }
    for (const [what, us] of bestOf) console.log(`${what.padEnd(52)} CPU ${us.toFixed(2).padStart(9)} us`);
    await replica.stop();
  } finally {
    await opened.close();
    await rm(root, { recursive: true, force: true });
  }
}

void main();
