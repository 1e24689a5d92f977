import { expect } from "@jest/globals";
import { bytes, clusterOfFile, type TestCluster, underOneLeader } from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

/** Tracing without an SDK in the process: it must change nothing. */
const cluster = clusterOfFile({ nodeArgs: (node) => (node === 1 ? ["--tracing", "on"] : []) });

type Reading = (name: string, labels?: string) => number;

/** What a node says of itself: the value of the series with these labels (`code="OK"`), NaN where there is none. */
async function scrape(c: TestCluster, node: number): Promise<Reading> {
  const response = await fetch(`http://${c.topology.httpAddress(node)}/metrics`);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split("\n");
  return (name, labels = "") => {
    const line = lines.find(
      (one) => one.startsWith(`${name}{`) && labels.split(",").every((label) => one.includes(label)),
    );
    return Number(line?.slice(line.lastIndexOf(" ") + 1) ?? Number.NaN);
  };
}

async function health(c: TestCluster, node: number, path: string): Promise<readonly [number, string]> {
  const response = await fetch(`http://${c.topology.httpAddress(node)}${path}`);
  return [response.status, (await response.text()).trim()];
}

const PUT = 'method="quorate.kv.v1.KvService/Put",code="OK"';

cluster.test("L7: commands, syncs, batches and calls are counted and timed where they happen", async (c) => {
  await underOneLeader(c, (leader) => expectCounted(c, leader));
});

async function expectCounted(c: TestCluster, leader: number): Promise<void> {
  const earlier = await scrape(c, leader);
  const putsEarlier = earlier("quorate_call_seconds_count", PUT) || 0;
  for (let at = 0; at < 50; at += 1) {
    const { kv } = c.node(leader);
    await kv.attempt("put", { key: bytes(`l7-${at}`), value: bytes("value") });
  }
  await c.agree();
  const later = await scrape(c, leader);
  expect(later("quorate_call_seconds_count", PUT) - putsEarlier).toBe(50);
  const moved = (name: string, labels?: string): number => later(name, labels) - earlier(name, labels);
  expect(moved("quorate_proposals_total", 'outcome="applied"')).toBe(50);
  expect(moved("quorate_log_syncs_total")).toBeGreaterThan(0);
  expect(moved("quorate_log_sync_seconds_count")).toBeGreaterThan(0);
  expect(moved("quorate_log_sync_seconds_sum")).toBeGreaterThan(0);
  expect(moved("quorate_apply_batch_seconds_sum")).toBeGreaterThan(0);
  expect(moved("quorate_apply_batch_entries_sum")).toBeGreaterThanOrEqual(50);
  expect(moved("quorate_raft_applied_index")).toBeGreaterThanOrEqual(50);
  expect(later("quorate_raft_apply_lag_entries")).toBeLessThan(50);
  for (const node of c.numbers) {
    const value = await scrape(c, node);
    expect(value("quorate_log_sync_seconds_count")).toBeGreaterThan(0);
    expect(value("quorate_raft_is_leader")).toBe(node === leader ? 1 : 0);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(20e6);
    expect(value("process_open_fds")).toBeGreaterThan(5);
  }
}

cluster.test("L7: the loss of a leader is a change of leader on those that live", async (c) => {
  const leader = await c.leader();
  const others = c.numbers.filter((node) => node !== leader);
  const earlier = await Promise.all(others.map((node) => scrape(c, node)));
  c.pause(leader);
  await inTime("the others know a new leader", async () => {
    const now = await Promise.all(others.map((node) => scrape(c, node)));
    const areOver = now.every(
      (value, at) =>
        value("quorate_raft_leader_changes_total") >
        (earlier[at]?.("quorate_raft_leader_changes_total") ?? Number.NaN),
    );
    return areOver ? true : undefined;
  });
  const now = await inTime("one of them leads", async () => {
    const values = await Promise.all(others.map((node) => scrape(c, node)));
    return values.filter((value) => value("quorate_raft_is_leader") === 1).length === 1 && values;
  });
  for (const [at, value] of now.entries()) {
    expect(value("quorate_raft_term")).toBeGreaterThan(earlier[at]?.("quorate_raft_term") ?? Number.NaN);
    expect(value("quorate_raft_leader_losses_total")).toBeGreaterThan(0);
  }
  await inTime("the leader takes the other for gone", async () => {
    const values = await Promise.all(others.map((node) => scrape(c, node)));
    return values.some((value) => value("quorate_peer_active", `peer="n${leader}"`) === 0) ? true : undefined;
  });
  c.resume(leader);
  await c.leader();
});

cluster.test("L5 L7: a node without a quorum is live and not ready, and says why", async (c) => {
  const leader = await c.leader();
  await patientKv(c).put("l5", "value");
  for (const node of c.numbers) {
    expect(await health(c, node, "/livez")).toEqual([200, "ok"]);
    expect(await health(c, node, "/readyz")).toEqual([200, "ok"]);
  }
  const others = c.numbers.filter((node) => node !== leader);
  for (const node of others) c.pause(node);
  await inTime("the node that is left knows no leader", async () => {
    const [status, why] = await health(c, leader, "/readyz");
    return status === 503 && why === "no leader is known" ? true : undefined;
  });
  expect(await health(c, leader, "/livez")).toEqual([200, "ok"]);
  const [status, body] = await health(c, leader, "/healthz");
  expect([status, JSON.parse(body)]).toMatchObject([200, { status: "degraded", leader_id: null }]);
  for (const node of others) c.resume(node);
  await inTime("all are ready again", async () => {
    const answers = await Promise.all(c.numbers.map((node) => health(c, node, "/readyz")));
    return answers.every(([code]) => code === 200) ? true : undefined;
  });
});
