import type { MemberId } from "#raft";
import { compareStrings } from "#std";

/**
 * Remembers which data directory each member introduced itself with, so that a leader can have those recorded that the
 * cluster has not bound to a store yet. The first one recorded wins; which one that is, the log decides.
 */
export class StoreRecorder {
  private readonly noted = new Map<MemberId, string>();

  constructor(own: { readonly memberId: MemberId; readonly storeId: string }) {
    this.noted.set(own.memberId, own.storeId);
  }

  note(memberId: MemberId, storeId: string): void {
    this.noted.set(memberId, storeId);
  }

  /** What is yet to be recorded, sorted by member. */
  unrecorded(
    recorded: (memberId: MemberId) => string | null,
  ): readonly { readonly memberId: MemberId; readonly storeId: string }[] {
    return [...this.noted]
      .filter(([memberId]) => recorded(memberId) === null)
      .map(([memberId, storeId]) => ({ memberId, storeId }))
      .sort((left, right) => compareStrings(left.memberId, right.memberId));
  }
}
