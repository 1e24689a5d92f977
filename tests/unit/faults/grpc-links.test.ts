import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  drop,
  duplicate,
  FilteredTransport,
  hold,
  Interference,
  ofKind,
  randomLatency,
  type Timers,
} from "@quorate/services/faults";
import { encodeCommand, foundingMembership, incrementCommand, StateMachine } from "@quorate/services/kv";
import {
  MemoryLogDisk,
  MemoryStateDisk,
  openMemoryLogStore,
  openMemoryStateStore,
} from "@quorate/services/memory";
import { Replica } from "@quorate/services/replica";
import { type PeerIdentity, PeerServer, PeerTransport } from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";
import { recordingLog } from "../forward/serving";

const IDS: readonly string[] = ["n1", "n2", "n3"];
const TICK_MS = 30;
const realTimers: Timers = {
  nowMs: () => performance.now(),
  after: (delayMs, run) => void (delayMs === 0 ? setImmediate(run) : setTimeout(run, delayMs)),
};

function identityOf(id: string): PeerIdentity {
  return { clusterId: "c", memberId: id, storeId: `store-${id}`, clientAddress: "", peerAddress: "" };
}

/** Three replicas on disks in memory that talk over gRPC, each through filters that all share. */
class GrpcCluster {
  readonly interference = new Interference({ timers: realTimers, random: seededRandom(1) });
  readonly replicas: Replica[] = [];
  private readonly closing: (() => void)[] = [];

  async open(): Promise<void> {
    // Each server needs its replica only once a peer connects, and the transports need every server's port.
    const servers = await Promise.all(IDS.map((id) => this.serve(id)));
    for (const [at, id] of IDS.entries()) {
      const peers = new Map(
        IDS.flatMap((other, peer) => (other === id ? [] : [[other, servers[peer]!] as const])),
      );
      this.run(at, id, peers);
    }
  }

  async close(): Promise<void> {
    for (const close of this.closing.splice(0).reverse()) close();
    await Promise.all(this.replicas.map((replica) => replica.stop()));
  }

  leaderAmong(ids: readonly string[]): Promise<Replica> {
    return eventually("a leader", () =>
      this.replicas.find((replica) => ids.includes(replica.id) && replica.isLeader),
    );
  }

  increment(replica: Replica) {
    const source = { namespace: "", requestId: null, wallTimeMs: 0 };
    return replica.submit(encodeCommand(incrementCommand(source, new TextEncoder().encode("n"), 1n)));
  }

  private async serve(id: string): Promise<string> {
    const replica = (): Replica => this.replicas[IDS.indexOf(id)]!;
    const server = new PeerServer({
      own: identityOf(id),
      replica: {
        get membership() {
          return replica().membership;
        },
        get images() {
          return replica().images;
        },
        receive: (messages) => replica().receive(messages),
        memberStore: (memberId) => replica().memberStore(memberId),
        noteIntroduction: (introduction) => replica().noteIntroduction(introduction),
      },
      log: recordingLog(),
    });
    const port = await server.listen("127.0.0.1:0");
    this.closing.push(() => server.close());
    return `127.0.0.1:${port}`;
  }

  private run(at: number, id: string, peers: ReadonlyMap<string, string>): void {
    const own = identityOf(id);
    const founders = IDS.map((member) => ({
      id: member,
      clientAddress: `${member}:1`,
      peerAddress: `${member}:2`,
    }));
    const transport = new PeerTransport({ own, peers, random: seededRandom(at), log: recordingLog() });
    const replica = new Replica({
      id,
      storeId: own.storeId,
      timing: { electionTicks: 10, heartbeatTicks: 1 },
      log: openMemoryLogStore(new MemoryLogDisk()),
      state: openMemoryStateStore(new MemoryStateDisk(undefined, undefined, foundingMembership(founders))),
      machineOf: (resident) => new StateMachine(resident),
      transport: new FilteredTransport(transport, this.interference),
      clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
      scheduler: {
        afterThisTurn: (run) => void setImmediate(run),
        afterMs: (delayMs, run) => void setTimeout(run, delayMs),
      },
      random: seededRandom(at),
    });
    this.replicas.push(replica);
    transport.open(replica);
    const ticking = setInterval(() => replica.tick(), TICK_MS);
    this.closing.push(
      () => transport.close(),
      () => clearInterval(ticking),
    );
  }
}

describe("filters between a replica and its gRPC links", () => {
  let cluster: GrpcCluster;
  let leader: Replica;
  let others: string[];

  beforeEach(async () => {
    cluster = new GrpcCluster();
    await cluster.open();
    leader = await cluster.leaderAmong(IDS);
    others = IDS.filter((id) => id !== leader.id);
  });

  afterEach(() => cluster.close());

  it("J1: isolate on a gRPC cluster makes another lead, and heal brings the old leader back", async () => {
    cluster.interference.isolate(leader.id);
    await eventually("a write without the old leader", async () => {
      const outcome = await cluster.increment(await cluster.leaderAmong(others));
      return outcome.kind === "applied";
    });
    await eventually("the old leader to step down", () => !leader.isLeader);
    cluster.interference.heal();
    await eventually("the old leader to follow", () => leader.leader.id !== null);
    await eventually("the old leader to catch up", () => leader.status().revision >= 1);
  });

  it("J2: hold on a gRPC cluster collects appends and lets them go", async () => {
    const held = hold();
    cluster.interference.add(ofKind("append", held));
    const outcome = cluster.increment(leader);
    await eventually("both appends to be held", () => new Set(held.collected.map(({ to }) => to)).size === 2);
    cluster.interference.clear();
    held.release();
    expect((await outcome).kind).toBe("applied");
  });

  it("J1 J2: loss, latency and duplication on a gRPC cluster leave one history", async () => {
    cluster.interference.add(drop(0.1));
    cluster.interference.add(duplicate(0.3));
    cluster.interference.add(randomLatency({ minMs: 0, maxMs: 10 }));
    let applied = 0;
    await eventually("ten increments", async () => {
      const { kind } = await cluster.increment(await cluster.leaderAmong(IDS));
      if (kind === "applied") applied += 1;
      return applied >= 10;
    });
    cluster.interference.clear();
    const revision = (): Set<number> => new Set(cluster.replicas.map((replica) => replica.status().revision));
    await eventually("all to have the same", () => revision().size === 1);
    expect(Math.max(...revision())).toBeGreaterThanOrEqual(10);
  });
});
