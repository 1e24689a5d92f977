import { expect } from "@jest/globals";
import { connect, QuorateError } from "@quorate/client";
import { clusterOfFile } from "../support";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile();

// That it fails, and how, is shown in quorum-loss.test.ts, however busy the machine is; here how exactly on time.
cluster.test("B8, J8: without a quorum a call fails on time: by default after 5 s", async (c) => {
  await using quorate = connect(c.numbers.map((node) => c.address(node)).join(","));
  await quorate.kv.put("before", "kept");
  const [survivor, ...others] = c.numbers as [number, ...number[]];
  for (const node of others) await c.kill(node);
  await inTime("the survivor knows no leader", async () => (await c.status(survivor)).leaderId === "");
  const elapsedMs = async (call: Promise<unknown>): Promise<number> => {
    const startMs = performance.now();
    await expect(call).rejects.toBeInstanceOf(QuorateError);
    return performance.now() - startMs;
  };
  const [write, read, short] = await Promise.all([
    elapsedMs(quorate.kv.put("after", "lost")),
    elapsedMs(quorate.kv.get("before")),
    elapsedMs(quorate.kv.put("after", "lost", { deadlineMs: 1000 })),
  ]);
  for (const takenMs of [write, read]) {
    expect(takenMs).toBeGreaterThan(4000);
    expect(takenMs).toBeLessThan(5600);
  }
  expect(short).toBeLessThan(1600);
});
