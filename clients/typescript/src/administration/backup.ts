import { ClusterServiceDefinition } from "@quorate/proto/cluster";
import type { Core } from "#client/core";
import { QuorateError } from "#client/errors";
import { Repetition } from "#client/repetition";
import { methodOf } from "#client/transport";
import { type NodeCallOptions, nodePlan } from "./node-call";

const BACKUP = methodOf(ClusterServiceDefinition, ClusterServiceDefinition.methods.backup);

export interface BackupOptions extends NodeCallOptions {
  /**
   * Take the node's own state as it is, which may lag, also without a leader. By default every write that was acknowledged
   * before is in the backup.
   */
  readonly stale?: boolean;
}

/**
 * The bytes of a backup file, in order. Until the first of them another endpoint may be asked; a backup that breaks off
 * later is of no use, since the next one is of another moment.
 */
export async function* backupBytes(
  core: Core,
  { stale = false, ...options }: BackupOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const plan = nodePlan(core, options);
  const repetition = new Repetition(core.pool, core.timing, plan);
  for (let hasBegun = false; ; ) {
    repetition.throwIfGivenUp();
    const { address, connection } =
      plan.address === undefined
        ? core.pool.current()
        : { address: plan.address, connection: core.pool.connectionTo(plan.address) };
    try {
      const parts = connection.serverStream(
        BACKUP,
        { stale },
        {
          metadata: plan.metadata ?? {},
          timeoutMs: plan.deadlineMs,
          signal: plan.signal,
        },
      );
      for await (const { data } of parts) {
        hasBegun = true;
        yield data;
      }
      return;
    } catch (thrown) {
      const error = QuorateError.from(thrown);
      if (hasBegun) throw error;
      await repetition.afterFailure(error, address);
    }
  }
}
