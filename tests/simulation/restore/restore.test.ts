import { describe, expect, it } from "@jest/globals";
import { utf8Encode } from "@quorate/services/std";
import { type RunOptions, type RunResult, runSeed } from "../run";
import type { RestoredParts } from "./restored-cluster";

const PRESENT: Omit<RunOptions, "seed"> = {
  profile: "swarm",
  nodes: null,
  operations: 200,
  isRestored: true,
};

/** A shorter run, in which requests are answered as before, too. */
const SHORT = { ...PRESENT, seed: 3, operations: 60 } as const;

function planted(
  plantRestored: (parts: RestoredParts) => RestoredParts,
  options: Omit<RunOptions, "plantRestored"> = SHORT,
): Promise<RunResult> {
  return runSeed({ ...options, plantRestored });
}

describe("a cluster that begins with a backup", () => {
  it("K3: knows what the other knew, of whatever size it is, and answers what was asked before alike", async () => {
    const answeredAlike: number[] = [];
    const sizes = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const run = await runSeed({
        ...PRESENT,
        seed,
        traceSink: (line) => {
          const size = /(\d) members begin with the backup/.exec(line)?.[1];
          if (size !== undefined) sizes.add(size);
          const count = /(\d+) requests were answered as before/.exec(line)?.[1];
          if (count !== undefined) answeredAlike.push(Number(count));
        },
      });
      expect([seed, run.finding, run.counts.restores]).toEqual([seed, null, 1]);
    }
    expect([...sizes].sort()).toEqual(["1", "3", "5"]);
    expect(answeredAlike).toHaveLength(3);
    expect(Math.max(...answeredAlike)).toBeGreaterThan(10);
  });

  it("K1: happens in the same way again", async () => {
    const [one, other] = [await runSeed(SHORT), await runSeed(SHORT)];
    expect(one.digest).toBe(other.digest);
    expect(one.counts.restores).toBe(1);
  });

  it("K3: is found to hold another record", async () => {
    const { finding } = await planted(({ backup, sent }) => {
      const [first, ...rest] = backup.records;
      const other = { ...first!, record: { ...first!.record, value: utf8Encode("never written") } };
      return { backup: { ...backup, records: [other, ...rest] }, sent };
    });
    expect(finding?.invariant).toBe("a restored cluster is as its backup");
  });

  it("K3: is found to have lost a session", async () => {
    const { finding } = await planted(({ backup, sent }) => {
      const { resident } = backup;
      const lost = { ...resident.sessions[0]!, clientId: 4_711 };
      return {
        backup: { ...backup, resident: { ...resident, sessions: [...resident.sessions, lost] } },
        sent,
      };
    });
    expect(finding?.invariant).toBe("a restored cluster is as its backup");
    expect(finding?.detail).toContain("session 4711");
  });

  it("K3: is found to answer otherwise than the other had", async () => {
    const { finding } = await planted(({ backup, sent }) => ({
      backup,
      sent: sent.map((write) =>
        write.answered === null ? write : { ...write, answered: { ...write.answered, answer: "00" } },
      ),
    }));
    expect(finding?.invariant).toBe("the same answer");
  });

  it("K3: is found to carry out again what the other had done", async () => {
    const { finding } = await planted(
      ({ backup, sent }) => {
        // As if all that came after the backup had been acknowledged before it, and its answers given up.
        const known = sent.map((write) => ({ ...write, answered: { index: 1, answer: "", isDone: true } }));
        const kept = new Set(
          backup.resident.answers.map(({ clientId, sequence }) => `${clientId} ${sequence}`),
        );
        return {
          backup,
          sent: known.filter(({ clientId, sequence }) => !kept.has(`${clientId} ${sequence}`)),
        };
      },
      // One in which much comes after the backup.
      { ...PRESENT, seed: 3 },
    );
    expect(finding?.invariant).toBe("applied once");
  });

  it("K3: is not made of half a backup", async () => {
    const { finding } = await planted(({ backup, sent }) => ({
      backup: { ...backup, chunks: backup.chunks.slice(0, -1) },
      sent,
    }));
    expect(finding?.kind).toBe("crash");
    expect(finding?.detail).toContain("its end is missing");
  });
});
