import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { LocalCluster, reservePorts } from "@quorate/services/launcher";
import { Workplace } from "../../support/workplace";

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

test("ports follow from the base port, ids count from n1", () => {
  const cluster = LocalCluster.describe({ dataDir: workplace.at("d"), nodes: 2, basePort: 7500 });
  expect(cluster.gatewayAddress).toBe("127.0.0.1:7500");
  expect(cluster.members).toEqual([
    {
      id: "n1",
      clientAddress: "127.0.0.1:7501",
      peerAddress: "127.0.0.1:7521",
      httpAddress: "127.0.0.1:7541",
    },
    {
      id: "n2",
      clientAddress: "127.0.0.1:7502",
      peerAddress: "127.0.0.1:7522",
      httpAddress: "127.0.0.1:7542",
    },
  ]);
  expect(cluster.processes().map(({ name, pid }) => [name, pid])).toEqual([
    ["gateway", null],
    ["n1", null],
    ["n2", null],
  ]);
  expect(() => cluster.addressOf("n3")).toThrow("there is no member n3 in this cluster: it has n1, n2");
});

test("describing a cluster writes nothing, and each has an id of its own", () => {
  const [one, other] = [workplace.at("a"), workplace.at("b")].map((dataDir) =>
    LocalCluster.describe({ dataDir }),
  );
  expect(one?.clusterId).toMatch(/^[0-9a-f]{16}$/);
  expect(one?.clusterId).not.toBe(other?.clusterId);
  expect(readdirSync(workplace.path)).toEqual(["pids"]);
  expect(LocalCluster.open(workplace.at("a"))).toBeNull();
});

/** A cluster as an earlier start left it. */
function keep(dataDir: string, changes: object): void {
  const members = ["n1", "n3"].map((id) => ({ id, clientAddress: "x", peerAddress: "x", httpAddress: "x" }));
  mkdirSync(dataDir);
  writeFileSync(
    join(dataDir, "cluster.json"),
    JSON.stringify({
      ...{ format: 1, clusterId: "c", basePort: 7500, profile: "fast", gateway: false, bootstrapped: true },
      members,
      ...changes,
    }),
  );
}

test("members that are left of a cluster keep their numbers", () => {
  const dataDir = workplace.at("d");
  keep(dataDir, {});
  const cluster = LocalCluster.describe({ dataDir, basePort: 7600 });
  expect(cluster.members.map(({ id, clientAddress }) => [id, clientAddress])).toEqual([
    ["n1", "127.0.0.1:7601"],
    ["n3", "127.0.0.1:7603"],
  ]);
  expect(() => LocalCluster.describe({ dataDir, nodes: 3 })).toThrow("has 2 nodes");
});

test("F6: a backup is the beginning of a new cluster, not of one that is there", () => {
  const dataDir = workplace.at("d");
  const restore = workplace.at("b.quorate");
  expect(() => LocalCluster.describe({ dataDir, restore })).not.toThrow();
  keep(dataDir, {});
  expect(() => LocalCluster.describe({ dataDir, restore })).toThrow("holds a cluster already");
});

test("F6: a first start that was broken off goes on with the same backup", () => {
  const dataDir = workplace.at("d");
  const restore = workplace.at("b.quorate");
  keep(dataDir, { bootstrapped: false, restore });
  expect(() => LocalCluster.describe({ dataDir, restore })).not.toThrow();
  expect(() => LocalCluster.describe({ dataDir })).not.toThrow();
  expect(() => LocalCluster.describe({ dataDir, restore: workplace.at("other") })).toThrow("holds a cluster");
});

test("a node joins only a cluster that has begun", async () => {
  const cluster = LocalCluster.describe({ dataDir: workplace.at("d"), nodes: 1 });
  await expect(cluster.addNode()).rejects.toThrow("has not begun yet");
});

test.each([
  ["half a file", "{"],
  ["another format", '{"format": 99}'],
  ["something else", "[]"],
])("a cluster file with %s is refused by its name", (_, content) => {
  const dataDir = workplace.at("d");
  mkdirSync(dataDir);
  writeFileSync(workplace.at("d", "cluster.json"), content);
  expect(() => LocalCluster.open(dataDir)).toThrow("cluster.json");
});

test("a process number that belongs to somebody else now is not taken for a node", () => {
  const dataDir = workplace.at("d");
  const description = LocalCluster.describe({ dataDir, nodes: 1, gateway: false });
  mkdirSync(workplace.at("d", "run"), { recursive: true });
  writeFileSync(
    workplace.at("d", "run", "n1.json"),
    JSON.stringify({ pid: process.pid, commandLine: "node n1" }),
  );
  expect(description.processes()).toMatchObject([{ name: "n1", pid: null }]);
});

test("reserved ports are free, and nobody else is given them", async () => {
  const reservations = await Promise.all(Array.from({ length: 10 }, () => reservePorts(3)));
  const bases = reservations.map(({ basePort }) => basePort);
  expect(new Set(bases).size).toBe(bases.length);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(bases[0], "127.0.0.1", resolve));
  await new Promise((resolve) => server.close(resolve));
  await Promise.all(reservations.map(({ release }) => release()));
});
