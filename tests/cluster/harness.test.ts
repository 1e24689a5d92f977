import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { bytes, clusterOfFile, startTestCluster } from "#support";
import { patientTests } from "./patient";

patientTests();

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether a port can be listened on. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

describe("a test cluster", () => {
  const cluster = clusterOfFile({ gateways: 1 });

  cluster.test(
    "M6: kills, ends, pauses and restarts nodes, and knows who leads among the rest",
    async (cluster) => {
      const first = await cluster.leader();
      await cluster.node(first).kv.call("put", { key: bytes("key"), value: bytes("value") });
      await cluster.kill(first);
      expect(await cluster.ended(first)).toEqual({ code: null, signal: "SIGKILL" });
      expect(cluster.live).not.toContain(first);
      const second = await cluster.leader();
      expect(second).not.toBe(first);
      await cluster.restart(first);
      await cluster.leader();
      expect(await cluster.terminate(second)).toBe(0);
      const third = await cluster.leader();
      expect(third).not.toBe(second);
      await cluster.restart(second);
      await cluster.leader();
      cluster.pause(third);
      expect(await cluster.leader()).not.toBe(third);
      cluster.resume(third);
      expect(await cluster.agree()).toMatchObject({ count: 1 });
      await cluster.killAll();
      expect(cluster.live).toEqual([]);
      await cluster.restartAll();
      expect(await cluster.agree()).toMatchObject({ count: 1 });
    },
  );

  cluster.test("M6: leaves no process, no port and no directory behind", async (cluster) => {
    const pids = cluster.numbers.map((node) => cluster.pid(node));
    const addresses = [...cluster.numbers.map((node) => cluster.address(node)), cluster.gateway(1).address];
    const ports = addresses.map((address) => Number(address.split(":")[1]));
    ports.push(...cluster.numbers.map((node) => cluster.topology.peerPort(node)));
    const directory = cluster.scratch("");
    cluster.pause(2);
    await cluster.stop();
    await cluster.stop();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await Promise.all(ports.map(isFree))).toEqual(ports.map(() => true));
    expect(existsSync(directory)).toBe(false);
  });

  test("M6: says why it did not start, and leaves nothing behind then either", async () => {
    const start = startTestCluster({ nodes: 1, nodeArgs: () => ["--no-such-setting", "1"] });
    await expect(start).rejects.toThrow(/no-such-setting/);
  });
});
