import type { Kv } from "@quorate/client";
import { eventually } from "../support/eventually";
import type { Arena } from "./arena";

/** So soon after a heal a write through every node, and through every gateway, must succeed. */
export const RECOVERY_MS_MAX = 10_000;

/** How long to wait for what has failed already, to tell slow from never. */
const RECOVERY_MS_PATIENCE = 60_000;

const PROBE_CALL_MS = 1000;

/** How long after the heal a write through each process succeeded, in milliseconds; null where none did in time. */
export type Recovery = ReadonlyMap<string, number | null>;

/** Writes through each node, and each gateway, by itself. */
export class RecoveryProbe {
  /** By the name of the process. */
  readonly #kvs: ReadonlyMap<string, Kv>;

  constructor({ nodes, gateways, cluster }: Arena) {
    const through = (endpoint: number | string): Kv =>
      cluster.client(endpoint, { deadlineMs: PROBE_CALL_MS }).kv;
    this.#kvs = new Map([
      ...nodes.map((node) => [`n${node}`, through(node)] as const),
      ...gateways.map(
        (gateway) => [`gateway${gateway}`, through(cluster.topology.gatewayAddress(gateway))] as const,
      ),
    ]);
  }

  async measure(): Promise<Recovery> {
    const healedAtMs = performance.now();
    const measured = [...this.#kvs].map(async ([name, kv]) => {
      const ms = await eventually(
        `a write through ${name} succeeds`,
        async () => {
          await kv.put(`probe/${name}`, String(healedAtMs));
          return Math.max(1, performance.now() - healedAtMs);
        },
        { deadlineMs: RECOVERY_MS_PATIENCE },
      ).catch(() => null);
      return [name, ms] as const;
    });
    return new Map(await Promise.all(measured));
  }
}

/** The slowest one's; null where one never recovered. */
export function slowestMs(recovery: Recovery): number | null {
  const all = [...recovery.values()];
  return all.includes(null) ? null : Math.max(...(all as number[]));
}
