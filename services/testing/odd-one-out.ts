import type { MemberId } from "@quorate/services/raft";

/** Who differs from whom, and how. */
export interface Differing {
  readonly node: MemberId;
  /** Such as "n1 and n3". */
  readonly others: string;
  /** Such as "n2 has 76, n1 and n3 have 77". */
  readonly text: string;
}

/**
 * The node that fewest others agree with, or null where all agree.
 *
 * @param show what a node has, in words
 * @param identity what is compared, where the words leave something out
 */
export function oddOneOut<Side extends { readonly id: MemberId }>(
  sides: readonly Side[],
  show: (side: Side) => string,
  identity: (side: Side) => string = show,
): Differing | null {
  const camps = new Map<string, Side[]>();
  for (const side of sides) {
    const camp = camps.get(identity(side));
    if (camp === undefined) camps.set(identity(side), [side]);
    else camp.push(side);
  }
  if (camps.size <= 1) return null;
  // The camp of the first side stays first among equals, so of two nodes the second is the odd one.
  const [odd, ...rest] = [...camps.values()].reverse().sort((left, right) => left.length - right.length);
  const firstOdd = (odd as Side[])[0] as Side;
  return {
    node: firstOdd.id,
    others: namesOf(rest.flat()),
    text: [odd as Side[], ...rest]
      .map((camp) => `${namesOf(camp)} ${camp.length === 1 ? "has" : "have"} ${show(camp[0] as Side)}`)
      .join(", "),
  };
}

function namesOf(sides: readonly { readonly id: MemberId }[]): string {
  const names = sides.map(({ id }) => id).sort();
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
