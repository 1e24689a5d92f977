import { describe, expect, it } from "@jest/globals";
import { encodeCommand, openSessionCommand } from "@quorate/services/kv";
import type { ReadRequest, Replica, SubmitOutcome } from "@quorate/services/replica";
import { appliedAnswer, increment, put, ReplicaRig } from "./replica-rig";

const READ: ReadRequest = {
  namespace: "",
  consistency: "linearizable",
  minRevision: 0,
  maxStalenessMs: 0,
  revision: 0,
};
const encoder = new TextEncoder();

async function submitted(rig: ReplicaRig, replica: Replica, command: Uint8Array): Promise<SubmitOutcome> {
  const outcome = replica.submit(command);
  await rig.settle();
  return outcome;
}

/** The promise's value if it has settled, else "open". */
async function now<T>(promise: Promise<T>): Promise<T | "open"> {
  return Promise.race([promise, new Promise<"open">((resolve) => setImmediate(() => resolve("open")))]);
}

async function valueAt(replica: Replica, key: string): Promise<string | null> {
  const point = await replica.readPoint({ ...READ, consistency: "stale" });
  if (point.kind !== "ready") throw new Error(point.kind);
  const [record] = await replica.state.records({
    namespaceId: point.namespaceId,
    generation: point.generation,
    keys: [encoder.encode(key)],
    revision: point.revision,
    keysOnly: false,
  });
  return record ? new TextDecoder().decode(record.value) : null;
}

