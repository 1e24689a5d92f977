import type { ConfigurationState } from "#kv";
import { hexEncode } from "#std";

/** What the roots of a round say. */
export type Judgement =
  /** A majority of the voters has this root. */
  | { readonly kind: "majority"; readonly root: string; readonly wrong: readonly string[] }
  /** Too few answered, and those that did are equal. */
  | { readonly kind: "undecided" }
  /** No root has a majority, and they differ. */
  | { readonly kind: "split" };

/**
 * Who differs: those whose root is not that of a majority of the voters, and in a joint configuration of both majorities.
 * Members that did not answer count against every majority, and differ from none.
 *
 * @param roots of those that answered
 */
export function judge(configuration: ConfigurationState, roots: ReadonlyMap<string, Uint8Array>): Judgement {
  const { voters, votersOutgoing } = configuration;
  const hex = new Map<string, string>();
  for (const [member, root] of roots) hex.set(member, hexEncode(root));
  const hasMajority = (root: string, of: readonly string[]): boolean =>
    of.length === 0 || 2 * of.filter((member) => hex.get(member) === root).length > of.length;
  const distinct = [...new Set(hex.values())].sort();
  const root = distinct.find((one) => hasMajority(one, voters) && hasMajority(one, votersOutgoing));
  if (root === undefined) return { kind: distinct.length > 1 ? "split" : "undecided" };
  return {
    kind: "majority",
    root,
    wrong: [...hex.keys()].filter((member) => hex.get(member) !== root).sort(),
  };
}

/** All that take part, sorted. */
export function membersOf(configuration: ConfigurationState): readonly string[] {
  const { voters, votersOutgoing, learners } = configuration;
  return [...new Set([...voters, ...votersOutgoing, ...learners])].sort();
}

/** Those whose word counts, sorted. */
export function votersOf({ voters, votersOutgoing }: ConfigurationState): readonly string[] {
  return [...new Set([...voters, ...votersOutgoing])].sort();
}
