import { expect } from "@jest/globals";
import { clusterOfFile } from "../support";
import { refuseLongFiles } from "./full-disk";
import { expectNothingLost, Load } from "./load";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

cluster.test(
  "E9: a full disk: no write is reported as done that is not, and the node comes back when there is space again",
  async (cluster) => {
    const node = await cluster.leader();
    const direct = cluster.client(node, { deadlineMs: 4000 });
    refuseLongFiles(cluster.pid(node));
    const before = Load.closedLoop(direct.kv, "e9-before-", { callers: 4, valueBytes: 40_000, restMs: 0 });
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    await before.stop();
    expect(before.acknowledged.size).toBeGreaterThan(0);
    expect(before.open.size + before.refused.size).toBeGreaterThan(0);

    await cluster.leader();
    const kv = patientKv(cluster);
    const during = Load.closedLoop(kv, "e9-during-", { callers: 4, valueBytes: 20_000 });
    cluster.launch(node);
    refuseLongFiles(cluster.pid(node));
    expect(await cluster.ended(node)).toEqual({ code: 70, signal: null });
    const acknowledged = during.acknowledged.size;
    await inTime("the others go on", () => during.acknowledged.size >= acknowledged + 20);

    await cluster.restart(node);
    await during.stop();
    await cluster.leader();
    await cluster.agree();
    expect([...during.refused, ...during.open]).toEqual([]);
    await expectNothingLost(kv, before);
    await expectNothingLost(kv, during);
  },
);
