import type { Configuration } from "./configuration";
import type { Index, MemberId } from "./entry";

export type VoteResult = "won" | "lost" | "pending";

/**
 * The highest index that enough voters acknowledge: a majority, in a joint configuration one of each half (thesis 4.3).
 * Also counts anything else that only grows, such as the reads a heartbeat confirms.
 */
export function committedIndex(configuration: Configuration, acknowledged: (id: MemberId) => Index): Index {
  return Math.min(
    majorityIndex(configuration.voters, acknowledged),
    majorityIndex(configuration.votersOutgoing, acknowledged),
  );
}

/** What the votes so far decide: true is a yes, false a no, no entry is still open. */
export function voteResult(configuration: Configuration, votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  const incoming = majorityVote(configuration.voters, votes);
  const outgoing = majorityVote(configuration.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

/** An empty half asks for nothing, so that a joint configuration with one is an ordinary one. */
function majorityIndex(voters: readonly MemberId[], acknowledged: (id: MemberId) => Index): Index {
  const count = voters.length;
  if (count === 0) return Number.POSITIVE_INFINITY;
  const indexes = new Array<Index>(count);
  // Sorted while it is filled: groups are so small that this beats the general sort on the path of each answer.
  for (let filled = 0; filled < count; filled += 1) {
    const index = acknowledged(voters[filled] as MemberId);
    let at = filled;
    while (at > 0 && (indexes[at - 1] as Index) > index) {
      indexes[at] = indexes[at - 1] as Index;
      at -= 1;
    }
    indexes[at] = index;
  }
  return indexes[count - majority(count)] as Index;
}

function majorityVote(voters: readonly MemberId[], votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  if (voters.length === 0) return "won";
  let granted = 0;
  let open = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === undefined) open += 1;
    else if (vote) granted += 1;
  }
  const needed = majority(voters.length);
  if (granted >= needed) return "won";
  return granted + open >= needed ? "pending" : "lost";
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}
