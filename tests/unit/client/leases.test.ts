import { describe, expect, test } from "@jest/globals";
import { type Lease, QuorateError } from "@quorate/client";
import type { LeaseServiceKeepAliveRequest } from "@quorate/client/generated";
import { type Attempt, connectionLost, HEADER, ScriptedEndpoints, sessionAnswer } from "./scripted-endpoints";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";
const TTL_MS = 3000;

interface Renewed {
  readonly address: string;
  readonly leaseId: bigint;
  readonly atMs: number;
}

/** A cluster that grants leases and renews them until a test says otherwise. */
class LeaseCluster {
  readonly ends: ScriptedEndpoints;
  readonly renewed: Renewed[] = [];
  /** How long renewals take, and how long the lease lives after them; a failure ends the stream. */
  renewal: (renewed: Renewed) => { delayMs?: number; ttlMs?: number } | QuorateError | "silence" = () => ({});
  grantTakesMs = 0;
  #granted = 0n;

  constructor(addresses = A) {
    this.ends = new ScriptedEndpoints(addresses, ({ method }) => this.#unary(method));
    const { renewed, ends } = this;
    const renewal = (request: Renewed) => this.renewal(request);
    ends.dialogue = async function* ({ address }: Attempt, requests) {
      for await (const request of requests as AsyncIterable<LeaseServiceKeepAliveRequest>) {
        const { leaseId } = request;
        const one = { address, leaseId, atMs: ends.timing.nowMs() };
        renewed.push(one);
        const answer = renewal(one);
        if (answer instanceof QuorateError) throw answer;
        if (answer === "silence") await new Promise(() => undefined);
        else {
          if (answer.delayMs !== undefined) await passed(ends, answer.delayMs);
          yield { header: HEADER, leaseId, ttlMs: BigInt(answer.ttlMs ?? TTL_MS) };
        }
      }
    };
  }

  grant(options: { keepAlive?: boolean } = {}): Promise<Lease> {
    return this.ends.timing.drive(this.ends.client.leases.grant({ ttlMs: TTL_MS, ...options }));
  }

  wait(ms: number): Promise<void> {
    return this.ends.timing.drive(passed(this.ends, ms));
  }

  get nowMs(): number {
    return this.ends.timing.nowMs();
  }

  /** When the lease's signal is aborted, and why. */
  lost(lease: Lease): Promise<{ readonly atMs: number; readonly reason: string }> {
    return this.ends.timing.drive(
      new Promise((resolve) => {
        lease.signal.addEventListener("abort", () =>
          resolve({ atMs: this.nowMs, reason: (lease.signal.reason as QuorateError).reason }),
        );
      }),
    );
  }

  #unary(method: string): object | QuorateError {
    if (method === "Grant") {
      this.#granted += 1n;
      this.ends.timing.skip(this.grantTakesMs);
      return { header: HEADER, leaseId: this.#granted, ttlMs: BigInt(TTL_MS) };
    }
    if (method === "Revoke") return { header: HEADER, deleted: 2n };
    return sessionAnswer(method) ?? {};
  }
}

function passed(ends: ScriptedEndpoints, ms: number): Promise<void> {
  return new Promise((resolve) => {
    ends.timing.schedule(ms, resolve);
  });
}

const noSuchLease = new QuorateError("there is no such lease", {
  code: "NOT_FOUND",
  reason: "UNKNOWN_LEASE",
  outcome: "not_applied",
});

describe("a lease that is kept alive", () => {
  test("A22: is renewed after each third of its time to live, all leases over one stream", async () => {
    const cluster = new LeaseCluster();
    const [first, second] = [await cluster.grant(), await cluster.grant()];
    await cluster.wait(3500);
    expect(cluster.renewed.map(({ leaseId, atMs }) => [leaseId, atMs])).toEqual([
      [1n, 1000],
      [2n, 1000],
      [1n, 2000],
      [2n, 2000],
      [1n, 3000],
      [2n, 3000],
    ]);
    expect(cluster.ends.of("KeepAlive")).toHaveLength(1);
    expect([first.signal.aborted, second.signal.aborted]).toEqual([false, false]);
  });

  test("opens no stream before the first renewal, and closes it after the last lease", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    expect(cluster.ends.of("KeepAlive")).toHaveLength(0);
    await cluster.wait(1500);
    expect(await cluster.ends.timing.drive(lease.revoke())).toBe(2);
    await cluster.grant();
    await cluster.wait(1500);
    expect(cluster.ends.of("KeepAlive")).toHaveLength(2);
  });

  test("A22: survives the loss of its server and of the stream, elsewhere", async () => {
    const cluster = new LeaseCluster(`${A},${B}`);
    const lease = await cluster.grant();
    cluster.renewal = ({ address }) => (address === A ? connectionLost : {});
    await cluster.wait(10_000);
    expect(lease.signal.aborted).toBe(false);
    expect(cluster.renewed.slice(0, 3).map(({ address, atMs }) => [address, atMs])).toEqual([
      [A, 1000],
      [B, 1000],
      [B, 2000],
    ]);
  });

  test("A22: follows the leader that a server names", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    cluster.renewal = ({ address }) =>
      address === B
        ? {}
        : new QuorateError("not the leader", {
            code: "UNAVAILABLE",
            reason: "NOT_LEADER",
            retryable: true,
            leader: { memberId: "n2", address: B },
          });
    await cluster.wait(5000);
    expect([lease.signal.aborted, cluster.renewed.at(-1)?.address]).toEqual([false, B]);
  });

