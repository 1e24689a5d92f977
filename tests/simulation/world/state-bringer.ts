import type { MemberId } from "@quorate/services/raft";
import {
  type Cancellation,
  type LogStore,
  type SnapshotSource,
  type StateReceiver,
  type StateStore,
  StoreFailure,
} from "@quorate/services/replica";

export interface BringerOptions {
  /** Whom to ask next; null where there is nobody. */
  readonly pick: () => MemberId | null;
  readonly source: SnapshotSource;
  readonly state: StateStore;
  readonly log: LogStore;
  /** Between attempts. */
  readonly pause: () => Promise<void>;
}

const NEVER: Cancellation = {
  aborted: false,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};

/**
 * What a node does before it starts that has no state, or none that its log goes on from: it asks one peer after another
 * for theirs, until one is as new as its log needs it. Rejects with StoreFailure.
 */
export async function bringState(options: BringerOptions): Promise<void> {
  for (;;) {
    const from = options.pick();
    if (from !== null && (await bringFrom(from, options))) return;
    await options.pause();
  }
}

async function bringFrom(from: MemberId, { source, state, log }: BringerOptions): Promise<boolean> {
  let receiver: StateReceiver | null = null;
  try {
    const { header, chunks } = await source.fetch(from, null, NEVER);
    if (header.applied.index < log.firstIndex() - 1) return false;
    receiver = await state.receive(header);
    for await (const chunk of chunks) await receiver.put(chunk);
    await receiver.complete();
    await state.install(receiver);
    return true;
  } catch (error) {
    if (error instanceof StoreFailure) throw error;
    await receiver?.abandon();
    return false;
  }
}
