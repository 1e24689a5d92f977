import { expect, test } from "@jest/globals";
import { startCluster } from "@quorate/testing";

test("M1: alone on the machine, every first write of a cluster in memory is accepted within 500 ms", async () => {
  const tookMs: number[] = [];
  for (let start = 0; start < 5; start += 1) {
    const startMs = performance.now();
    await using cluster = await startCluster();
    await cluster.kv.put("greeting", "hello");
    tookMs.push(performance.now() - startMs);
  }
  console.log(`first write after ${tookMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  expect(Math.max(...tookMs)).toBeLessThan(500);
});