  test("a server that says nothing is left in time", async () => {
    const cluster = new LeaseCluster(`${A},${B}`);
    const lease = await cluster.grant();
    cluster.renewal = ({ address }) => (address === A ? "silence" : {});
    await cluster.wait(6000);
    expect(lease.signal.aborted).toBe(false);
    expect(cluster.renewed.slice(0, 2).map(({ address, atMs }) => [address, atMs])).toEqual([
      [A, 1000],
      [B, 1500],
    ]);
  });

  test("a stream that its server ends is opened anew", async () => {
    const cluster = new LeaseCluster();
    const { ends } = cluster;
    const lease = await cluster.grant();
    const whole = ends.dialogue;
    ends.dialogue = async function* (attempt, requests) {
      for await (const answer of whole(attempt, requests)) {
        yield answer;
        return;
      }
    };
    await cluster.wait(7000);
    expect([lease.signal.aborted, ends.of("KeepAlive").length]).toEqual([false, 6]);
  });
});

describe("a lease is lost", () => {
  test("A22: when the server knows it no more", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    cluster.renewal = () => ({ ttlMs: 0 });
    expect(await cluster.lost(lease)).toEqual({ atMs: 1000, reason: "UNKNOWN_LEASE" });
  });

  test("A22: when its time to live has passed since the last answered renewal was sent, not a moment later", async () => {
    const cluster = new LeaseCluster(`${A},${B}`);
    const lease = await cluster.grant();
    // The second renewal is sent at 2,000 and answered at 2,400; nothing after that is answered.
    cluster.renewal = ({ atMs }) => (atMs === 2000 ? { delayMs: 400 } : atMs < 2000 ? {} : "silence");
    expect(await cluster.lost(lease)).toEqual({ atMs: 2000 + TTL_MS, reason: "DEADLINE_EXCEEDED" });
  });

  test("an answer that comes too late does not bring it back", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    cluster.renewal = () => "silence";
    await cluster.lost(lease);
    cluster.renewal = () => ({});
    const renewals = cluster.renewed.length;
    await cluster.wait(10_000);
    expect([lease.signal.aborted, cluster.renewed.length]).toEqual([true, renewals]);
  });

  test("it is counted from when the grant was sent", async () => {
    const cluster = new LeaseCluster();
    cluster.grantTakesMs = 1200;
    const lease = await cluster.grant({ keepAlive: false });
    expect(await cluster.lost(lease)).toEqual({ atMs: TTL_MS, reason: "DEADLINE_EXCEEDED" });
  });

  test("a grant that was answered too late to be of use fails", async () => {
    const cluster = new LeaseCluster();
    cluster.grantTakesMs = TTL_MS;
    const error = await cluster.ends.failure(cluster.ends.client.leases.grant({ ttlMs: TTL_MS }));
    expect([error.reason, error.outcome]).toEqual(["DEADLINE_EXCEEDED", "unknown"]);
  });

  test("after a standstill of the process its signal says so before any timer has run", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    expect(lease.signal.aborted).toBe(false);
    cluster.ends.timing.skip(TTL_MS);
    expect(lease.signal.aborted).toBe(true);
  });
});

