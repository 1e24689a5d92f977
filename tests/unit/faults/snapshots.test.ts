import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  breakStream,
  type ChunkDelivery,
  damageChunks,
  delay,
  delayChunks,
  direction,
  drop,
  duplicate,
  exponentialLatency,
  FAIL_POINTS,
  type FailPointAction,
  type FailPointName,
  first,
  firstChunks,
  hold,
  type ImageFilter,
  type NetworkFilter,
  notifyKind,
  ofKind,
  randomLatency,
  reorder,
  stallStream,
  throttle,
  when,
  whenChunk,
} from "@quorate/services/faults";
import { StoreFailure } from "@quorate/services/replica";
import { utf8Encode } from "@quorate/services/std";
import { VirtualCluster } from "./virtual-cluster";

const KEPT = { entriesMax: 6, bytesMax: 1 << 20, entriesKept: 2 };
const BEFORE = 24;
const SINCE = 2;

/** Lets every chunk pass, and tells of it. */
function notice(listener: (delivery: ChunkDelivery) => void): ImageFilter {
  const tell = (delivery: ChunkDelivery): boolean => {
    listener(delivery);
    return false;
  };
  return whenChunk(tell, breakStream());
}

/** The process is to end over it, which is looked at elsewhere. */
function ofStore(error: unknown): void {
  if (!(error instanceof StoreFailure)) throw error;
}

/** Another counter comes to be on the disk, and the member puts it right between two batches. */
async function damageAndRepair(cluster: VirtualCluster, id: string): Promise<void> {
  const right = cluster.replica(await cluster.leader(cluster.running)).state;
  const { state } = cluster.seat(id);
  const replica = cluster.replica(id);
  await replica.exclusive(async ({ revision }) => {
    const { id: namespaceId, generation } = replica.namespace("")!;
    const key = utf8Encode("counter");
    const space = { namespaceId, generation };
    const [record] = await right.records({ ...space, revision, keysOnly: false, keys: [key] });
    state.corruptRecord({ ...space, key, value: utf8Encode("10") });
    await replica.state.repair([{ ...space, key, record: record ?? null }]);
  });
}

/** Three members, one of which is down, and the log of the others does not reach back to where it was. */
class Lagging {
  readonly cluster = new VirtualCluster(3, { logKeeping: KEPT, checkpointBatches: 2 });
  leader = "";
  behind = "";

  async make(): Promise<this> {
    const { cluster } = this;
    this.leader = await cluster.leader();
    this.behind = cluster.others(this.leader)[0]!;
    await cluster.incrementTimes(this.leader, 1);
    await cluster.converged();
    cluster.crash(this.behind);
    await cluster.incrementTimes(this.leader, BEFORE);
    const lost = cluster.seat(this.behind).log.lastIndex;
    await cluster.until("the log is cut", () => this.firstIndexOf(this.leader) > lost + 1);
    return this;
  }

  /** Whoever lags comes back and is told that it needs a snapshot. */
  comesBack(): void {
    this.cluster.start(this.behind);
  }

  get installed(): number {
    return this.cluster.replica(this.behind).status().imagesInstalled;
  }

  async untilInstalled(): Promise<void> {
    await this.cluster.until("a snapshot is installed", () => this.installed > 0);
  }

  firstIndexOf(id: string): number {
    return this.cluster.replica(id).status().logFirstIndex;
  }

  /** Where its process has ended, or stands for one whose store has failed. */
  startAgain(id: string): void {
    const seat = this.cluster.seat(id);
    seat.failPoints.clear();
    if (seat.failure !== null) this.cluster.crash(id);
    if (seat.replica === null) this.cluster.start(id);
  }

  /** All run, nothing is in the way, and each increment was applied once everywhere. */
  async converges(): Promise<void> {
    const { cluster } = this;
    cluster.network.clear();
    cluster.images.clear();
    for (const { id } of cluster.seats) this.startAgain(id);
    await cluster.incrementInSession(SINCE);
    const counter = String(1 + BEFORE + SINCE);
    expect(await cluster.converged()).toEqual([counter, counter, counter]);
    const [one, ...others] = cluster.residents();
    for (const other of others) expect(other).toEqual(one);
    for (const [, ids] of cluster.leaders) expect(ids.size).toBe(1);
  }
}

