import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { connect } from "@quorate/client";
import { eventually } from "../../support/eventually";
import { ObservedCluster, type ObservedNode } from "../tracing/observed-cluster";
import { sampleOf } from "./node-double";

const PUT = { method: "quorate.kv.v1.KvService/Put", code: "OK" };

let cluster: ObservedCluster;

beforeAll(async () => {
  cluster = await ObservedCluster.open("off");
});

afterAll(() => cluster.close());

async function scrape({
  url,
}: ObservedNode): Promise<(name: string, labels?: Record<string, string>) => number> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  const text = await response.text();
  return (name, labels = {}) => sampleOf(text, name, labels) ?? Number.NaN;
}

describe("the metrics of nodes that run", () => {
  it("L7: writes move what counts commands, syncs, batches, entries and calls, on each member as it should be", async () => {
    const writes = 20;
    let runs = 0;
    const { leader, earlier, later } = await cluster.underOneLeader(async (leading) => {
      runs += 1;
      const before = await scrape(leading);
      const patient = { deadlineMs: 100_000, connectTimeoutMs: 60_000 };
      const client = connect({ endpoints: leading.client, followMembers: false, ...patient });
      try {
        for (let at = 0; at < writes; at += 1) await client.kv.put(`key-${runs}-${at}`, "value");
        await client.kv.get(`key-${runs}-0`);
        const refused = client.kv.put(`key-${runs}-0`, "v", { expectedModRevision: 999_999 });
        await expect(refused).rejects.toMatchObject({ reason: "CONDITION_FAILED" });
      } finally {
        await client.close();
      }
      return { leader: leading, earlier: before, later: await scrape(leading) };
    });
    const moved = (name: string, labels?: Record<string, string>): number =>
      later(name, labels) - (Number.isNaN(earlier(name, labels)) ? 0 : earlier(name, labels));

    expect(moved("quorate_call_seconds_count", PUT)).toBe(writes);
    expect(moved("quorate_call_seconds_sum", PUT)).toBeGreaterThan(0);
    expect(moved("quorate_call_seconds_count", { method: "quorate.kv.v1.KvService/Get", code: "OK" })).toBe(
      1,
    );
    // The session that the client opened, and closed, is replicated too.
    expect(moved("quorate_proposals_total", { outcome: "applied" })).toBeGreaterThanOrEqual(writes + 1);
    expect(moved("quorate_proposals_total", { outcome: "refused" })).toBe(1);
    expect(moved("quorate_proposals_total", { outcome: "unknown" })).toBe(0);
    expect(moved("quorate_log_syncs_total")).toBeGreaterThan(0);
    expect(moved("quorate_log_sync_seconds_count")).toBeGreaterThanOrEqual(
      moved("quorate_log_syncs_total") - 1,
    );
    expect(moved("quorate_log_sync_seconds_sum")).toBeGreaterThan(0);
    expect(moved("quorate_log_entries_per_sync_sum")).toBeGreaterThanOrEqual(writes);
    expect(moved("quorate_apply_batch_seconds_count")).toBeGreaterThan(0);
    expect(moved("quorate_apply_batch_entries_sum")).toBeGreaterThanOrEqual(writes);
    expect(moved("quorate_raft_commit_index")).toBeGreaterThanOrEqual(writes);
    expect(moved("quorate_raft_applied_index")).toBeGreaterThanOrEqual(writes);
    expect(moved("quorate_state_keys")).toBe(writes);
    expect(moved("quorate_state_revision")).toBeGreaterThanOrEqual(writes);
    expect(moved("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(later("quorate_disk_used_bytes")).toBeGreaterThan(0);
    expect(later("quorate_disk_free_bytes")).toBeGreaterThan(0);
    expect(later("quorate_writes_accepted")).toBe(1);
    expect(later("quorate_membership_voters")).toBe(3);
    expect(later("nodejs_eventloop_utilization")).toBeGreaterThan(0);

    for (const follower of cluster.nodes.filter(({ id }) => id !== leader.id)) {
      const value = await eventually(`${follower.id} has applied the writes`, async () => {
        const scraped = await scrape(follower);
        return scraped("quorate_state_keys") === later("quorate_state_keys") ? scraped : undefined;
      });
      expect(value("quorate_log_sync_seconds_count")).toBeGreaterThan(0);
      expect(value("quorate_call_seconds_count", PUT)).toBeNaN();
      expect(value("quorate_raft_is_leader")).toBe(0);
      expect(later("quorate_peer_active", { peer: follower.id })).toBe(1);
      expect(later("quorate_peer_lag_entries", { peer: follower.id })).toBeGreaterThanOrEqual(0);
    }
  });

  it("L7: a handover of leadership is seen in who leads, in the term and in the changes of leader", async () => {
    const leader = await cluster.leader();
    const changesBefore = (await scrape(leader))("quorate_raft_leader_changes_total");
    const termBefore = (await scrape(leader))("quorate_raft_term");
    await leader.node.replica.transferLeadership(null);
    const value = await eventually("the node that led sees another lead", async () => {
      const scraped = await scrape(leader);
      const isOver = scraped("quorate_raft_is_leader") === 0 && scraped("quorate_raft_has_leader") === 1;
      return isOver ? scraped : undefined;
    });
    expect(value("quorate_raft_leader_changes_total")).toBeGreaterThan(changesBefore);
    expect(value("quorate_raft_term")).toBeGreaterThan(termBefore);
    const next = await cluster.leader();
    expect((await scrape(next))("quorate_raft_elections_won_total")).toBeGreaterThanOrEqual(1);
    expect(value("quorate_peer_active", { peer: next.id })).toBeNaN();
  });

  it("L7: every member that knows a leader is live, ready and healthy", async () => {
    await cluster.leader();
    for (const { url, id } of cluster.nodes) {
      for (const path of ["/livez", "/readyz"]) expect((await fetch(`${url}${path}`)).status).toBe(200);
      const health = await (await fetch(`${url}/healthz`)).json();
      expect(health).toMatchObject({ status: "healthy", reason: null, member_id: id, alarms: [] });
    }
  });
});
