import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type NodeConfig, nodeConfig, ticksOf } from "@quorate/services/node";
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
      bootstrap: false,
      profile: { heartbeatMs: 100, electionTimeoutMs: 1000 },
      forwarding: true,
      listenClient: "127.0.0.1:1",
      listenPeer: "127.0.0.1:21",
      limits: { keyBytesMax: 4096, valueBytesMax: 1024 * 1024, requestBytesMax: 2 * 1024 * 1024 },
      history: { revisionsMax: 100_000, ageMsMax: null },
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
      bootstrap: true,
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

  test.each<[string, Readonly<Record<string, string | null>>, string]>([
    ["id", { id: "" }, "empty"],
    ["id", { id: null }, "missing"],
    ["id", { id: "n 1" }, "letters"],
    ["cluster-id", { "cluster-id": "c/d" }, "letters"],
    ["members", { members: null }, "missing"],
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
    ["profile", { profile: "slow" }, "default, fast, wan"],
    ["heartbeat-ms", { "heartbeat-ms": "0" }, "from 5"],
    ["election-timeout-ms", { "election-timeout-ms": "100" }, "above heartbeat-ms, which is 100"],
    ["election-timeout-ms", { "heartbeat-ms": "1000" }, "above heartbeat-ms, which is 1000"],
    ["election-timeout-ms", { "election-timeout-ms": "soon" }, "whole number"],
    ["forwarding", { forwarding: "maybe" }, "on, off"],
    ["log-level", { "log-level": "loud" }, "debug, info"],
    ["listen-client", { "listen-client": "nowhere" }, "HOST:PORT"],
    ["listen-peer", { "listen-peer": "127.0.0.1:99999" }, "bad port"],
    ["key-bytes-max", { "key-bytes-max": "0" }, "from 1"],
    ["value-bytes-max", { "value-bytes-max": "-1" }, "from 1"],
    ["request-bytes-max", { "request-bytes-max": "2000" }, "above key-bytes-max and value-bytes-max"],
    ["batch-records-max", { "batch-records-max": "1e9" }, "whole number"],
    ["drain-ms", { "drain-ms": "x" }, "whole number"],
    ["config", { config: "/nonexistent/quorate.yaml" }, "cannot be read"],
    ["--colour", { colour: "red" }, "unknown option"],
  ])("L8: a wrong %s is named in one line: %j", (setting, changes, wanted) => {
    const outcome = nodeConfig(flags(changes), {});
    expect(outcome).toMatchObject({ kind: "fault", setting });
    const line = faultLine("quorate-node", outcome as Extract<typeof outcome, { kind: "fault" }>);
    expect(line).toContain(wanted);
    expect(line.split("\n")).toHaveLength(1);
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

  test("a cluster is not bootstrapped without its id", () => {
    const outcome = nodeConfig([...flags({ "cluster-id": null }), "--bootstrap"], {});
    expect(outcome).toMatchObject({ kind: "fault", setting: "cluster-id" });
  });

  test("variables of others with the same prefix are left alone", () => {
    expect(config(flags({}), { QUORATE_TESTS: "timed" }).id).toBe("n1");
  });

  test.each([
    [{ heartbeatMs: 100, electionTimeoutMs: 1000 }, 20, 50],
    [{ heartbeatMs: 50, electionTimeoutMs: 250 }, 10, 25],
    [{ heartbeatMs: 500, electionTimeoutMs: 5000 }, 100, 50],
    [{ heartbeatMs: 100, electionTimeoutMs: 101 }, 20, 6],
  ])("%j is kept in ticks of %d ms, %d to an election", (profile, tickMs, electionTicks) => {
    expect(ticksOf(profile)).toEqual({ tickMs, electionTicks });
  });
});