describe("snapshots on the traffic of whole replicas", () => {
  let world: Lagging;
  let cluster: VirtualCluster;

  beforeEach(async () => {
    world = await new Lagging().make();
    cluster = world.cluster;
  });

  const messageFilters: readonly (readonly [string, () => NetworkFilter])[] = [
    ["drop", () => first(3, drop())],
    ["drop at random", () => drop(0.5)],
    ["duplicate", () => duplicate(1, 3)],
    ["reorder", () => reorder({ probability: 1, windowMs: 300 })],
    ["throttle", () => throttle({ messagesPerSecond: 2, queueMessagesMax: 2 })],
    ["delay", () => delay(150)],
    ["random latency", () => randomLatency({ minMs: 1, maxMs: 400 })],
    ["exponential latency", () => exponentialLatency({ meanMs: 200 })],
  ];

  it.each(messageFilters)("J2: snapshot messages under %s", async (_, filter) => {
    let seen = 0;
    cluster.network.add(notifyKind("snapshot", () => (seen += 1)));
    cluster.network.add(ofKind("snapshot", filter()));
    world.comesBack();
    await world.untilInstalled();
    expect(seen).toBeGreaterThan(0);
    await world.converges();
  });

  it("J2: a snapshot message that is held offers nothing; collected and released it does", async () => {
    const held = hold();
    cluster.network.add(ofKind("snapshot", held));
    world.comesBack();
    await cluster.run(3_000);
    expect(world.installed).toBe(0);
    expect(held.collected.length).toBeGreaterThan(0);
    for (const message of held.collected) {
      expect(message).toMatchObject({ kind: "snapshot", from: world.leader, to: world.behind });
    }
    held.release(1);
    await world.untilInstalled();
    held.release();
    await cluster.run(1_000);
    expect(world.installed).toBe(1);
    await world.converges();
  });

  it("J2: a snapshot message that is held until it is old changes nothing", async () => {
    const held = hold();
    const takeAway = cluster.network.add(ofKind("snapshot", first(1, held)));
    world.comesBack();
    await world.untilInstalled();
    takeAway();
    held.release();
    await cluster.run(1_000);
    expect(world.installed).toBe(1);
    await world.converges();
  });

  it("J2: snapshot messages are dropped one way, and another leader's get through", async () => {
    const { leader, behind } = world;
    cluster.network.add(ofKind("snapshot", direction({ from: leader, to: behind }, drop())));
    world.comesBack();
    await cluster.run(2_000);
    expect(world.installed).toBe(0);
    await cluster.outcome(cluster.replica(leader).transferLeadership(cluster.others(leader, behind)[0]!));
    await world.untilInstalled();
    await world.converges();
  });

  it("J2: an arbitrary predicate chooses which snapshots are lost", async () => {
    const untilMs = cluster.timers.nowMs() + 2_500;
    const isEarly = when(({ kind }, { nowMs }) => kind === "snapshot" && nowMs < untilMs, drop());
    cluster.network.add(isEarly);
    world.comesBack();
    await cluster.run(2_000);
    expect(world.installed).toBe(0);
    await world.untilInstalled();
    await world.converges();
  });

  const imageFilters: readonly (readonly [string, () => ImageFilter])[] = [
    ["dropped", () => firstChunks(1, breakStream())],
    [
      "dropped at the second chunk",
      () =>
        firstChunks(
          1,
          whenChunk(({ number }) => number > 1, breakStream()),
        ),
    ],
    ["dropped at random", () => breakStream(0.5)],
    ["damaged", () => firstChunks(2, damageChunks())],
    ["slow", () => delayChunks(700)],
    ["slow at one chunk", () => firstChunks(1, delayChunks(5_000))],
  ];

  it.each(imageFilters)("J2: an image that is %s on its way", async (_, filter) => {
    let seen = 0;
    cluster.images.add(notice(() => (seen += 1)));
    cluster.images.add(filter());
    world.comesBack();
    await world.untilInstalled();
    expect(seen).toBeGreaterThan(1);
    await world.converges();
  });

  it("J2: an image that is held stands still, while the others write; then it comes", async () => {
    const takeAway = cluster.images.add(stallStream());
    world.comesBack();
    await cluster.until(
      "it is being brought",
      () => cluster.replica(world.behind).status().receiving !== null,
    );
    expect(await cluster.incrementTimes(world.leader, 1)).toEqual(["applied"]);
    await cluster.run(500);
    expect(world.installed).toBe(0);
    takeAway();
    await world.untilInstalled();
    const counter = String(1 + BEFORE + 1);
    expect(await cluster.converged()).toEqual([counter, counter, counter]);
  });

  it("J2: the chunks of an image are collected: they go one way, in their order, from the leader", async () => {
    const chunks: ChunkDelivery[] = [];
    cluster.images.add(notice((delivery) => chunks.push(delivery)));
    world.comesBack();
    await world.untilInstalled();
    expect(new Set(chunks.map(({ from, to }) => `${from}>${to}`))).toEqual(
      new Set([`${world.leader}>${world.behind}`]),
    );
    expect(chunks.map(({ number }) => number)).toEqual(chunks.map((_, at) => at + 1));
    expect(chunks.map(({ chunk }) => chunk.isLast)).toEqual(chunks.map((_, at) => at === chunks.length - 1));
    expect(chunks.length).toBeGreaterThan(1);
    await world.converges();
  });

  it("J2: an image that breaks is gone on with where it broke", async () => {
    const chunks: ChunkDelivery[] = [];
    cluster.images.add(
      firstChunks(
        2,
        whenChunk(({ number }) => number === 2, breakStream()),
      ),
    );
    cluster.images.add(notice((delivery) => chunks.push(delivery)));
    world.comesBack();
    await world.untilInstalled();
    const positions = chunks.map(({ chunk }) => Number(new TextDecoder().decode(chunk.position)));
    expect(positions).toEqual([...new Set(positions)].sort((left, right) => left - right));
    expect(new Set(chunks.map(({ imageId }) => imageId)).size).toBe(1);
    await world.converges();
  });

  it("J2: where no stream gets through there is no snapshot, and nobody else is disturbed", async () => {
    cluster.images.add(whenChunk(({ to }) => to === world.behind, breakStream()));
    world.comesBack();
    const { term } = cluster.replica(world.leader).leader;
    await cluster.run(5_000);
    expect(world.installed).toBe(0);
    expect(cluster.replica(world.leader).leader).toEqual({ id: world.leader, term });
    await world.converges();
  });
});

