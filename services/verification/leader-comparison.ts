import type { ConfigurationState } from "#kv";
import { EMPTY_BYTES, hexEncode } from "#std";
import type { Inspection } from "./inspection";
import { type Judgement, judge, membersOf, votersOf } from "./judgement";
import { type Comparison, DIVERGED_KEYS_MAX, type DivergedKey, type RoundRoot } from "./ports";

export interface ComparedRoots {
  readonly round: number;
  readonly appliedIndex: number;
  readonly configuration: ConfigurationState;
  /** Of those that answered, the leader among them. */
  readonly roots: ReadonlyMap<string, RoundRoot>;
}

/** What the leader makes of the roots of a round: who differs, and in what. */
export async function compareMembers(
  compared: ComparedRoots,
  inspection: Inspection,
  self: string,
  repairKeysMax: number,
): Promise<Omit<Comparison, "bytesMoved">> {
  const { round, appliedIndex, configuration, roots } = compared;
  const judgement = judgeRoots(configuration, roots);
  const wrong = judgement.kind === "majority" ? judgement.wrong : [];
  const diverged: DivergedKey[] = [];
  const wholeState: string[] = [];
  let divergedCount = 0;
  for (const member of wrong) {
    const right = donorOf(judgement, roots, configuration, self);
    if (right === null) break;
    const located = await inspection.locate(round, { wrong: member, right }, repairKeysMax);
    if (located?.isCut === true || !isSameBeside(roots.get(member), roots.get(right)))
      wholeState.push(member);
    if (located === null) continue;
    divergedCount += located.keys.length;
    for (const { namespaceId, generation, key, difference } of located.keys) {
      if (diverged.length >= DIVERGED_KEYS_MAX) break;
      diverged.push({ member, namespaceId, generation, key, difference });
    }
  }
  const voters = new Set(votersOf(configuration));
  return {
    kind: "compared",
    round,
    appliedIndex,
    consistent: judgement.kind === "majority" && wrong.length === 0,
    isSplit: judgement.kind === "split",
    members: membersOf(configuration).map((member) => {
      const root = roots.get(member);
      return {
        member,
        isVoter: voters.has(member),
        answered: root !== undefined,
        agrees: judgement.kind === "majority" && root !== undefined && !wrong.includes(member),
        differs: root !== undefined && (judgement.kind === "split" || wrong.includes(member)),
        root: root?.root ?? EMPTY_BYTES,
        keys: root?.keys ?? 0,
      };
    }),
    diverged,
    divergedCount,
    wholeState,
  };
}

export function judgeRoots(
  configuration: ConfigurationState,
  roots: ReadonlyMap<string, RoundRoot>,
): Judgement {
  return judge(configuration, new Map([...roots].map(([member, { root }]) => [member, root])));
}

/** A voter of the majority to take the right state from: the preferred one if it is, else the first. null for none. */
export function donorOf(
  judgement: Judgement,
  roots: ReadonlyMap<string, RoundRoot>,
  configuration: ConfigurationState,
  preferred: string | null,
): string | null {
  if (judgement.kind !== "majority") return null;
  const right = votersOf(configuration).filter((member) => {
    const root = roots.get(member);
    return root !== undefined && hexEncode(root.root) === judgement.root;
  });
  return right.find((member) => member === preferred) ?? right[0] ?? null;
}

/** Whether two members have the same beside their records. */
export function isSameBeside(left: RoundRoot | undefined, right: RoundRoot | undefined): boolean {
  return (
    left !== undefined &&
    right !== undefined &&
    hexEncode(left.residentHash) === hexEncode(right.residentHash)
  );
}
