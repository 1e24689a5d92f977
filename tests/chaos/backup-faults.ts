import { saveBackup } from "./backup-file";
import type { Fault } from "./fault";

/** Not a fault but an order that is given while clients write; what comes of it is checked when the run is over. */
export const backupFaults = {
  backup: {
    group: "backup",
    async begin(arena, random) {
      await arena.leader();
      const node = arena.nodes[random.below(arena.nodes.length)] as number;
      const saved = await saveBackup(arena, node);
      arena.backups.push(saved);
      return { on: `n${node}, at revision ${saved.revision}`, heal: async () => undefined };
    },
  },
} as const satisfies Record<string, Fault>;
