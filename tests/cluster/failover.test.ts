import { expect } from "@jest/globals";
import { clusterOfFile } from "../support";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ gateways: 2 });

cluster.test(
  "two gateways in front of one cluster work, and see each other's writes at once",
  async (cluster) => {
    const first = patientKv(cluster, cluster.gateway(1).address);
    const second = patientKv(cluster, cluster.gateway(2).address);
    for (let at = 0; at < 15; at += 1) {
      await first.put("shared", `first ${at}`);
      expect(await second.getText("shared")).toBe(`first ${at}`);
      await second.put("shared", `second ${at}`);
      expect(await first.getText("shared")).toBe(`second ${at}`);
    }
    const counts = await Promise.all(
      Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? first : second).increment("counted")),
    );
    expect(new Set(counts).size).toBe(40);
    await cluster.agree();
  },
);

cluster.test(
  "both gateways go on when the leader is killed, and nothing that they acknowledged is lost",
  async (cluster) => {
    const loads = [1, 2].map((gateway) =>
      Load.closedLoop(patientKv(cluster, cluster.gateway(gateway).address), `killed-${gateway}-`, {
        callers: 2,
      }),
    );
    const bothGoOn = async (writes: number) => {
      const before = loads.map((load) => load.acknowledged.size);
      await inTime("writes go on", () =>
        loads.every((load, at) => load.acknowledged.size >= (before[at] as number) + writes),
      );
    };
    await bothGoOn(20);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await bothGoOn(20);
    await cluster.restart(leader);
    await bothGoOn(20);
    for (const load of loads) {
      await load.stop();
      expect([...load.refused, ...load.open]).toEqual([]);
    }
    await cluster.agree();
    for (const load of loads) await expectNothingLost(patientKv(cluster), load);
  },
);

for (const which of ["leader", "follower"] as const) {
  cluster.test(`a gateway goes on when a ${which} is halted (SIGSTOP)`, async (cluster) => {
    const halted = which === "leader" ? await cluster.leader() : ((await cluster.followers())[0] as number);
    const kv = patientKv(cluster, cluster.gateway(1).address);
    const load = Load.closedLoop(kv, `halted-${which}-`, { callers: 4 });
    await inTime("writes go on", () => load.acknowledged.size >= 20);
    cluster.pause(halted);
    try {
      const before = load.acknowledged.size;
      await inTime("writes go on", () => load.acknowledged.size >= before + 40);
      expect(await kv.getText(`halted-${which}-000000`)).toBeDefined();
    } finally {
      cluster.resume(halted);
    }
    await load.stop();
    expect([...load.refused, ...load.open]).toEqual([]);
    await cluster.agree();
    await expectNothingLost(kv, load);
  });
}
