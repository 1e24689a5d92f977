import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import {
  definitions,
  Instruments,
  type MetricDefinition,
  type RunningMetrics,
  startMetrics,
} from "@quorate/services/metrics";
import { type NodeDouble, nodeDouble, sampleOf, samplesOf } from "./node-double";

let running: RunningMetrics | null = null;

afterEach(async () => {
  await running?.close();
  running = null;
});

async function start(node: NodeDouble): Promise<string> {
  running = await startMetrics({ ...node.options, listen: "127.0.0.1:0", log: SILENT_LOG });
  return `http://127.0.0.1:${running.port}`;
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return response.text();
}

describe("metrics over HTTP", () => {
  it("L7: exposes every metric of the table, in the text format, each with cluster and member", async () => {
    const url = await start(nodeDouble());
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const text = await response.text();
    for (const [name, { type }] of Object.entries<MetricDefinition>(definitions)) {
      expect(text).toContain(`# TYPE ${name} ${type}\n`);
    }
    const samples = samplesOf(text);
    expect(samples.length).toBeGreaterThan(100);
    for (const { labels } of samples) expect(labels).toMatchObject({ cluster: "c", member: "n1" });
  });

  it("L7: reads what the node says of itself when it is asked, not before", async () => {
    const node = nodeDouble();
    const url = await start(node);
    expect(sampleOf(await textOf(`${url}/metrics`), "quorate_raft_applied_index")).toBe(40);
    node.status = { ...node.status, appliedIndex: 50, keys: 7 };
    const text = await textOf(`${url}/metrics`);
    expect(sampleOf(text, "quorate_raft_applied_index")).toBe(50);
    expect(sampleOf(text, "quorate_raft_apply_lag_entries")).toBe(0);
    expect(sampleOf(text, "quorate_state_keys")).toBe(7);
    expect(sampleOf(text, "quorate_peer_lag_entries", { peer: "n2" })).toBe(5);
    expect(sampleOf(text, "quorate_client_connections_cut_total")).toBe(4);
    expect(sampleOf(text, "quorate_writes_held_total")).toBe(11);
    expect(sampleOf(text, "quorate_writes_refused_total")).toBe(6);
  });

  it("says how the comparison of the replicas stands", async () => {
    const node = nodeDouble();
    const url = await start(node);
    node.verification = {
      ...{
        round: 9,
        agreedRound: 8,
        buckets: 30,
        dirtyBuckets: 4,
        diverged: [],
        isSplit: false,
        isWrong: true,
      },
      ...{ recordsRepaired: 3, statesReplaced: 1, rounds: 7, keysHashed: 900, hashingMs: 250 },
      ...{ bytesMoved: 10, bytesServed: 20 },
    };
    const text = await textOf(`${url}/metrics`);
    const value = (name: string) => sampleOf(text, `quorate_verification_${name}`);
    expect(["round", "agreed_round", "buckets", "dirty_buckets", "split"].map(value)).toEqual([
      9, 8, 30, 4, 0,
    ]);
    expect(value("diverged_members")).toBe(1);
    expect(value("hashing_seconds_total")).toBe(0.25);
    expect(["repaired_records", "replaced_states"].map((name) => value(`${name}_total`))).toEqual([3, 1]);
  });

  it("forgets the peers of a leader that leads no more", async () => {
    const node = nodeDouble();
    const url = await start(node);
    await textOf(`${url}/metrics`);
    node.status = { ...node.status, raft: { ...node.status.raft, role: "follower", progress: null } };
    expect(sampleOf(await textOf(`${url}/metrics`), "quorate_peer_lag_entries", { peer: "n2" })).toBeNull();
  });

  it("L7: counts leaders as they change: one that comes back is none that changed", async () => {
    const node = nodeDouble();
    const url = await start(node);
    node.tellLeader("n2");
    node.tellLeader(null);
    node.tellLeader("n2");
    node.tellLeader("n1");
    const text = await textOf(`${url}/metrics`);
    expect(sampleOf(text, "quorate_raft_leader_changes_total")).toBe(2);
    expect(sampleOf(text, "quorate_raft_leader_losses_total")).toBe(1);
    expect(sampleOf(text, "quorate_raft_elections_won_total")).toBe(1);
  });

  it("ends its subscription when it is closed, and can be closed twice", async () => {
    const node = nodeDouble();
    await start(node);
    expect(node.listeners.size).toBe(1);
    await running?.close();
    await running?.close();
    expect(node.listeners.size).toBe(0);
  });

  it("closes although a client keeps its connection and has said nothing", async () => {
    const url = new URL(await start(nodeDouble()));
    const socket = connect(Number(url.port), "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const ended = new Promise((resolve) => socket.once("close", resolve));
    await running?.close();
    await ended;
  });

  it("says that a port is taken", async () => {
    const url = new URL(await start(nodeDouble()));
    const second = nodeDouble();
    const refused = startMetrics({ ...second.options, listen: `127.0.0.1:${url.port}`, log: SILENT_LOG });
    await expect(refused).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(second.listeners.size).toBe(0);
  });

  it("answers while the disk does not: the size of the data directory is then left out", async () => {
    const node = nodeDouble();
    node.diskBytes = () => new Promise<number>(() => undefined);
    const text = await textOf(`${await start(node)}/metrics`);
    expect(sampleOf(text, "quorate_disk_used_bytes")).toBe(0);
    expect(sampleOf(text, "quorate_raft_applied_index")).toBe(40);
  });

  it("makes one scrape for all who ask at once", async () => {
    const node = nodeDouble();
    const url = new URL(await start(node));
    let walks = 0;
    node.diskBytes = async () => {
      walks += 1;
      return walks;
    };
    const socket = connect(Number(url.port), "127.0.0.1");
    let answers = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answers += text;
    });
    const ended = new Promise((resolve) => socket.once("close", resolve));
    const request = "GET /metrics HTTP/1.1\r\nhost: n\r\n\r\n";
    // In one write, and thus read together.
    socket.write(`${request.repeat(3)}${request.replace("host: n", "host: n\r\nconnection: close")}`);
    await ended;
    expect(answers.match(/HTTP\/1.1 200 OK/g)).toHaveLength(4);
    expect(walks).toBe(1);
  });

  it("says 500 and goes on when what it asks throws", async () => {
    const node = nodeDouble();
    const url = await start(node);
    const { status } = node;
    Object.defineProperty(node, "status", {
      configurable: true,
      get: () => {
        throw new Error("broken");
      },
    });
    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    Object.defineProperty(node, "status", { value: status, writable: true });
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
  });

  it.each([
    ["GET", "/", 404],
    ["GET", "/metrics/", 404],
    ["POST", "/metrics", 405],
    ["GET", "/livez?verbose", 200],
    ["HEAD", "/readyz", 200],
  ])("%s %s: %i", async (method, path, code) => {
    const url = await start(nodeDouble());
    const response = await fetch(`${url}${path}`, { method });
    expect(response.status).toBe(code);
    if (method === "HEAD") expect(await response.text()).toBe("");
    else expect((await response.text()).endsWith("\n")).toBe(true);
  });
});

