import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type NodeConfig, nodeConfig, nodeSettings, ticksOf } from "@quorate/services/node";
import { faultLine } from "@quorate/services/settings";

const MEMBERS = "n1=127.0.0.1:1/127.0.0.1:21,n2=127.0.0.1:2/127.0.0.1:22";
const given: Readonly<Record<string, string>> = {
  id: "n1",
  members: MEMBERS,
  "data-dir": "d",
  "cluster-id": "c",
};

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-config-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function flags(changes: Readonly<Record<string, string | null>>): string[] {
  return Object.entries({ ...given, ...changes }).flatMap(([name, value]) =>
    value === null ? [] : [`--${name}`, value],
  );
}

function config(argv: readonly string[], env: Record<string, string> = {}): NodeConfig {
  const outcome = nodeConfig(argv, env);
  if (outcome.kind !== "config") throw new Error(JSON.stringify(outcome));
  return outcome.config;
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

describe("the configuration of a node", () => {
  test("L8: what is not given has a default", () => {
    expect(config(flags({}))).toMatchObject({
      id: "n1",
      clusterId: "c",
      start: { kind: "open" },
      profile: { heartbeatMs: 100, electionTimeoutMs: 1000 },
      forwarding: true,
      leaseReads: false,
      advertiseClient: "127.0.0.1:1",
      advertisePeer: "127.0.0.1:21",
      listenClient: null,
      listenPeer: null,
      listenMetrics: null,
      tracing: false,
      limits: { keyBytesMax: 4096, valueBytesMax: 1024 * 1024, requestBytesMax: 2 * 1024 * 1024 },
      history: { revisionsMax: 100_000, ageMsMax: null },
      logKeeping: { entriesMax: 100_000, bytesMax: 64 * 1024 * 1024, entriesKept: 10_000 },
      snapshotsSendingMax: 4,
      verifyIntervalMs: 10_000,
      freeBytesMin: 256 * 1024 * 1024,
      joinTimeoutMs: 60_000,
    });
    expect(config(flags({ "history-revisions": "0", "history-ms": "60000" }))).toMatchObject({
      history: { revisionsMax: null, ageMsMax: 60_000 },
    });
  });

  test.each([
    ["node.yaml", "profile: fast\nforwarding: off\nlog-level: warn\nbootstrap: true\n"],
    ["node.json", '{"profile": "fast", "forwarding": "off", "log-level": "warn", "bootstrap": true}'],
  ])("L8: a file %s gives way to the environment, and that to flags", (name, text) => {
    const path = file(name, text);
    expect(config(flags({ config: path }))).toMatchObject({
      profile: { heartbeatMs: 50 },
      forwarding: false,
      logLevel: "warn",
      start: { kind: "bootstrap" },
    });
    const env = { QUORATE_PROFILE: "wan", QUORATE_LOG_LEVEL: "error" };
    expect(config(flags({ config: path, "log-level": "debug" }), env)).toMatchObject({
      profile: { heartbeatMs: 500 },
      forwarding: false,
      logLevel: "debug",
    });
  });

  test("members may be a list in a file", () => {
    const path = file(
      "members.yaml",
      `members:\n${MEMBERS.split(",")
        .map((member) => `  - ${member}\n`)
        .join("")}`,
    );
    expect(config(flags({ members: null, config: path })).members.map(({ id }) => id)).toEqual(["n1", "n2"]);
  });

  /** What is given instead of, or beside, what is right; the setting that is named, and what is said of it. */
  const wrong: readonly [setting: string, changes: Readonly<Record<string, string | null>>, said: string][] =
    [
      ["id", { id: "" }, "empty"],
      ["id", { id: null }, "missing"],
      ["id", { id: "n 1" }, "letters"],
      ["cluster-id", { "cluster-id": "c/d" }, "letters"],
      ["cluster-id", { "cluster-id": null, bootstrap: "true" }, "missing"],
      ["cluster-id", { "cluster-id": null, "force-new-cluster": "n1" }, "missing"],
      ["members", { members: null, bootstrap: "true" }, "missing"],
      ["members", { members: "" }, "empty"],
      ["members", { members: "n1" }, "ID=CLIENTHOST:PORT/PEERHOST:PORT"],
      ["members", { members: "n2=127.0.0.1:2/127.0.0.1:22" }, "does not contain this node, n1"],
      ["members", { members: "n1=0.0.0.0:1/127.0.0.1:21" }, "wildcard"],
      ["members", { members: "n1=[::]:1/127.0.0.1:21" }, "wildcard"],
      ["members", { members: "n1=127.0.0.1:70000/127.0.0.1:21" }, "bad port"],
      ["members", { members: "n1=127.0.0.1:0/127.0.0.1:21" }, "bad port"],
      ["members", { members: "n1=127.0.0.1:x/127.0.0.1:21" }, "bad port"],
      ["members", { members: "n1=127.0.0.1/127.0.0.1:21" }, "HOST:PORT"],
      ["members", { members: `${MEMBERS},n1=127.0.0.1:3/127.0.0.1:23` }, "occurs twice"],
      ["members", { members: "n1=127.0.0.1:1/127.0.0.1:1" }, "occurs twice"],
      ["data-dir", { "data-dir": null }, "missing"],
      ["data-dir", { "data-dir": "" }, "empty"],
      ["bootstrap", { bootstrap: "maybe" }, "true, false"],
      ["join", { join: "" }, "empty"],
      ["join", { join: "127.0.0.1:1,nowhere" }, "HOST:PORT"],
      ["join", { join: "0.0.0.0:1" }, "wildcard"],
      ["join", { join: "127.0.0.1:1", bootstrap: "true" }, "together with bootstrap"],
      ["join-as", { join: "127.0.0.1:1", "join-as": "leader" }, "voter, learner"],
      ["join-timeout-ms", { "join-timeout-ms": "10" }, "from 1000"],
      ["restore", { restore: "", bootstrap: "true" }, "empty"],
      ["restore", { restore: "b.quorate" }, "give bootstrap"],
      ["verify-backup", { "verify-backup": "" }, "empty"],
      ["force-new-cluster", { "force-new-cluster": "yes" }, "not this node's id, n1"],
      ["force-new-cluster", { "force-new-cluster": "n1", bootstrap: "true" }, "together with bootstrap"],
      ["advertise-client", { "advertise-client": "0.0.0.0:7" }, "wildcard"],
      ["advertise-client", { members: null, join: "127.0.0.1:1" }, "missing"],
      ["advertise-peer", { "advertise-peer": "[::]:7" }, "wildcard"],
      ["advertise-peer", { "advertise-peer": "127.0.0.1:1" }, "client address too"],
      [
        "advertise-peer",
        { members: null, join: "127.0.0.1:1", "advertise-client": "127.0.0.1:9" },
        "missing",
      ],
      ["peer-routes", { "peer-routes": "n2" }, "ID=HOST:PORT"],
      ["peer-routes", { "peer-routes": "n 2=127.0.0.1:9" }, "letters"],
      ["peer-routes", { "peer-routes": "n2=0.0.0.0:9" }, "wildcard"],
      ["peer-routes", { "peer-routes": "n2=127.0.0.1:9,n2=127.0.0.1:8" }, "occurs twice"],
      ["listen-client", { "listen-client": "nowhere" }, "HOST:PORT"],
      ["listen-peer", { "listen-peer": "127.0.0.1:99999" }, "bad port"],
      ["listen-metrics", { "listen-metrics": "9090" }, "HOST:PORT"],
      ["tracing", { tracing: "yes" }, "on, off"],
      ["profile", { profile: "slow" }, "default, fast, wan"],
      ["heartbeat-ms", { "heartbeat-ms": "0" }, "from 5"],
      ["election-timeout-ms", { "election-timeout-ms": "100" }, "above heartbeat-ms, which is 100"],
      ["election-timeout-ms", { "heartbeat-ms": "1000" }, "above heartbeat-ms, which is 1000"],
      ["election-timeout-ms", { "election-timeout-ms": "soon" }, "whole number"],
      ["forwarding", { forwarding: "maybe" }, "on, off"],
      ["lease-reads", { "lease-reads": "maybe" }, "on, off"],
      ["log-level", { "log-level": "loud" }, "debug, info"],
      ["key-bytes-max", { "key-bytes-max": "0" }, "from 1"],
      ["value-bytes-max", { "value-bytes-max": "-1" }, "from 1"],
      ["request-bytes-max", { "request-bytes-max": "2000" }, "above key-bytes-max and value-bytes-max"],
      ["batch-records-max", { "batch-records-max": "1e9" }, "whole number"],
      ["txn-operations-max", { "txn-operations-max": "2000" }, "to 1024"],
      ["history-revisions", { "history-revisions": "all" }, "whole number"],
      ["history-ms", { "history-ms": "1.5" }, "whole number"],
      ["log-entries-max", { "log-entries-max": "0" }, "from 1"],
      ["log-bytes-max", { "log-bytes-max": "64MiB" }, "whole number"],
      ["log-entries-kept", { "log-entries-kept": "x" }, "whole number"],
      ["log-entries-kept", { "log-entries-kept": "200000" }, "below log-entries-max, which is 100000"],
      ["snapshots-sending-max", { "snapshots-sending-max": "0" }, "from 1"],
      ["verify-interval-ms", { "verify-interval-ms": "often" }, "whole number"],
      ["verify-interval-ms", { "verify-interval-ms": "5" }, "0 for never"],
      ["free-bytes-min", { "free-bytes-min": "-1" }, "from 0"],
      ["drain-ms", { "drain-ms": "x" }, "whole number"],
    ];

  function expectFault(outcome: ReturnType<typeof nodeConfig>, setting: string, said: string): void {
    expect(outcome).toMatchObject({ kind: "fault", setting });
    const line = faultLine("quorate-node", outcome as Extract<typeof outcome, { kind: "fault" }>);
    expect(line).toContain(said);
    expect(line.split("\n")).toHaveLength(1);
  }

  function settingsWith(
    changes: Readonly<Record<string, string | null>>,
  ): readonly (readonly [string, string])[] {
    return Object.entries({ ...given, ...changes }).flatMap(([name, value]) =>
      value === null ? [] : [[name, value] as const],
    );
  }

  test("L8: all that is wrong is named at once, a line each", () => {
    const argv = ["--id", "n1", "--log-level", "loud", "--key-bytes-max", "0", "--value-bytes-max", "x"];
    const outcome = nodeConfig([...argv, "--drain-ms", "soon"], { QUORATE_CLUSTER_ID: "c" });
    const said = faultLine("quorate-node", outcome as Extract<typeof outcome, { kind: "fault" }>);
    expect(said.split("\n").map((line) => line.split(": ")[1])).toEqual([
      "data-dir",
      "log-level",
      "key-bytes-max",
      "value-bytes-max",
      "drain-ms",
    ]);
    expect(said).toContain(
      'quorate-node: log-level: "loud" must be one of debug, info, warn, error, silent\n',
    );
  });

  test("L8: of every setting a wrong value is tried", () => {
    const tried = new Set(wrong.map(([setting]) => setting));
    expect(nodeSettings.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
  });

  test.each(wrong)("L8: a wrong %s is named in one line, in a file: %j", (setting, changes, said) => {
    const path = file("wrong.json", JSON.stringify(Object.fromEntries(settingsWith(changes))));
    expectFault(nodeConfig(["--config", path], {}), setting, said);
  });

  test.each(wrong.filter(([, changes]) => !Object.values(changes).includes("")))(
    "L8: a wrong %s is named in one line, in the environment: %j",
    (setting, changes, said) => {
      const env = settingsWith(changes).map(([name, value]) => [
        `QUORATE_${name.toUpperCase().replaceAll("-", "_")}`,
        value,
      ]);
      expectFault(nodeConfig([], Object.fromEntries(env)), setting, said);
    },
  );

  test.each(wrong.filter(([, changes]) => !("bootstrap" in changes)))(
    "L8: a wrong %s is named in one line, among the flags: %j",
    (setting, changes, said) => {
      expectFault(nodeConfig(flags(changes), {}), setting, said);
    },
  );

  test.each<[string, Readonly<Record<string, string | null>>, string]>([
    ["config", { config: "/nonexistent/quorate.yaml" }, "cannot be read"],
    ["--colour", { colour: "red" }, "unknown option"],
  ])("L8: a wrong %s among the flags is named in one line", (setting, changes, said) => {
    expectFault(nodeConfig(flags(changes), {}), setting, said);
  });

  test.each<[string, Readonly<Record<string, string | null>>, object]>([
    [
      "a directory that is there",
      { members: null, "cluster-id": null },
      { start: { kind: "open" }, members: [] },
    ],
    [
      "a new member",
      {
        members: null,
        "cluster-id": null,
        join: "127.0.0.1:1, 127.0.0.1:2",
        "advertise-client": "127.0.0.1:9",
        "advertise-peer": "127.0.0.1:29",
      },
      {
        start: { kind: "join", seeds: ["127.0.0.1:1", "127.0.0.1:2"], as: "voter" },
        advertiseClient: "127.0.0.1:9",
        advertisePeer: "127.0.0.1:29",
      },
    ],
    [
      "a new learner that is in the list",
      { join: "127.0.0.1:2", "join-as": "learner" },
      { start: { kind: "join", seeds: ["127.0.0.1:2"], as: "learner" }, advertisePeer: "127.0.0.1:21" },
    ],
    [
      "the last one left",
      { "force-new-cluster": "n1", members: null },
      { start: { kind: "force_new_cluster" }, clusterId: "c" },
    ],
  ])("a node starts as %s", (_, changes, wanted) => {
    expect(config(flags(changes))).toMatchObject(wanted);
  });

  test("a cluster begins with a backup on each of its nodes", () => {
    expect(config([...flags({ restore: "b.quorate" }), "--bootstrap"])).toMatchObject({
      start: { kind: "restore", file: "b.quorate" },
    });
  });

  test("a backup is verified without anything of a node", () => {
    expect(nodeConfig(["--verify-backup", "b.quorate"], {})).toEqual({
      kind: "verify_backup",
      file: "b.quorate",
    });
  });

  test("0 turns off what has a bound", () => {
    expect(config(flags({ "verify-interval-ms": "0", "free-bytes-min": "0" }))).toMatchObject({
      verifyIntervalMs: null,
      freeBytesMin: 0,
    });
  });

  test("a log of few entries keeps fewer", () => {
    expect(config(flags({ "log-entries-max": "10" })).logKeeping).toMatchObject({
      entriesMax: 10,
      entriesKept: 5,
    });
  });

  test.each<[string, string, string]>([
    ["colour", "colour: red\n", "unknown key"],
    ["members", "members: {n1: 1}\n", "must be a text"],
    ["config", "- a list\n", "settings by name"],
    ["config", "{broken: [", "cannot be read"],
  ])("L8: %s is named when the file says %j", (setting, text, wanted) => {
    const outcome = nodeConfig(flags({ config: file("wrong.yaml", text) }), {});
    expect(outcome).toMatchObject({ kind: "fault", setting, problem: expect.stringContaining(wanted) });
  });

  test("variables of others with the same prefix are left alone", () => {
    expect(config(flags({}), { QUORATE_TESTS: "timed" }).id).toBe("n1");
  });

  test.each([
    [{ heartbeatMs: 100, electionTimeoutMs: 1000 }, 50, 20],
    [{ heartbeatMs: 50, electionTimeoutMs: 250 }, 25, 10],
    [{ heartbeatMs: 500, electionTimeoutMs: 5000 }, 250, 20],
    [{ heartbeatMs: 100, electionTimeoutMs: 101 }, 50, 3],
  ])("%j is kept in ticks of %d ms, %d to an election", (profile, tickMs, electionTicks) => {
    expect(ticksOf(profile)).toEqual({ tickMs, electionTicks });
  });
});
