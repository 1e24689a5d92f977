import type { Kv } from "@quorate/client";
import { eventually } from "../support/eventually";
import type { Arena } from "./arena";

/** What the issue asks for: a write through every live node so soon after a heal. */
export const RECOVERY_MS_MAX = 10_000;

/** How long to wait for what has failed already, to tell slow from never. */
const RECOVERY_MS_PATIENCE = 60_000;

const PROBE_CALL_MS = 1000;

/** How long after the heal a write through each node succeeded, in milliseconds; null where none did in time. */
export type Recovery = ReadonlyMap<number, number | null>;

/** Writes through each node by itself. */
export class RecoveryProbe {
  readonly #kvs: ReadonlyMap<number, Kv>;

  constructor(arena: Arena) {
    this.#kvs = new Map(
      arena.nodes.map((node) => [node, arena.cluster.client(node, { deadlineMs: PROBE_CALL_MS }).kv]),
    );
  }

  async measure(): Promise<Recovery> {
    const healedAtMs = performance.now();
    const measured = [...this.#kvs].map(async ([node, kv]) => {
      const ms = await eventually(
        `a write through n${node} succeeds`,
        async () => {
          await kv.put(`probe/n${node}`, String(healedAtMs));
          return Math.max(1, performance.now() - healedAtMs);
        },
        { deadlineMs: RECOVERY_MS_PATIENCE },
      ).catch(() => null);
      return [node, ms] as const;
    });
    return new Map(await Promise.all(measured));
  }
}

/** The slowest node's; null where one never recovered. */
export function slowestMs(recovery: Recovery): number | null {
  const all = [...recovery.values()];
  return all.includes(null) ? null : Math.max(...(all as number[]));
}
