import { describe, expect } from "@jest/globals";
import { clusterOfFile, eventually } from "../support";
import { expectNothingLost, Load } from "./load";

const ROUNDS = 5;
const WRITES_PER_SECOND = 200;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

describe.each([
  { profile: "default", limitMs: 3000 },
  { profile: "fast", limitMs: 1000 },
] as const)("timing $profile", ({ profile, limitMs }) => {
  const cluster = clusterOfFile({ profile });

  cluster.test(
    `D2: leader killed under ${WRITES_PER_SECOND} writes/s, writes are accepted again in under ${limitMs} ms (median of ${ROUNDS})`,
    async (cluster) => {
      const { kv } = cluster.client();
      const gapsMs: number[] = [];
      const load = Load.steady(kv, `d2-${profile}-`, { perSecond: WRITES_PER_SECOND });
      const goOn = async () => {
        const before = load.acknowledged.size;
        await eventually("writes go on", () => load.acknowledged.size >= before + WRITES_PER_SECOND, {
          deadlineMs: 30_000,
        });
      };
      for (let round = 0; round < ROUNDS; round += 1) {
        const leader = await cluster.leader();
        await goOn();
        load.resetGap();
        await cluster.kill(leader);
        await goOn();
        gapsMs.push(Math.round(load.longestGapMs));
        await cluster.restart(leader);
        await cluster.leader();
      }
      await load.stop();
      console.log(
        `fail-over, timing ${profile}: longest gaps ${gapsMs.join(", ")} ms, median ${median(gapsMs)} ms; ` +
          `${load.acknowledged.size} of ${load.begun} writes acknowledged, ${load.refused.size} refused, ${load.open.size} open`,
      );
      await cluster.agree();
      await expectNothingLost(kv, load);
      expect(median(gapsMs)).toBeLessThan(limitMs);
    },
    180_000,
  );
});
