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

/** Writes through each node that is a member at the time, and each gateway, by itself. */
export class RecoveryProbe {
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  async measure(): Promise<Recovery> {
    const healedAtMs = performance.now();
    const measured = [...this.#kvs()].map(async ([name, kv]) => {
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

  /** By the name of the process. */
  #kvs(): ReadonlyMap<string, Kv> {
    const { nodes, gateways, cluster } = this.#arena;
    const through = (address: string): Kv => this.#arena.directKv(address, PROBE_CALL_MS);
    return new Map([
      ...nodes.map((node) => [`n${node}`, through(cluster.address(node))] as const),
      ...gateways.map(
        (gateway) => [`gateway${gateway}`, through(cluster.topology.gatewayAddress(gateway))] as const,
      ),
    ]);
  }
}

/** The slowest one's; null where one never recovered. */
export function slowestMs(recovery: Recovery): number | null {
  const all = [...recovery.values()];
  return all.includes(null) ? null : Math.max(...(all as number[]));
}
