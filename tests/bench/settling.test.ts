import { expect, test } from "@jest/globals";
import type { Probe } from "./contender";
import { settlingsText } from "./report";
import { settle } from "./settling";

const MB = 1_000_000;

/** Two members that have written that much in all, one figure a second; the last one goes on for ever. */
function members(megabytes: readonly number[]) {
  let second = 0;
  return {
    name: "quorate" as const,
    probe: async (): Promise<Probe> => {
      const diskBytes = ((megabytes[Math.min(second, megabytes.length - 1)] as number) * MB) / 2;
      const usage = { cpuMicros: 0, rssBytes: 0, writtenBytes: 0, diskBytes };
      return { leader: "n1", processes: { n1: usage, n2: usage }, members: {} };
    },
    pass: async (ms: number) => {
      second += ms / 1000;
    },
  };
}

test("a cluster is waited for until it has hardly written for two seconds on end", async () => {
  const cluster = members([10, 30, 30, 70, 71, 72]);
  expect(await settle(cluster, 120, cluster.pass)).toEqual({
    store: "quorate",
    seconds: 5,
    diskBytes: 62 * MB,
    gaveUp: false,
  });
});

test("a cluster that goes on writing is not waited for without end", async () => {
  const cluster = members([0, 50, 100, 150, 200, 250]);
  const settling = await settle(cluster, 3.5, cluster.pass);
  expect(settling).toEqual({ store: "quorate", seconds: 3, diskBytes: 150 * MB, gaveUp: true });
  expect(settlingsText([settling])).toBe(
    "settled  quorate NOT in 3 s after loading, 143 MiB written meanwhile: what follows tells of the loading too",
  );
});
