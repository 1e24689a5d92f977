import { Refusal } from "@quorate/proto/log";
import { compareStrings } from "#std";
import { DONE, type Result, refused } from "./answer";
import type { MemberStore } from "./state";

/** Which store each member is bound to. It notes what is new, until takeWrites. */
export class MemberStores {
  private readonly storeIds = new Map<string, string>();
  private unwritten: MemberStore[] = [];

  constructor(memberStores: readonly MemberStore[]) {
    for (const { memberId, storeId } of memberStores) this.storeIds.set(memberId, storeId);
  }

  /** The id of the only store that may speak for the member; null when none is recorded yet. */
  get(memberId: string): string | null {
    return this.storeIds.get(memberId) ?? null;
  }

  /** The first store of a member is its store for good. */
  record({ memberId, storeId }: MemberStore): Result {
    const recorded = this.storeIds.get(memberId);
    if (recorded === undefined) {
      this.storeIds.set(memberId, storeId);
      this.unwritten.push({ memberId, storeId });
      return DONE;
    }
    if (recorded === storeId) return DONE;
    const message = `member ${memberId} is bound to store ${recorded}, not to ${storeId}`;
    return refused(Refusal.STORE_MISMATCH, message);
  }

  /** What is new since the last call. */
  takeWrites(): readonly MemberStore[] {
    const memberStores = this.unwritten;
    this.unwritten = [];
    return memberStores;
  }

  /** All of them, sorted by member. */
  resident(): readonly MemberStore[] {
    return [...this.storeIds]
      .map(([memberId, storeId]) => ({ memberId, storeId }))
      .sort((left, right) => compareStrings(left.memberId, right.memberId));
  }
}