describe("fail points of snapshots in whole replicas", () => {
  let world: Lagging;
  let cluster: VirtualCluster;

  beforeEach(async () => {
    world = await new Lagging().make();
    cluster = world.cluster;
  });

  /** What makes the step come, and whose it is. */
  interface Step {
    readonly who: () => string;
    readonly act: (id: string) => void;
  }
  const receiving: Step = { who: () => world.behind, act: () => world.comesBack() };
  const sending: Step = { who: () => world.leader, act: () => world.comesBack() };
  const cutting: Step = {
    who: () => world.leader,
    act: (id) => void cluster.replica(id).takeSnapshot().catch(ofStore),
  };
  const repairing: Step = {
    who: () => cluster.others(world.leader, world.behind)[0]!,
    act: (id) => void damageAndRepair(cluster, id).catch(ofStore),
  };
  const steps: readonly (readonly [RegExp, () => Step])[] = [
    [/^log\.cut\./, () => cutting],
    [/^state\.checkpoint\./, () => cutting],
    [/^log\.reset\./, () => receiving],
    [/^state\.chunk\./, () => sending],
    [/^state\.(receive|put|complete|install)\./, () => receiving],
    [/^state\.repair\./, () => repairing],
    [/^snapshots\./, () => receiving],
  ];
  const stepOf = (name: FailPointName): Step | undefined =>
    steps.find(([pattern]) => pattern.test(name))?.[1]();

  const points = FAIL_POINTS.filter((name) => stepOf(name) !== undefined);
  const cases = points.flatMap((name) =>
    (["error", "crash", "pause"] as const).map((action): [FailPointAction, FailPointName] => [action, name]),
  );

  it.each(cases)("J9: %s at %s, set at run time", async (action, name) => {
    const { who, act } = stepOf(name)!;
    const id = who();
    const { failPoints } = cluster.seat(id);
    failPoints.set(name, action, { hits: 1 });
    const reached = failPoints.reached(name);
    act(id);
    await cluster.outcome(reached);
    await cluster.run(50);
    switch (action) {
      case "crash":
        expect(cluster.seat(id).replica).toBeNull();
        break;
      case "error":
        // A stream that breaks is begun again; a store that fails ends the process.
        if (name.startsWith("snapshots.")) await world.untilInstalled();
        else await failed(id);
        break;
      case "pause":
        await cluster.run(3_000);
        expect(world.cluster.seat(id).failure).toBeNull();
        failPoints.clear(name);
    }
    if (name.startsWith("state.repair.")) {
      world.startAgain(id);
      await cluster.outcome(damageAndRepair(cluster, id));
    }
    await world.converges();
    if (act === receiving.act || act === sending.act)
      expect(cluster.seat(world.behind).state.applied.index).toBeGreaterThan(BEFORE);
  });

  /** Its store failed; whoever is in the middle of nothing meets that at its next write. */
  async function failed(id: string): Promise<void> {
    if (cluster.seat(id).failure === null) void cluster.replica(world.leader).proposeVerify();
    await cluster.until("its end", () => cluster.seat(id).failure !== null);
  }

  it("J9: these and those of every write are all that there are", () => {
    const ofWrites = FAIL_POINTS.filter((name) =>
      /^(log\.append|state\.(read|write)|transport\.send)\./.test(name),
    );
    expect([...points, ...ofWrites].sort()).toEqual([...FAIL_POINTS].sort());
  });

  it("J9: a receiver that crashes at every install is no member until the point is cleared", async () => {
    const seat = cluster.seat(world.behind);
    seat.failPoints.set("state.install.after", "crash");
    for (let round = 1; round <= 3; round += 1) {
      world.comesBack();
      await cluster.until("the next crash", () => seat.failPoints.crashes === round);
      expect(seat.replica).toBeNull();
      // What was installed stays: for another to come, more must be cut.
      await cluster.incrementTimes(world.leader, 10);
      const applied = seat.state.applied.index;
      await cluster.until("the log is cut", () => world.firstIndexOf(world.leader) > applied + 1);
    }
    seat.failPoints.clear();
    world.comesBack();
    expect(new Set(await cluster.converged()).size).toBe(1);
  });
});
