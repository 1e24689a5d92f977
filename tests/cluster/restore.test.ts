import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "@jest/globals";
import { verifyBackupFile } from "@quorate/services/launcher";
import {
  type BareEndpoint,
  bytes,
  clusterOfFile,
  hex,
  isLongRun,
  startTestCluster,
  withCluster,
} from "../support";
import { expectNothingLost, Load } from "./load";
import { patientKv, patientTests } from "./patient";

patientTests();

// With the fast timing a busy machine elects now and then, and a write without a request id has an unknown outcome.
const PROFILE = { profile: "default" } as const;
const cluster = clusterOfFile({ ...PROFILE, gateways: 1 });

/** A backup as an endpoint streams it, in a file. @returns the revision that it is of */
async function save(from: BareEndpoint, path: string): Promise<bigint> {
  const { messages } = await from.admin.stream("backup", {}, { deadlineMs: 60_000 });
  writeFileSync(path, Buffer.concat(messages.map(({ data }) => data)));
  const verdict = await verifyBackupFile(path);
  expect(verdict).toMatchObject({ isSound: true });
  return BigInt(/at revision (\d+)/.exec(verdict.line)?.[1] ?? "-1");
}

async function hashAt({ admin }: BareEndpoint, revision: bigint): Promise<string> {
  const { root, count } = await admin.call("hash", { revision });
  return `${count} keys, ${hex(root)}`;
}

function restoring(file: string): () => readonly string[] {
  return () => ["--restore", file, "--bootstrap"];
}

cluster.test(
  "F6, C10: what each node and the gateway saves under load is restored to a new cluster, where a request id is known",
  async (cluster) => {
    const leader = await cluster.leader();
    const { clientId } = await cluster.node(leader).kv.call("openSession", { ttlMs: 600_000n });
    const metadata = { "quorate-request-id": `${clientId}/1/1` };
    const request = { key: bytes("c10"), delta: 7n };
    const first = await cluster.node(leader).kv.call("increment", request, { metadata });
    const before = Load.closedLoop(patientKv(cluster), "f6-before-", { callers: 8, writesMax: 60 });
    await before.done();
    const during = Load.closedLoop(patientKv(cluster), "f6-during-", { callers: 4, valueBytes: 200 });
    const followers = cluster.numbers.filter((node) => node !== leader);
    const endpoints = [...[...followers, leader].map((node) => cluster.node(node)), cluster.gateway()];
    const files: { readonly file: string; readonly revision: bigint }[] = [];
    for (const [at, endpoint] of endpoints.entries()) {
      const written = during.acknowledged.size;
      const file = cluster.scratch(`backup-${at}`);
      files.push({ file, revision: await save(endpoint, file) });
      expect(during.acknowledged.size).toBeGreaterThan(written);
    }
    await during.stop();
    expect([...during.refused, ...during.open]).toEqual([]);
    const { clusterId } = await cluster.status(leader);

    // A follower's and the gateway's; the others are verified whole all the same.
    const restoredFrom = isLongRun ? files : [files[0], files.at(-1)].filter((file) => file !== undefined);
    for (const [at, { file, revision }] of restoredFrom.entries()) {
      const wanted = await hashAt(cluster.node(leader), revision);
      // Of three members once, with members of other names than before; else alone, which is sooner.
      await withCluster(
        { ...PROFILE, nodes: at === 0 ? 3 : 1, nodeArgs: restoring(file) },
        async (restored) => {
          const kv = patientKv(restored);
          for (const node of restored.numbers)
            expect(await hashAt(restored.node(node), revision)).toBe(wanted);
          expect((await restored.status(1)).clusterId).not.toBe(clusterId);
          await expectNothingLost(kv, before);
          const again = await restored.node(1).kv.call("increment", request, { metadata });
          expect({ value: again.value, revision: again.header?.revision }).toEqual({
            value: first.value,
            revision: first.header?.revision,
          });
          expect(await kv.getText("c10")).toBe("7");
          // What is next in that session is new.
          const next = { "quorate-request-id": `${clientId}/2/1` };
          expect((await restored.node(1).kv.call("increment", request, { metadata: next })).value).toBe(14n);
          await restored.agree();
        },
      );
    }
  },
);

cluster.test(
  "F6: a backup that is damaged anywhere is refused, and no node starts of it",
  async (cluster) => {
    const file = cluster.scratch("damaged");
    await save(cluster.gateway(), file);
    const whole = readFileSync(file);
    const places = [0, 9, 40, 0.3, 0.6, 0.9].map((at) => (at < 1 ? Math.floor(at * whole.length) : at));
    const damaged = [
      ...[...places, whole.length - 40, whole.length - 1].map((at) => {
        const copy = Buffer.from(whole);
        copy[at] = (copy[at] as number) ^ 0x04;
        return copy;
      }),
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, whole.length >> 1),
      whole.subarray(0, 0),
      Buffer.concat([whole, Buffer.of(0)]),
    ];
    for (const content of damaged) {
      writeFileSync(file, content);
      expect(await verifyBackupFile(file)).toMatchObject({ isSound: false });
    }
    const started = startTestCluster({ nodes: 1, nodeArgs: restoring(file) });
    await expect(started).rejects.toThrow(/quorate-node: restore: .*damaged/);
  },
);
