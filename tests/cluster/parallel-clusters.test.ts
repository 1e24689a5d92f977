import { existsSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { isLongRun, startTestCluster, type TestCluster } from "../support";
import { patientKv, patientTests } from "./patient";
import { isAlive } from "./processes";

patientTests();

const CLUSTERS = isLongRun ? 4 : 3;
const NODES = isLongRun ? 3 : 1;

test(`M6: ${CLUSTERS} clusters started at once share nothing and leave nothing`, async () => {
  const starts = await Promise.allSettled(
    Array.from({ length: CLUSTERS }, () => startTestCluster({ nodes: NODES })),
  );
  const clusters = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const addresses = clusters.flatMap((cluster) => cluster.numbers.map((node) => cluster.address(node)));
  const directories = clusters.flatMap((cluster) => cluster.numbers.map((node) => cluster.dataDir(node)));
  const pids = clusters.flatMap((cluster) => cluster.numbers.map((node) => cluster.pid(node)));
  try {
    expect(starts.filter(({ status }) => status === "rejected")).toEqual([]);
    for (const distinct of [addresses, directories, pids])
      expect(new Set<string | number>(distinct).size).toBe(NODES * CLUSTERS);
    const write = async (cluster: TestCluster, at: number) => {
      await patientKv(cluster).put("mine", `cluster ${at}`);
      const agreed = await cluster.agree();
      return { text: await patientKv(cluster).getText("mine"), count: agreed.count };
    };
    const seen = await Promise.all(clusters.map(write));
    expect(seen).toEqual(clusters.map((_, at) => ({ text: `cluster ${at}`, count: 1 })));
    await Promise.all(clusters.map((cluster) => cluster.kill(1)));
    for (const directory of directories) expect(existsSync(directory)).toBe(true);
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
  expect(pids.filter(isAlive)).toEqual([]);
  expect(directories.filter((directory) => existsSync(directory))).toEqual([]);
  for (const address of addresses) await expect(fetch(`http://${address}`)).rejects.toThrow();
});
