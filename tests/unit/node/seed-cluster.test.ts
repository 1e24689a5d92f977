import { describe, expect, jest, test } from "@jest/globals";
import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure, SILENT_LOG } from "@quorate/services/forward";
import { SeedCluster } from "@quorate/services/node";

/** Seeds of which each call fails with that. */
function failing(reason: ErrorReason, message: string, timeoutMs: number) {
  const info = jest.fn();
  const unary = jest.fn(() => Promise.reject(new CallFailure(reason, message)));
  const cluster = new SeedCluster({
    seeds: ["a:1"],
    channels: { to: () => ({ unary }) as never },
    log: { ...SILENT_LOG, info },
    timeoutMs,
    signal: new AbortController().signal,
  });
  return { cluster, info, unary };
}

describe("a cluster that is asked from outside", () => {
  test("does not say again and again of a node that it does not help", async () => {
    for (let timeoutMs = 250; ; timeoutMs *= 2) {
      const { cluster, info, unary } = failing(ErrorReason.NO_LEADER, "a:1 knows no leader", timeoutMs);
      expect(await cluster.view()).toEqual({ kind: "unanswered", why: "a:1 knows no leader" });
      expect(info).toHaveBeenCalledTimes(1);
      // A machine that stalls leaves time for one question only.
      if (unary.mock.calls.length > 1) break;
    }
  });

  test("an address that serves no clients is named", async () => {
    const { cluster } = failing(ErrorReason.UNIMPLEMENTED, "The server does not implement the method", 300);
    expect(await cluster.view()).toEqual({
      kind: "refused",
      why: "a:1 does not serve clients: give client addresses of nodes, not those of their peer services",
    });
  });
});
