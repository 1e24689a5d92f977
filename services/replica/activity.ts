import type { MemberId, ProgressStatus } from "#raft";

/**
 * The members that the leader hears of. It counts who was heard of since it last checked its quorum: just after that
 * nobody was heard of yet, and all may be well, so then all are taken for heard of.
 */
export function heardOf(progress: readonly ProgressStatus[], own: MemberId): readonly ProgressStatus[] {
  const others = progress.filter(({ id }) => id !== own);
  const heard = others.filter(({ isRecentlyActive }) => isRecentlyActive);
  return heard.length > 0 ? heard : others;
}
