import { backup } from "#backup";
import type { StateStore } from "#replica";
import type { Administration } from "#rpc";
import type { LeveledLog } from "./leveled-log";

export interface AdministrationParts {
  readonly clusterId: string;
  readonly softwareVersion: string;
  readonly state: Pick<StateStore, "freeze">;
  /** Cuts the connection of a client. */
  dropConnection(address: string): boolean;
  readonly log: LeveledLog;
  wallMs(): number;
}

/** What an operator may do to a node. */
export function administration(parts: AdministrationParts): Administration {
  const { log } = parts;
  return {
    backup: () => backupNow(parts),
    dropClient: (address) => parts.dropConnection(address),
    setLogLevel: (level) => {
      const before = log.level;
      log.level = level;
      return before;
    },
  };
}

/** The state is frozen when the first piece is asked for, so that a call that is refused before holds nothing. */
async function* backupNow({
  clusterId,
  softwareVersion,
  state,
  wallMs,
}: AdministrationParts): AsyncGenerator<Uint8Array, void, undefined> {
  const frozen = state.freeze();
  try {
    yield* backup(frozen, { clusterId, softwareVersion, wallMs: wallMs() });
  } finally {
    frozen.close();
  }
}
