import { type ChangeMembership, type Member, Refusal } from "@quorate/proto/log";
import { FOUNDERS } from "./founders";

/** Who takes part, kept as plainly as can be. */
export class NaiveMembership {
  readonly stores = new Map<string, string>();
  readonly retired = new Set<string>();
  readonly addresses = new Map<string, string>(FOUNDERS.map(({ id, peerAddress }) => [id, peerAddress]));
  epoch = 0;

  record(memberId: string, storeId: string): Refusal | null {
    if (!this.addresses.has(memberId)) return Refusal.UNKNOWN_MEMBER;
    if (!this.stores.has(memberId)) {
      if (this.retired.has(storeId)) return Refusal.STORE_MISMATCH;
      this.stores.set(memberId, storeId);
    }
    return this.stores.get(memberId) === storeId ? null : Refusal.STORE_MISMATCH;
  }

  update({ memberId, peerAddress }: Member): Refusal | null {
    if (!this.addresses.has(memberId)) return Refusal.UNKNOWN_MEMBER;
    this.addresses.set(memberId, peerAddress);
    return null;
  }

  change({ configuration, members }: ChangeMembership): Refusal | null {
    const { voters = [], votersOutgoing = [], learners = [] } = configuration ?? {};
    const present = [...voters, ...votersOutgoing, ...learners];
    const known = new Set([...this.addresses.keys(), ...members.map(({ memberId }) => memberId)]);
    if (present.some((memberId) => !known.has(memberId))) return Refusal.UNKNOWN_MEMBER;
    for (const { memberId, peerAddress } of members) this.addresses.set(memberId, peerAddress);
    for (const memberId of [...this.addresses.keys()]) {
      if (present.includes(memberId)) continue;
      this.addresses.delete(memberId);
      const storeId = this.stores.get(memberId);
      if (storeId !== undefined) this.retired.add(storeId);
      this.stores.delete(memberId);
    }
    this.epoch += 1;
    return null;
  }
}
