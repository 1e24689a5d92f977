import type { Message } from "@quorate/services/raft";
import type { World } from "../world-contract";
import { broken } from "./invariant";

/**
 * Whether anybody listens to a member that it knows to be removed (invariant 12): one that campaigns without end, since
 * nobody tells it of anything, could depose one leader after another (Raft paper, section 6).
 */
export class RemovedMembers {
  constructor(private readonly world: Pick<World, "seat">) {}

  delivered(message: Message): void {
    if (message.kind !== "vote" && message.kind !== "pre_vote") return;
    const { membership } = this.world.seat(message.to).replica ?? {};
    if (membership === undefined) return;
    const { storeId } = this.world.seat(message.from);
    if (!membership.retiredStores.includes(storeId)) return;
    broken(
      "a removed member is not listened to",
      `${message.to}, which knows that ${storeId} is out, hears ${message.from} ask for a ${message.kind} in term ${message.term}`,
    );
  }
}
