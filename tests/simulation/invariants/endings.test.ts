import { describe, expect, it } from "@jest/globals";
import type { ProgressStatus } from "@quorate/services/raft";
import type { HistoryRecord } from "../../judge/history";
import { runSeed } from "../run";
import { type BoundedStatus, Bounds } from "./bounds";
import { expectBroken } from "./expect-broken";
import { checkHistory } from "./linearizable";

function put(client: string, value: string, invoke: number, until: number): HistoryRecord {
  const times = { invoke: String(invoke), return: String(until) };
  return { client, op: "put", key: "r1", args: { value }, result: {}, status: "ok", ...times };
}

function get(client: string, value: string, invoke: number, until: number): HistoryRecord {
  const times = { invoke: String(invoke), return: String(until) };
  return { client, op: "get", key: "r1", args: {}, result: { value }, status: "ok", ...times };
}

describe("the judgement of a run", () => {
  it("K5: takes a history that is linearizable, and finds one that is not", () => {
    const writes = [put("c1", "1", 0, 10), put("c2", "2", 20, 30)];
    checkHistory([...writes, get("c1", "2", 40, 50)]);
    expectBroken("linearizable", "r1", () => checkHistory([...writes, get("c1", "1", 40, 50)]));
  });

  it("finds more open or in flight than the bounds allow", () => {
    const bounds = new Bounds();
    const follower: ProgressStatus = {
      id: "n2",
      state: "replicate",
      match: 0,
      next: 1,
      isLearner: false,
      isRecentlyActive: true,
      isPaused: false,
      inflightMessages: 256,
      inflightBytes: 16 * 1024 * 1024,
      pendingSnapshot: 0,
      needsSnapshot: false,
      isLowOnSpace: false,
    };
    const status = (progress: ProgressStatus[] | null, open: Partial<BoundedStatus> = {}) => ({
      openCommands: 16_384,
      openReads: 32_768,
      inboxMessages: 16_384,
      imagesOpen: 4,
      ...open,
      raft: { progress },
    });
    bounds.stepped("n1", status(null));
    bounds.stepped("n1", status([follower]));
    expectBroken("bounded memory", "n1 has 16386 open commands, more than 16384", () =>
      bounds.stepped("n1", status(null, { openCommands: 16_386 })),
    );
    expectBroken("bounded memory", "n1 has 32769 open reads, more than 32768", () =>
      bounds.stepped("n1", status(null, { openReads: 32_769 })),
    );
    expectBroken("bounded memory", "n1 has 16385 messages in its inbox, more than 16384", () =>
      bounds.stepped("n1", status(null, { inboxMessages: 16_385 })),
    );
    expectBroken("bounded memory", "n1 has 5 images open, more than 4", () =>
      bounds.stepped("n1", status(null, { imagesOpen: 5 })),
    );
    bounds.received("n1", 1);
    expectBroken("bounded memory", "n1 has 2 chunks of an image that wait, more than 1", () =>
      bounds.received("n1", 2),
    );
    expectBroken("bounded memory", "n1 has 257 messages in flight to n2, more than 256", () =>
      bounds.stepped("n1", status([{ ...follower, inflightMessages: 257 }])),
    );
    expectBroken("bounded memory", "n1 has 99999999 bytes in flight to n2", () =>
      bounds.stepped("n1", status([{ ...follower, inflightBytes: 99_999_999 }])),
    );
  });

  it.each(["swarm", "crashes", "clients"] as const)(
    "K3: whole replicas under the faults of profile %s break none of it",
    async (profile) => {
      const run = await runSeed({ seed: 11, profile, nodes: 3, operations: 150 });
      expect(run.finding).toBeNull();
      expect(run.operations).toBeGreaterThan(100);
    },
  );
});
