import { expect } from "@jest/globals";
import type { Kv, Lease, Quorate } from "@quorate/client";
import { clusterOfFile, type TestCluster } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 2 });
const { test } = cluster;

/** It is renewed three times as often; the loss of all nodes may take a busy machine most of the rest. */
const TTL_MS = 30_000;
const LOOK_MS = 200;

/** A watch that writes down what it hears, and the writes that it is to hear of. */
class Followed {
  readonly written: number[] = [];
  readonly heard: number[] = [];
  readonly #kv: Kv;
  readonly #prefix: string;
  readonly #watch: ReturnType<Kv["watch"]>;
  readonly #watching: Promise<void>;

  constructor(kv: Kv, prefix: string) {
    this.#kv = kv;
    this.#prefix = prefix;
    this.#watch = kv.watch({ prefix });
    this.#watching = this.#listen();
  }

  opened(): Promise<void> {
    return this.#watch.opened();
  }

  async write(times: number): Promise<void> {
    for (let at = 0; at < times; at += 1) {
      this.written.push((await this.#kv.put(`${this.#prefix}${at}`, "x")).revision);
    }
  }

  /** Each write was heard of, once, in order. */
  async expectAll(): Promise<void> {
    await inTime("the last write is heard of", () => this.heard.at(-1) === this.written.at(-1));
    expect(this.heard).toEqual(this.written);
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#watching;
  }

  async #listen(): Promise<void> {
    for await (const event of this.#watch) if (event.kind === "put") this.heard.push(event.revision);
  }
}

function gateways(c: TestCluster): string[] {
  return [1, 2].map((gateway) => c.gateway(gateway).address);
}

/** Waits until the lease has more time than a moment before: somebody has renewed it. */
async function renewed(client: Quorate, { id }: Lease): Promise<void> {
  let lastMs = Number.POSITIVE_INFINITY;
  await inTime(
    "the lease is renewed",
    async () => {
      const { remainingMs } = await client.leases.timeToLive(id);
      const isLonger = remainingMs > lastMs;
      lastMs = remainingMs;
      return isLonger;
    },
    { intervalMs: LOOK_MS },
  );
}

test("I5 A22: a watch and a lease through a gateway go on while each node behind it is killed or stopped in turn", async (c) => {
  const client = c.client(c.gateway(2).address, { deadlineMs: 60_000 });
  const followed = new Followed(client.kv, "behind/");
  await followed.opened();
  const lease = await client.leases.grant({ ttlMs: TTL_MS });
  await client.kv.put("leased", "x", { leaseId: lease.id });
  for (const node of c.numbers) {
    await followed.write(5);
    if (node === 2) expect(await c.terminate(node)).toBe(0);
    else await c.kill(node);
    await followed.write(5);
    await followed.expectAll();
    await c.restart(node);
    await c.leader();
  }
  await renewed(client, lease);
  expect(lease.signal.aborted).toBe(false);
  expect(await client.kv.exists("leased")).toBe(1);
  await lease.revoke();
  await followed.close();
});

test("I5 A22: a watch and a lease go on through the other gateway when theirs is killed, and when all nodes were", async (c) => {
  const client = c.client(gateways(c), { deadlineMs: 60_000 });
  const followed = new Followed(client.kv, "through/");
  await followed.opened();
  const lease = await client.leases.grant({ ttlMs: TTL_MS });
  await client.kv.put("leased", "x", { leaseId: lease.id });
  await followed.write(5);
  process.kill(c.gatewayPid(1), "SIGKILL");
  await c.gatewayEnded(1);
  await followed.write(5);
  await followed.expectAll();
  await c.killAll();
  await c.restartAll();
  await followed.write(5);
  await followed.expectAll();
  await renewed(client, lease);
  expect(lease.signal.aborted).toBe(false);
  expect(await client.kv.exists("leased")).toBe(1);
  await lease.revoke();
  await followed.close();
});
