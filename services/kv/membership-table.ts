import { type ChangeMembership, Refusal } from "@quorate/proto/log";
import { compareStrings } from "#std";
import { DONE, type Result, refused } from "./answer";
import type { MemberInfo, MemberState, MembershipState } from "./membership";

/** Data directories of removed members that are remembered, the newest ones. */
const RETIRED_STORES_MAX = 10_000;

/**
 * Who takes part, where they are reached, and which data directory may speak for whom. It notes whether anything is new,
 * until takeWrites. Which configurations may follow one another is for the consensus core to say, before it proposes
 * one: here the log has the word.
 */
export class MembershipTable {
  private present: MembershipState;
  private isNew = false;

  constructor(membership: MembershipState) {
    this.present = membership;
  }

  get state(): MembershipState {
    return this.present;
  }

  get(memberId: string): MemberState | null {
    return this.present.members.find((member) => member.memberId === memberId) ?? null;
  }

  /** Whoever is in no list of the configuration any more is forgotten, and its data directory refused from then on. */
  change({ configuration, members }: ChangeMembership): Result {
    if (configuration === undefined) return refused(Refusal.UNKNOWN_COMMAND, "configuration is not set");
    const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
    const partakers = new Set([...voters, ...votersOutgoing, ...learners]);
    const infos = new Map<string, MemberState>();
    for (const member of this.present.members) infos.set(member.memberId, member);
    for (const member of members) infos.set(member.memberId, this.merged(member));
    const stranger = [...partakers].find((memberId) => !infos.has(memberId));
    if (stranger !== undefined) {
      return refused(Refusal.UNKNOWN_MEMBER, `nothing is known of member ${stranger}`);
    }
    const retired = [...infos.values()].flatMap(({ memberId, storeId }) =>
      partakers.has(memberId) || storeId === null ? [] : [storeId],
    );
    this.replace({
      epoch: this.present.epoch + 1,
      configuration: { voters, votersOutgoing, learners, learnersNext, autoLeave },
      members: inOrderOfIds([...infos.values()].filter(({ memberId }) => partakers.has(memberId))),
      // Once each, though nothing here keeps two members from being bound to the same one.
      retiredStores: [...new Set([...this.present.retiredStores, ...retired])].slice(-RETIRED_STORES_MAX),
    });
    return DONE;
  }

  update(member: MemberInfo): Result {
    if (this.get(member.memberId) === null) return unknownMember(member.memberId);
    this.put(this.merged(member));
    return DONE;
  }

  /** The first data directory of a member is its own for good. */
  record({ memberId, storeId }: { readonly memberId: string; readonly storeId: string }): Result {
    const member = this.get(memberId);
    if (member === null) return unknownMember(memberId);
    if (member.storeId === storeId) return DONE;
    if (member.storeId !== null) {
      const message = `member ${memberId} is bound to store ${member.storeId}, not to ${storeId}`;
      return refused(Refusal.STORE_MISMATCH, message);
    }
    if (this.present.retiredStores.includes(storeId)) {
      return refused(Refusal.STORE_MISMATCH, `store ${storeId} belonged to a member that was removed`);
    }
    this.put({ ...member, storeId });
    return DONE;
  }

  /** The whole of it where anything is new since the last call, else null. */
  takeWrites(): MembershipState | null {
    const { isNew } = this;
    this.isNew = false;
    return isNew ? this.present : null;
  }

  private put(changed: MemberState): void {
    const others = this.present.members.filter(({ memberId }) => memberId !== changed.memberId);
    this.replace({ ...this.present, members: inOrderOfIds([...others, changed]) });
  }

  private replace(membership: MembershipState): void {
    this.present = membership;
    this.isNew = true;
  }

  /** What a command says of a member, with the data directory that it is bound to. */
  private merged(member: MemberInfo): MemberState {
    const { memberId, clientAddress, peerAddress, priority, promoteWhenCaughtUp, replaces } = member;
    const storeId = this.get(memberId)?.storeId ?? null;
    return { memberId, clientAddress, peerAddress, storeId, priority, promoteWhenCaughtUp, replaces };
  }
}

function unknownMember(memberId: string): Result {
  return refused(Refusal.UNKNOWN_MEMBER, `there is no member ${memberId}`);
}

function inOrderOfIds(members: readonly MemberState[]): readonly MemberState[] {
  return [...members].sort((left, right) => compareStrings(left.memberId, right.memberId));
}
