import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { expect } from "@jest/globals";
import { clusterOfFile, type TestCluster } from "../support";
import { patientTests } from "./patient";

patientTests();

const NODE_PROGRAM = resolve(__dirname, "../../services/dist/programs/node.js");
const START_MS_MAX = 60_000;

const cluster = clusterOfFile();

interface Ended {
  readonly code: number | null;
  /** What it wrote, a line each, but for the structured log. */
  readonly lines: readonly string[];
}

/** A node that is to end by itself. @param shell what to do before, such as setting a limit */
function start(argv: readonly string[], shell = ":"): Ended {
  const program = [process.execPath, NODE_PROGRAM, ...argv].map((word) => `'${word}'`).join(" ");
  const { status, stdout, stderr } = spawnSync("sh", ["-c", `${shell}; exec ${program}`], {
    encoding: "utf8",
    timeout: START_MS_MAX,
  });
  const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
  return { code: status, lines };
}

/** Flags of a cluster of one whose ports nobody has. */
function alone(
  cluster: TestCluster,
  changes: { readonly client?: string; readonly peer?: string } = {},
): string[] {
  const { client = "127.0.0.1:1", peer = "127.0.0.1:2" } = changes;
  return [
    ...["--id", "x", "--cluster-id", "x", "--bootstrap", "--members", "x=127.0.0.1:1/127.0.0.1:2"],
    ...["--data-dir", cluster.scratch("x"), "--listen-client", client, "--listen-peer", peer],
  ];
}

function dataDirOf(cluster: TestCluster): string {
  return cluster.scratch("x");
}

cluster.test("a port that is taken is named with its setting, in one line", async (cluster) => {
  const taken = cluster.address(1);
  const port = taken.slice(taken.lastIndexOf(":") + 1);
  const free = "127.0.0.1:0";
  // That of the peers is in the unit tests.
  const [client, metrics] = [
    start(alone(cluster, { client: taken, peer: free })),
    start([...alone(cluster, { client: free, peer: free }), "--listen-metrics", taken]),
  ];
  for (const [ended, setting] of [
    [client, "listen-client"],
    [metrics, "listen-metrics"],
  ] as const) {
    expect(ended).toEqual({
      code: 2,
      lines: [
        `quorate-node: ${setting}: port ${port} of ${taken} is taken by another process: stop that one, or give another --${setting}`,
      ],
    });
  }
});

cluster.test("a process without file descriptors says how to have more, in one line", async (cluster) => {
  const free = "127.0.0.1:0";
  const flags = alone(cluster, { client: free, peer: free });
  await rm(dataDirOf(cluster), { recursive: true, force: true });
  // As many as Node itself needs, and few more.
  const ended = start(flags, "ulimit -n 26");
  expect(ended).toEqual({
    code: 2,
    lines: [expect.stringMatching(/out of file descriptors: .*ulimit -n 65536/)],
  });
});

cluster.test(
  "E8: a node whose disk was wiped does not vote anew: it says how it is replaced",
  async (cluster) => {
    const [node] = (await cluster.followers()) as [number];
    await cluster.kill(node);
    await rm(cluster.dataDir(node), { recursive: true });
    const via = cluster.address(await cluster.leader());
    const dataDir = cluster.dataDir(node);
    const reached = ["--advertise-client", cluster.address(node), "--advertise-peer", "127.0.0.1:2"];
    const anywhere = ["--listen-client", "127.0.0.1:0", "--listen-peer", "127.0.0.1:0"];
    const plain = start(["--id", `n${node}`, "--data-dir", dataDir]);
    const joining = start([
      "--id",
      `n${node}`,
      "--data-dir",
      dataDir,
      "--join",
      via,
      ...reached,
      ...anywhere,
    ]);
    const command = `quorate member replace n${node} NEWID`;
    for (const ended of [plain, joining]) {
      expect(ended).toEqual({ code: 2, lines: [expect.stringContaining(command)] });
    }
    expect(existsSync(dataDir)).toBe(false);
  },
);

cluster.test("a directory of another cluster, and one in use, are named", async (cluster) => {
  const node = await cluster.leader();
  const flags = ["--id", `n${node}`, "--data-dir", cluster.dataDir(node)];
  expect(start([...flags, "--cluster-id", "other"])).toEqual({
    code: 2,
    lines: [
      expect.stringMatching(/belongs to cluster test-.*, not other: check --cluster-id and --data-dir/),
    ],
  });
  expect(start(flags)).toEqual({
    code: 2,
    lines: [expect.stringContaining("is in use by another process")],
  });
});