describe("the end of a lease", () => {
  test("a revoked one is not renewed, and its signal says who did it", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    await cluster.ends.timing.drive(lease.revoke());
    expect((lease.signal.reason as QuorateError).reason).toBe("CANCELLED");
    await cluster.wait(5000);
    expect(cluster.renewed).toEqual([]);
  });

  test("a lease that has ended already can be revoked; one of others only while it is there", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    cluster.ends.answer = ({ method }) => (method === "Revoke" ? noSuchLease : (sessionAnswer(method) ?? {}));
    expect(await cluster.ends.timing.drive(lease.revoke())).toBe(0);
    const error = await cluster.ends.failure(cluster.ends.client.leases.revoke(99n));
    expect([error.reason, error.outcome]).toEqual(["UNKNOWN_LEASE", "not_applied"]);
  });

  test("a closed one is renewed no more and ends by itself", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    await cluster.wait(1500);
    lease.close();
    lease.close();
    expect(await cluster.lost(lease)).toEqual({ atMs: 1000 + TTL_MS, reason: "DEADLINE_EXCEEDED" });
    expect([cluster.renewed.length, cluster.ends.of("Revoke").length]).toEqual([1, 0]);
  });

  test("await using revokes it", async () => {
    const cluster = new LeaseCluster();
    await cluster.ends.timing.drive(
      (async () => {
        await using lease = await cluster.ends.client.leases.grant({ ttlMs: TTL_MS });
        expect(lease.id).toBe(1n);
      })(),
    );
    expect(cluster.ends.of("Revoke").map(({ request }) => request)).toEqual([{ namespace: "", leaseId: 1n }]);
  });

  test("closing the client lets all leases go", async () => {
    const cluster = new LeaseCluster();
    const lease = await cluster.grant();
    await cluster.wait(1500);
    await cluster.ends.timing.drive(cluster.ends.client.close());
    expect((lease.signal.reason as QuorateError).message).toContain("closed");
  });
});

describe("a lease that was granted to another", () => {
  test("A22: is renewed at once when a third of its time has passed, and lost by what it had left", async () => {
    const cluster = new LeaseCluster();
    const { ends } = cluster;
    const known = { leaseId: 9n, ttlMs: BigInt(TTL_MS), remainingMs: 800n, keys: 0n };
    ends.answer = () => ({ header: HEADER, lease: known, keys: [] });
    const renewed = await ends.timing.drive(ends.client.leases.keepAlive(9n));
    await cluster.wait(2500);
    expect(cluster.renewed.map(({ leaseId, atMs }) => [leaseId, atMs])).toEqual([
      [9n, 0],
      [9n, 1000],
      [9n, 2000],
    ]);
    expect(renewed.signal.aborted).toBe(false);
    cluster.renewal = () => "silence";
    const beganAtMs = cluster.nowMs;
    const unanswered = await ends.timing.drive(ends.client.leases.keepAlive(9n));
    expect(await cluster.lost(unanswered)).toEqual({ atMs: beganAtMs + 800, reason: "DEADLINE_EXCEEDED" });
  });
});

describe("a look at leases", () => {
  test("A22: time to live with its keys, and the list", async () => {
    const lease = { leaseId: 5n, ttlMs: 3000n, remainingMs: 1200n, keys: 1n };
    const ends = new ScriptedEndpoints(A, ({ method }) =>
      method === "List"
        ? { header: HEADER, leases: [lease] }
        : { header: HEADER, lease, keys: [Buffer.from("k")] },
    );
    const { leases } = ends.client;
    const info = { id: 5n, ttlMs: 3000, remainingMs: 1200, keyCount: 1 };
    expect(await ends.timing.drive(leases.timeToLive(5n, { keys: true }))).toEqual({
      ...info,
      keys: [Uint8Array.from(Buffer.from("k"))],
    });
    expect(await ends.timing.drive(leases.list({ consistency: "session" }))).toEqual([info]);
    expect(ends.attempts.map(({ request }) => request)).toMatchObject([
      { leaseId: 5n, withKeys: true },
      { consistency: 2, minRevision: 7n },
    ]);
  });
});