describe("health over HTTP", () => {
  it.each<[string, (node: NodeDouble) => void, string]>([
    [
      "no leader is known",
      (node) => {
        node.status = { ...node.status, raft: { ...node.status.raft, leaderId: null } };
      },
      "no leader is known",
    ],
    [
      "it is behind",
      (node) => {
        node.status = { ...node.status, raft: { ...node.status.raft, commit: 20_041 } };
      },
      "20001 committed entries are yet to be applied",
    ],
    [
      "its state is on its way",
      (node) => {
        node.status = { ...node.status, receiving: { from: "n2", index: 9, bytes: 0, resumptions: 0 } };
      },
      "the state is being received from n2",
    ],
    [
      "it shuts down",
      (node) => {
        node.isClosing = true;
      },
      "the node is shutting down",
    ],
  ])("is live and not ready while %s", async (_why, spoil, words) => {
    const node = nodeDouble();
    const url = await start(node);
    expect(await textOf(`${url}/readyz`)).toBe("ok\n");
    spoil(node);
    expect(await textOf(`${url}/livez`)).toBe("ok\n");
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, `${words}\n`]);
    const health = await fetch(`${url}/healthz`);
    expect([health.status, await health.json()]).toMatchObject([200, { status: "degraded", reason: words }]);
  });

  it("is neither live nor ready once a store failed", async () => {
    const node = nodeDouble();
    node.hasFailed = true;
    const url = await start(node);
    for (const path of ["/livez", "/readyz"]) {
      const response = await fetch(`${url}${path}`);
      expect([response.status, await response.text()]).toEqual([503, "a store failed\n"]);
    }
    const health = await fetch(`${url}/healthz`);
    expect([health.status, await health.json()]).toMatchObject([503, { status: "unhealthy" }]);
  });

  it("is degraded, and ready, while an alarm is raised", async () => {
    const node = nodeDouble();
    node.alarms = ["no_space"];
    const url = await start(node);
    expect(await textOf(`${url}/readyz`)).toBe("ok\n");
    const health = await (await fetch(`${url}/healthz`)).json();
    expect(health).toMatchObject({
      status: "degraded",
      reason: null,
      alarms: ["no_space"],
      leader_id: "n1",
    });
    const text = await textOf(`${url}/metrics`);
    expect(sampleOf(text, "quorate_alarms", { kind: "no_space" })).toBe(1);
    expect(sampleOf(text, "quorate_alarms", { kind: "diverged" })).toBe(0);
  });
});

describe("instruments", () => {
  it("label calls by method and code, and by nothing that a caller chooses", async () => {
    const instruments = new Instruments({ clusterId: "c", memberId: "n1", softwareVersion: "1" });
    const method = {
      path: "/quorate.kv.v1.KvService/Put",
      route: "leader" as const,
      requestStream: false,
      responseStream: false,
      isRead: false,
    };
    instruments.callEnded(method, 0, 3);
    instruments.callEnded(method, 0, 4);
    instruments.callEnded(method, 14, 2000);
    const text = await instruments.metrics.text();
    const put = { method: "quorate.kv.v1.KvService/Put" };
    expect(sampleOf(text, "quorate_call_seconds_count", { ...put, code: "OK" })).toBe(2);
    expect(sampleOf(text, "quorate_call_seconds_sum", { ...put, code: "OK" })).toBeCloseTo(0.007);
    expect(sampleOf(text, "quorate_call_seconds_bucket", { ...put, code: "UNAVAILABLE", le: "1" })).toBe(0);
    expect(sampleOf(text, "quorate_call_seconds_bucket", { ...put, code: "UNAVAILABLE", le: "2.5" })).toBe(1);
  });
});
