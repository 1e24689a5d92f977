import { readFileSync } from "node:fs";
import { describe, expect } from "@jest/globals";
import { op } from "@quorate/client";
import { clusterOfFile } from "../support";

const KEYS = 1_000_000;
const PER_TXN = 128;
const IN_FLIGHT = 16;
const MIB = 1024 * 1024;

/** What a process has in memory of its own: without the pages of mapped files, which LevelDB's tables are. */
function anonymousBytes(pid: number): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

describe("a scan of a million keys", () => {
  const cluster = clusterOfFile({ profile: "default" });

  cluster.test(
    "streams at one revision in bounded memory while writes go on",
    async (c) => {
      const { kv } = c.client(c.numbers, { deadlineMs: 120_000 });
      const keyOf = (at: number): string => `million/${String(at).padStart(7, "0")}`;
      let next = 0;
      const load = async (): Promise<void> => {
        while (next < KEYS) {
          const from = next;
          next += PER_TXN;
          const puts = [];
          for (let at = from; at < Math.min(KEYS, from + PER_TXN); at += 1)
            puts.push(op.put(keyOf(at), `value ${at}`));
          await kv
            .txn()
            .do(...puts)
            .commit();
        }
      };
      const loadStart = performance.now();
      await Promise.all(Array.from({ length: IN_FLIGHT }, load));
      const loadSeconds = (performance.now() - loadStart) / 1000;

      const node = await c.leader();
      const reader = c.client(node, { deadlineMs: 120_000 }).kv;
      let isScanning = true;
      let written = 0;
      const writing = (async () => {
        while (isScanning) {
          const at = (written * 7919) % KEYS;
          await kv.put(keyOf(at), `changed ${written}`);
          written += 1;
        }
      })();
      const before = anonymousBytes(c.pid(node));
      let peak = before;
      let count = 0;
      let last = "";
      let revision = 0;
      const scanStart = performance.now();
      const records = reader.scan(
        { prefix: "million/" },
        {
          onHeader: (header) => {
            revision = header.revision;
          },
        },
      );
      for await (const { key, modRevision } of records) {
        if (!(key > last)) throw new Error(`${key} came behind ${last}`);
        if (modRevision > revision)
          throw new Error(`${key} is of ${modRevision}, after the scan's ${revision}`);
        last = key;
        count += 1;
        if (count % 50_000 === 0) peak = Math.max(peak, anonymousBytes(c.pid(node)));
      }
      const scanSeconds = (performance.now() - scanStart) / 1000;
      isScanning = false;
      await writing;
      expect(count).toBe(KEYS);
      expect(written).toBeGreaterThan(10);
      process.stdout.write(
        `1,000,000 keys: loaded in ${loadSeconds.toFixed(0)} s, scanned in ${scanSeconds.toFixed(0)} s with ${written} writes meanwhile; ` +
          `the node had ${(before / MIB).toFixed(0)} MiB before and ${(peak / MIB).toFixed(0)} MiB at most\n`,
      );
      expect(peak - before).toBeLessThan(200 * MIB);
    },
    900_000,
  );
});
