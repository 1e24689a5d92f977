import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { Topology, Workplace, withCluster } from "../support";
import { patientTests } from "./patient";

patientTests();

async function inWorkplace(body: (workplace: Workplace) => Promise<void>): Promise<void> {
  const workplace = new Workplace();
  try {
    await body(workplace);
  } finally {
    await workplace.remove();
  }
}

const LIMITS_FILE = "key-bytes-max: 100\nvalue-bytes-max: 1000\nrequest-bytes-max: 20000\n";

test("L8: a node's file gives way to the environment, and that to flags", async () => {
  await inWorkplace(async (workplace) => {
    const file = workplace.at("node.yaml");
    writeFileSync(file, LIMITS_FILE);
    await withCluster(
      {
        nodes: 1,
        nodeArgs: () => ["--config", file, "--key-bytes-max", "300"],
        surroundings: () => ({
          environment: { QUORATE_KEY_BYTES_MAX: "200", QUORATE_VALUE_BYTES_MAX: "2000" },
        }),
      },
      async (cluster) => {
        const { limits } = await cluster.status(1);
        expect(limits).toMatchObject({ keyBytesMax: 300n, valueBytesMax: 2000n, requestBytesMax: 20_000n });
        const { kv } = cluster.node(1);
        expect(await kv.attempt("put", { key: new Uint8Array(300).fill(1) })).toMatchObject({ ok: true });
        expect(await kv.attempt("put", { key: new Uint8Array(301).fill(1) })).toMatchObject({ ok: false });
      },
    );
  });
});

test("L8: an invalid value stops the start of a process with one line that names the key, wherever it is given", async () => {
  await inWorkplace(async (workplace) => {
    const file = workplace.at("node.yaml");
    const topology = new Topology({ nodes: 1 }, 20_000);
    const argv = topology.nodeArgv(1, workplace.at("data"), true);
    const start = (more: readonly string[], environment: Readonly<Record<string, string>>) =>
      spawnSync(process.execPath, [...argv, ...more], {
        env: { PATH: process.env.PATH ?? "", ...environment },
        encoding: "utf8",
        timeout: 60_000,
      });
    writeFileSync(file, "drain-ms: soon\n");
    for (const [key, more, environment] of [
      ["drain-ms", ["--config", file], {}],
      ["history-revisions", [], { QUORATE_HISTORY_REVISIONS: "-1" }],
      ["free-bytes-min", ["--free-bytes-min", "much"], {}],
    ] as const) {
      const { status, stderr, stdout } = start(more, environment);
      expect({ key, status, stdout }).toEqual({ key, status: 2, stdout: "" });
      expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(key)]);
    }
  });
});
