import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { expect } from "@jest/globals";
import { Child, clusterOfFile, isLongRun, NeverWill, type TestCluster, Workplace } from "../support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

const CLI_PROGRAM = resolve(__dirname, "../../clients/cli/bin/quorate.js");

/** The media types of the npm package mime-db, a record each. */
const records = Object.entries(createRequire(__filename)("mime-db") as Record<string, object>);

/** JSON Lines in bytewise order of the keys, which are all ASCII. */
const lines = records
  .map(([key, value]) => ({ key, value }))
  .sort((left, right) => (left.key < right.key ? -1 : 1))
  .map((record) => JSON.stringify(record));

function asText(some: readonly string[]): string {
  return some.map((line) => `${line}\n`).join("");
}

const cluster = clusterOfFile({ gateways: 1 });

const killed = new Set<number>();

/** The `quorate` command as a process of its own. */
async function withQuorate<T>(args: readonly string[], body: (child: Child) => Promise<T>): Promise<T> {
  const workplace = new Workplace();
  try {
    return await body(new Child(workplace, "quorate", [CLI_PROGRAM, ...args]));
  } finally {
    await workplace.remove();
  }
}

async function expectSuccess(child: Child): Promise<void> {
  const { code } = await child.ended;
  expect({ code, said: code === 0 ? "" : child.log() }).toEqual({ code: 0, said: "" });
}

/** Imports everything through the gateway, and kills and restarts a node in the middle. */
async function importThroughKill(cluster: TestCluster, victim: number): Promise<void> {
  // Through a pipe, so that the import goes on exactly as far as the test lets it.
  const input = cluster.scratch(`mime-db-${victim}.jsonl`);
  execFileSync("mkfifo", [input]);
  const firstPart = lines.slice(0, lines.length / 2);
  const lastFrom = Math.floor(lines.length * 0.75);
  const [watcher] = cluster.numbers.filter((node) => node !== victim) as [number];
  const before = (await cluster.status(watcher)).revision;
  const flags = ["--endpoints", cluster.gateway().address, "--deadline", "60"];
  await withQuorate([...flags, "import", input], async (importing) => {
    // To read and write: a pipe that is opened to be written only waits for its reader.
    const pipe = await open(input, "r+");
    try {
      await pipe.write(asText(firstPart));
      await inTime("some of it is imported", async () => {
        if (!importing.isRunning) throw new NeverWill(`the import ended too early:\n${importing.log()}`);
        return (await cluster.status(watcher)).revision - before >= firstPart.length / 2;
      });
      const middle = pipe.write(asText(lines.slice(firstPart.length, lastFrom)));
      await cluster.kill(victim);
      await middle;
      await pipe.write(asText(lines.slice(lastFrom)));
    } finally {
      await pipe.close();
    }
    await cluster.restart(victim);
    await expectSuccess(importing);
  });
}

async function expectImported(cluster: TestCluster): Promise<void> {
  expect((await cluster.agree()).count).toBe(records.length);
  for (const node of cluster.numbers) {
    const output = cluster.scratch(`from-n${node}-${killed.size}.jsonl`);
    await withQuorate(
      ["--endpoints", cluster.address(node), "--deadline", "60", "export", output],
      expectSuccess,
    );
    expect(readFileSync(output, "utf8").trimEnd().split("\n")).toEqual(lines);
  }
}

const VICTIMS = isLongRun ? ["the leader", "a second node"] : ["the leader"];

for (const [which, title] of VICTIMS.entries()) {
  cluster.test(
    `the media types of mime-db are imported through the gateway while ${title} is killed and restarted, and each node exports what went in`,
    async (cluster) => {
      expect(records.length).toBeGreaterThanOrEqual(2500);
      const inOrder = [await cluster.leader(), ...(await cluster.followers())];
      const victim = inOrder.find((node) => !killed.has(node)) as number;
      await importThroughKill(cluster, victim);
      killed.add(victim);
      expect(killed.size).toBe(which + 1);
      await expectImported(cluster);
      await patientKv(cluster).truncate();
    },
  );
}
