import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { startCluster } from "@quorate/testing";
import { Child, Workplace } from "../support";

const root = resolve(__dirname, "../..");

/** Starts all kinds of clusters, leaves each in another kind of disorder, and closes them. */
const PROGRAM = `
  process.env.TMPDIR = process.argv[2];
  const { startCluster } = require(process.argv[3]);
  async function main() {
    const clusters = await Promise.all([
      startCluster(),
      startCluster({ clock: "virtual" }),
      startCluster({ storage: "disk" }),
    ]);
    for (const cluster of clusters) {
      await cluster.kv.put("a", "1");
      await cluster.node(2).kv.get("a");
      cluster.isolate(1);
      cluster.pause(2);
      await cluster.kill(3);
    }
    await clusters[0].listen();
    await Promise.all(clusters.map((cluster) => cluster.close()));
    await Promise.all(clusters.map((cluster) => cluster.close()));
    console.log("closed");
  }
  main();
`;

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

test("M6: a closed cluster leaves no timer, socket or directory: its process ends by itself", async () => {
  const temporary = workplace.at("temporary");
  mkdirSync(temporary);
  writeFileSync(workplace.at("program.js"), PROGRAM);
  const child = new Child(workplace, "program", [
    workplace.at("program.js"),
    temporary,
    join(root, "services/testing/dist/index.js"),
  ]);
  expect({ ...(await child.ended), log: child.log() }).toEqual({ code: 0, signal: null, log: "closed\n" });
  expect(readdirSync(temporary)).toEqual([]);
});

describe.each([
  { storage: "memory", clock: "real" },
  { storage: "memory", clock: "virtual" },
  { storage: "disk", clock: "real" },
] as const)("a cluster that is closed in the middle, storage $storage, clock $clock", (options) => {
  test("M6: ends the calls under way, and starts no node again", async () => {
    const cluster = await startCluster({ ...options, seed: 4 });
    for (const node of cluster.nodes) cluster.isolate(node);
    const calls = [cluster.kv.put("a", "1"), cluster.node(1).kv.put("a", "2"), cluster.node(2).kv.get("a")];
    const ended = Promise.allSettled(calls);
    const waiting = cluster.verifyConsistency({ deadlineMs: 60_000 }).catch((error: unknown) => error);
    const restarted = cluster.restart(3).catch((error: unknown) => error);
    await cluster.close();
    expect((await ended).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await Promise.all([waiting, restarted]);
    await expect(cluster.restart(1)).rejects.toThrow("the cluster is closed");
    await expect(cluster.listen()).rejects.toThrow("the cluster is closed");
    expect(cluster.nodes.map(({ isUp }) => isUp)).toEqual([false, false, false]);
  });
});