describe("replicas", () => {
  it("apply a command on every member once a quorum holds it", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const answer = appliedAnswer(await submitted(rig, leader, put("a", "1")));
    expect(answer.revision).toBe(1n);
    await rig.tick(2);
    for (const { id } of rig.seats) expect(await valueAt(rig.replica(id), "a")).toBe("1");
  });

  it("apply on a follower what nobody waits for with the next tick, and before a read of it", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(3);
    const [reader, idle] = rig.seats.flatMap(({ id }) => (id === leader.id ? [] : [rig.replica(id)]));
    for (const key of ["a", "b", "c"]) appliedAnswer(await submitted(rig, leader, put(key, "1")));
    for (const replica of [reader!, idle!]) {
      const { raft, appliedIndex } = replica.status();
      expect(appliedIndex).toBeLessThan(raft.commit);
    }
    expect(await valueAt(reader!, "a")).toBe("1");
    expect(reader!.status().appliedIndex).toBe(reader!.status().raft.commit);
    await rig.tick();
    expect(idle!.status().appliedIndex).toBe(idle!.status().raft.commit);
  });

  it("answer a linearizable read on a follower without a tick, with what had waited there to be applied", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(3);
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    // So soon one after another that the word of the last one's commit waits for the next, and comes with the read's round.
    for (let at = 0; at < 8; at += 1) appliedAnswer(await submitted(rig, leader, put(`k${at}`, "1")));
    expect(follower.status().raft.commit).toBeLessThan(leader.status().raft.commit);
    const point = follower.readPoint(READ);
    await rig.settle();
    expect(await now(point)).toMatchObject({ kind: "ready", revision: 8 });
  });

  it("apply on a follower at once what somebody waits to hear of", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(3);
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    const revisions: number[] = [];
    follower.subscribe({ written: ({ meta }) => revisions.push(meta.revision), isWaiting: () => true });
    for (const key of ["a", "b"]) appliedAnswer(await submitted(rig, leader, put(key, "1")));
    expect(revisions).toEqual([1, 2]);
  });

  it("apply all that is committed when they come to lead", async () => {
    const rig = new ReplicaRig(3);
    const old = await rig.elect();
    await rig.tick(3);
    for (const key of ["a", "b"]) appliedAnswer(await submitted(rig, old, put(key, "1")));
    const successor = rig.replica(rig.seats.find(({ id }) => id !== old.id)!.id);
    const transfer = old.transferLeadership(successor.id);
    await rig.settle();
    expect(await transfer).toMatchObject({ kind: "transferred" });
    expect(successor.status().appliedIndex).toBe(successor.status().raft.commit);
  });

  it("put all commands of a turn into one synced write a member", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(3);
    const before = leader.status().log;
    const outcomes = Array.from({ length: 50 }, (_, at) => leader.submit(put(`k${at}`, "v")));
    await rig.settle();
    const answers = (await Promise.all(outcomes)).map(appliedAnswer);
    expect(answers.map(({ revision }) => Number(revision))).toEqual(
      Array.from({ length: 50 }, (_, at) => at + 1),
    );
    const after = leader.status().log;
    expect(after.entriesSynced - before.entriesSynced).toBe(50);
    expect(after.syncs - before.syncs).toBe(1);
  });

  it("take in a command at once while nothing is stored, and what comes meanwhile with the rest of its turn", async () => {
    const rig = new ReplicaRig(1);
    const leader = await rig.elect();
    const first = leader.submit(put("a", "1"));
    expect([rig.afterInputs.length, rig.turns.length]).toEqual([1, 0]);
    for (const run of rig.afterInputs.splice(0)) run();
    const second = leader.submit(put("b", "1"));
    expect([rig.afterInputs.length, rig.turns.length]).toEqual([0, 1]);
    await rig.settle();
    expect(appliedAnswer(await first).revision).toBe(1n);
    expect(appliedAnswer(await second).revision).toBe(2n);
  });

  it("say who leads when they are not the leader, and change nothing", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick();
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    const outcome = await submitted(rig, follower, put("a", "1"));
    expect(outcome).toEqual({ kind: "not_applied", reason: "not_leader", leaderId: leader.id });
  });

  it("refuse commands beyond their bound, and go on with reads", async () => {
    const rig = new ReplicaRig(3, { commandsMax: 2 });
    const leader = await rig.elect();
    const outcomes = [
      leader.submit(put("a", "1")),
      leader.submit(put("b", "1")),
      leader.submit(put("c", "1")),
    ];
    const read = leader.readPoint(READ);
    await rig.settle();
    expect((await outcomes[2])?.kind).toBe("not_applied");
    expect(await outcomes[2]).toMatchObject({ reason: "backlog_full" });
    expect((await Promise.all(outcomes.slice(0, 2))).map(({ kind }) => kind)).toEqual(["applied", "applied"]);
    expect((await read).kind).toBe("ready");
  });

  it("C4: a partitioned old leader never returns a linearizable read", async () => {
    const rig = new ReplicaRig(3);
    const old = await rig.elect();
    await submitted(rig, old, put("a", "old"));
    rig.isolate(old.id);
    const next = await rig.elect([old.id]);
    appliedAnswer(await submitted(rig, next, put("a", "new")));
    const read = old.readPoint(READ);
    await rig.settle();
    if (old.isLeader) expect(await now(read)).toBe("open");
    await rig.tick(25);
    expect(old.isLeader).toBe(false);
    expect(await read).toEqual({ kind: "no_leader" });
    rig.heal();
    await rig.tick(5);
    const after = old.readPoint(READ);
    await rig.settle();
    expect((await after).kind).toBe("ready");
    expect(await valueAt(old, "a")).toBe("new");
  });

  it("C5: a follower serves ten reads at once from its own state after one round with the leader", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick();
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    appliedAnswer(await submitted(rig, leader, put("a", "1")));
    rig.sent.length = 0;
    const reads = Array.from({ length: 10 }, () => follower.readPoint(READ));
    await rig.settle();
    const points = await Promise.all(reads);
    expect(new Set(points.map((point) => point.kind === "ready" && point.revision))).toEqual(new Set([1]));
    expect(rig.sent.filter(({ kind }) => kind === "read_index")).toHaveLength(1);
    expect(await valueAt(follower, "a")).toBe("1");
  });

  it("C6: reads put nothing into the log", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(2);
    const before = leader.status().raft.last;
    const reads = [READ, { ...READ, consistency: "stale" as const }, { ...READ, maxStalenessMs: 50 }].map(
      (request) => leader.readPoint(request),
    );
    await rig.settle();
    expect((await Promise.all(reads)).map(({ kind }) => kind)).toEqual(["ready", "ready", "ready"]);
    expect(leader.status().raft.last).toEqual(before);
  });

  it("C7: a read with max_staleness needs no round while the last one is fresh enough, and one when it is not", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick();
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    const first = follower.readPoint(READ);
    await rig.settle();
    await first;
    rig.nowMs += 300;
    rig.sent.length = 0;
    expect((await now(follower.readPoint({ ...READ, maxStalenessMs: 300 }))) as unknown).toMatchObject({
      kind: "ready",
    });
    expect(rig.sent).toEqual([]);
    const tooOld = follower.readPoint({ ...READ, maxStalenessMs: 299 });
    await rig.settle();
    expect((await tooOld).kind).toBe("ready");
    expect(rig.sent.some(({ kind }) => kind === "read_index")).toBe(true);
  });

  it("C7: a stale read with min_revision waits until that revision is applied here, or until its caller gives up", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick();
    const follower = rig.replica(rig.seats.find(({ id }) => id !== leader.id)!.id);
    const request: ReadRequest = { ...READ, consistency: "stale", minRevision: 1 };
    const waiting = follower.readPoint(request);
    const caller = new AbortController();
    const abandoned = follower.readPoint({ ...request, minRevision: 2 }, caller.signal);
    await rig.settle();
    expect(await now(waiting)).toBe("open");
    await submitted(rig, leader, put("a", "1"));
    await rig.tick();
    expect(await waiting).toMatchObject({ kind: "ready", revision: 1 });
    caller.abort();
    expect(await abandoned).toEqual({ kind: "cancelled" });
  });

  it("C7: a revision that is still being written is not read yet, nor told of", async () => {
    const rig = new ReplicaRig(1);
    const replica = await rig.elect();
    await submitted(rig, replica, put("k", "old"));
    let finishWrite = () => {};
    rig.seat("n1").state.faults.beforeWrite = () => new Promise((resolve) => (finishWrite = resolve));
    const second = replica.submit(put("k", "new"));
    await rig.settle();

    expect(replica.status().revision).toBe(1);
    const stale: ReadRequest = { ...READ, consistency: "stale" };
    expect(await replica.readPoint(stale)).toMatchObject({ kind: "ready", revision: 1 });
    const waiting = replica.readPoint({ ...stale, minRevision: 2 });
    expect(await now(waiting)).toBe("open");

    rig.seat("n1").state.faults.beforeWrite = null;
    finishWrite();
    await rig.settle();
    expect((await second).kind).toBe("applied");
    expect(await now(waiting)).toMatchObject({ kind: "ready", revision: 2 });
    expect(await valueAt(replica, "k")).toBe("new");
  });

  it("answer reads from what is in the store, not from the batch that is on its way there", async () => {
    const rig = new ReplicaRig(1);
    const leader = await rig.elect();
    appliedAnswer(await submitted(rig, leader, put("a", "1")));
    let release = (): void => {};
    rig.seat(leader.id).state.faults.beforeWrite = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const second = leader.submit(put("a", "2"));
    await rig.settle();
    const stale: ReadRequest = { ...READ, consistency: "stale" };
    expect(await leader.readPoint(stale)).toMatchObject({ kind: "ready", revision: 1 });
    expect(leader.status().revision).toBe(1);
    const waiting = leader.readPoint({ ...stale, minRevision: 2 });
    expect(await now(waiting)).toBe("open");
    rig.seat(leader.id).state.faults.beforeWrite = null;
    release();
    await rig.settle();
    expect((await second).kind).toBe("applied");
    expect(await waiting).toMatchObject({ kind: "ready", revision: 2 });
  });

  it("refuse reads of the future, of truncated history and of unknown namespaces", async () => {
    const rig = new ReplicaRig(1);
    const leader = await rig.elect();
    await submitted(rig, leader, put("a", "1"));
    const ask = async (request: Partial<ReadRequest>) => {
      const read = leader.readPoint({ ...READ, ...request });
      await rig.settle();
      return read;
    };
    expect(await ask({ revision: 2 })).toEqual({ kind: "future_revision", revision: 1 });
    expect(await ask({ minRevision: 2 })).toEqual({ kind: "future_revision", revision: 1 });
    expect(await ask({ namespace: "other" })).toEqual({ kind: "unknown_namespace" });
  });

  it("settle what an old leader left open as superseded, which is not applied", async () => {
    const rig = new ReplicaRig(3);
    const old = await rig.elect();
    await rig.tick();
    rig.isolate(old.id);
    const lost = old.submit(put("a", "lost"));
    await rig.settle();
    const next = await rig.elect([old.id]);
    await submitted(rig, next, put("a", "kept"));
    expect(await now(lost)).toBe("open");
    rig.heal();
    await rig.tick(3);
    expect(await lost).toEqual({ kind: "not_applied", reason: "superseded", leaderId: null });
    expect(await valueAt(old, "a")).toBe("kept");
  });

  it("settle what an old leader left open as unknown when nobody can tell in time", async () => {
    const rig = new ReplicaRig(3);
    const old = await rig.elect();
    await rig.tick();
    rig.isolate(old.id);
    const open = old.submit(put("a", "1"));
    await rig.tick(40);
    expect(await open).toEqual({ kind: "unknown", reason: "leadership_lost" });
  });

  it("D11: hand leadership over without losing what is in flight", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(2);
    const target = rig.seats.find(({ id }) => id !== leader.id)!.id;
    const before = leader.submit(put("a", "1"));
    const transfer = leader.transferLeadership(target);
    const during = leader.submit(put("b", "1"));
    await rig.tick(3);
    expect(await transfer).toMatchObject({ kind: "transferred", leaderId: target });
    expect((await before).kind).toBe("applied");
    expect(["applied", "not_applied"]).toContain((await during).kind);
    expect(rig.replica(target).isLeader).toBe(true);
  });

  it.each(Array.from({ length: 12 }, (_, at) => at))(
    "D11: find somebody to hand leadership over to %i ticks into a quiet term, also just after a count of followers",
    async (ticks) => {
      const rig = new ReplicaRig(3);
      const leader = await rig.elect();
      await rig.tick(10 + ticks);
      // Nobody has answered yet what this tick asks.
      leader.tick();
      const transfer = leader.transferLeadership(null);
      await rig.tick(3);
      expect(await transfer).toMatchObject({ kind: "transferred" });
      expect(leader.isLeader).toBe(false);
    },
  );

  it("asks nobody for a transfer once it hears that another leads", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const [next, third] = rig.seats.map(({ id }) => id).filter((id) => id !== leader.id) as [string, string];
    const term = leader.leader.term + 1;
    rig.sent.length = 0;
    leader.receive([{ kind: "heartbeat", from: next, to: leader.id, term, commit: 0, readSequence: 0 }]);
    expect(await leader.transferLeadership(third)).toEqual({ kind: "not_leader", leaderId: next });
    await rig.settle();
    // The core would pass the wish on to the leader in the name of its beneficiary, which no transport carries.
    expect(rig.sent.filter(({ kind }) => kind === "transfer_leadership")).toEqual([]);
  });

  it("C10: a request id is applied once, also after a change of leader and a crash of all", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const opened = appliedAnswer(
      await submitted(
        rig,
        leader,
        encodeCommand(openSessionCommand({ namespace: "", requestId: null, wallTimeMs: 0 }, 60_000)),
      ),
    );
    const clientId = opened.result?.$case === "done" ? Number(opened.result.value.clientId) : 0;
    const command = increment("n", { clientId, sequence: 1, firstUnanswered: 1 });
    const first = appliedAnswer(await submitted(rig, leader, command));
    expect(appliedAnswer(await submitted(rig, leader, command))).toEqual(first);

    rig.crash(leader.id);
    const second = await rig.elect([leader.id]);
    expect(appliedAnswer(await submitted(rig, second, command))).toEqual(first);
    for (const { id, replica } of rig.seats) if (replica !== null) rig.crash(id);
    for (const { id } of rig.seats) rig.start(id);
    const third = await rig.elect();
    expect(appliedAnswer(await submitted(rig, third, command))).toEqual(first);
    expect(await valueAt(third, "n")).toBe("1");
  });

  it("E3: a crash of all members loses nothing that was acknowledged, though their states are behind their logs", async () => {
    const rig = new ReplicaRig(3);
    for (let round = 0; round < 5; round += 1) {
      const leader = await rig.elect();
      for (let at = 0; at < 4; at += 1) {
        appliedAnswer(await submitted(rig, leader, put(`k${round}.${at}`, `${round}`)));
      }
      for (const { id } of rig.seats) rig.crash(id);
      for (const { id } of rig.seats) rig.start(id);
    }
    const leader = await rig.elect();
    await rig.tick(2);
    for (let round = 0; round < 5; round += 1) {
      for (let at = 0; at < 4; at += 1) expect(await valueAt(leader, `k${round}.${at}`)).toBe(`${round}`);
    }
    expect(leader.status().revision).toBe(20);
  });

  it("E9: a failed sync ends the replica: what is open is unknown, nothing more is promised, the others go on", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick(2);
    const failures: string[] = [];
    leader.subscribe({ failed: (failure) => failures.push(failure.message) });
    rig.seat(leader.id).log.faults.failNextWrite();
    const outcome = await submitted(rig, leader, put("a", "1"));
    expect(outcome).toEqual({ kind: "unknown", reason: "store_lost" });
    expect(failures).toHaveLength(1);
    rig.sent.length = 0;
    await rig.tick(3);
    expect(rig.sent.filter(({ from }) => from === leader.id)).toEqual([]);
    expect(await leader.submit(put("b", "1"))).toMatchObject({ kind: "not_applied", reason: "stopping" });
    expect(await leader.readPoint(READ)).toEqual({ kind: "store_lost" });
    const next = await rig.elect([leader.id]);
    appliedAnswer(await submitted(rig, next, put("c", "1")));
  });

  it("record each member's store once, through the log", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    for (const { id } of rig.seats)
      leader.noteIntroduction({ memberId: id, storeId: `store-${id}`, addresses: null, epoch: 0 });
    leader.noteIntroduction({ memberId: "stranger", storeId: "store-x", addresses: null, epoch: 0 });
    await rig.tick(12);
    for (const { id } of rig.seats) {
      for (const other of rig.seats) expect(rig.replica(id).memberStore(other.id)).toBe(`store-${other.id}`);
    }
    leader.noteIntroduction({ memberId: "n1", storeId: "another", addresses: null, epoch: 0 });
    await rig.tick(12);
    expect(leader.memberStore("n1")).toBe("store-n1");
    expect(leader.memberStore("stranger")).toBeNull();
  });

  it("remember which stores the log names while their state is behind it", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    for (const { id } of rig.seats)
      leader.noteIntroduction({ memberId: id, storeId: `store-${id}`, addresses: null, epoch: 0 });
    await rig.tick(30);
    const { id } = rig.seats.find((seat) => seat.id !== leader.id) as (typeof rig.seats)[number];
    rig.crash(id);
    const state = rig.emptyStateDisk();
    const restarted = rig.start(id, state);

    expect(state.applied.index).toBe(0);
    for (const other of rig.seats) expect(restarted.memberStore(other.id)).toBe(`store-${other.id}`);
    expect(restarted.memberStore("stranger")).toBeNull();
    await rig.tick(30);
    expect(state.applied.index).toBeGreaterThan(0);
    for (const other of rig.seats) expect(restarted.memberStore(other.id)).toBe(`store-${other.id}`);
  });

  it("let replicated time pass with the leader's clock, and never ahead of it across changes of leader", async () => {
    const rig = new ReplicaRig(3);
    const startMs = rig.nowMs;
    await rig.elect();
    await rig.tick(50);
    const timeMs = rig.replica("n1").status().timeMs;
    expect(timeMs).toBeGreaterThan(2_000);
    expect(timeMs).toBeLessThanOrEqual(rig.nowMs - startMs);
    const leader = rig.seats.find(({ replica }) => replica?.isLeader === true)!;
    rig.crash(leader.id);
    await rig.elect([leader.id]);
    await rig.tick(30);
    const running = rig.seats.find(({ replica }) => replica !== null)!;
    expect(running.replica!.status().timeMs).toBeGreaterThan(timeMs);
    expect(running.replica!.status().timeMs).toBeLessThanOrEqual(rig.nowMs - startMs);
  });

  it("stop: open commands and reads settle, and nothing is taken any more", async () => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    await rig.tick();
    rig.isolate(leader.id);
    const open = leader.submit(put("a", "1"));
    const read = leader.readPoint(READ);
    await rig.settle();
    await leader.stop();
    expect(await open).toEqual({ kind: "unknown", reason: "stopping" });
    expect(await read).toEqual({ kind: "stopping" });
    expect(await leader.submit(put("a", "2"))).toMatchObject({ kind: "not_applied", reason: "stopping" });
    expect(await leader.readPoint(READ)).toEqual({ kind: "stopping" });
    await leader.stop();
  });
});
