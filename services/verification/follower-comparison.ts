import type { ConfigurationState } from "#kv";
import { bytesEqual } from "#std";
import { votersOf } from "./judgement";
import { donorOf, isSameBeside, judgeRoots } from "./leader-comparison";
import type { Polling } from "./polling";
import type { RoundRoot } from "./ports";

/** What a member that does not lead finds out about itself. */
export type OwnFinding =
  | Agrees
  /** Nobody answered, or no majority knows better. */
  | { readonly kind: "unknown" }
  | Wrong;

export interface Agrees {
  readonly kind: "agrees";
  /** Whether none of those that were asked, and answered, differs. */
  readonly isUnanimous: boolean;
}

/** It differs from a majority of the voters, of which `from` is one. */
export interface Wrong {
  readonly kind: "wrong";
  readonly from: string;
  /** Whether what is kept beside the records differs as well. */
  readonly differsBeside: boolean;
}

/** Asks the leader, which mostly has the same; only where it has not, the other voters. */
export async function findOwnFault(
  self: { readonly id: string; readonly round: number; readonly root: RoundRoot },
  cluster: { readonly leaderId: string; readonly configuration: ConfigurationState },
  polling: Polling,
  patience: { readonly ms: number; readonly isOver: () => boolean },
): Promise<OwnFinding> {
  const { leaderId, configuration } = cluster;
  const roots = await polling.roots(self.round, [leaderId], patience);
  const ofLeader = roots.get(leaderId);
  if (ofLeader === undefined) return { kind: "unknown" };
  if (bytesEqual(ofLeader.root, self.root.root)) return { kind: "agrees", isUnanimous: true };
  const others = votersOf(configuration).filter((member) => member !== self.id && member !== leaderId);
  for (const [member, root] of await polling.roots(self.round, others, patience)) roots.set(member, root);
  roots.set(self.id, self.root);
  return ownFinding(self.id, roots, { configuration, preferred: leaderId });
}

/** What the roots say of one of those that have them. */
export function ownFinding(
  self: string,
  roots: ReadonlyMap<string, RoundRoot>,
  { configuration, preferred }: { readonly configuration: ConfigurationState; readonly preferred: string },
): OwnFinding {
  const judgement = judgeRoots(configuration, roots);
  if (judgement.kind !== "majority") return { kind: "unknown" };
  if (!judgement.wrong.includes(self)) return { kind: "agrees", isUnanimous: judgement.wrong.length === 0 };
  const from = donorOf(judgement, roots, configuration, preferred);
  if (from === null) return { kind: "unknown" };
  return { kind: "wrong", from, differsBeside: !isSameBeside(roots.get(self), roots.get(from)) };
}
