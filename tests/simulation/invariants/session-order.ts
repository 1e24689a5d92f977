import { broken } from "./invariant";
import type { ReferenceStep } from "./reference";

/** Of the writes of a session that say what they follow, none is carried out behind a later one (invariant 7). */
export class SessionOrder {
  /** By client id: the highest sequence that was carried out. */
  private readonly latest = new Map<bigint, bigint>();

  /** An entry has joined the committed log. */
  committed({
    index,
    command,
    writes,
  }: Pick<ReferenceStep, "index" | "command"> & {
    readonly writes: Pick<ReferenceStep["writes"], "changes">;
  }): void {
    const id = command?.requestId;
    // A copy that is answered from what is kept changes nothing.
    if (id?.follows === undefined || writes.changes.length === 0) return;
    const { clientId, sequence } = id;
    const latest = this.latest.get(clientId) ?? 0n;
    if (sequence < latest) {
      broken(
        "writes of a session keep their order",
        `entry ${index} carries out ${clientId}/${sequence}, after ${clientId}/${latest} was`,
      );
    }
    this.latest.set(clientId, sequence);
  }
}
