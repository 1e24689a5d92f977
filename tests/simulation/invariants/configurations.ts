import type { ConfigurationState } from "@quorate/services/kv";
import type { Index, MemberId } from "@quorate/services/raft";
import { broken } from "./invariant";

/** Who takes part from each index on, by the committed log (invariant 12). */
export class Configurations {
  private readonly changes: { readonly index: Index; readonly configuration: ConfigurationState }[];

  constructor(founding: ConfigurationState) {
    this.changes = [{ index: 0, configuration: founding }];
  }

  get latest(): ConfigurationState {
    return (this.changes.at(-1) as { configuration: ConfigurationState }).configuration;
  }

  /** What holds for a member that has applied everything up to `index`. */
  at(index: Index): ConfigurationState {
    for (let at = this.changes.length - 1; at > 0; at -= 1) {
      const change = this.changes[at];
      if (change !== undefined && change.index <= index) return change.configuration;
    }
    return (this.changes[0] as { configuration: ConfigurationState }).configuration;
  }

  /** The entry at `index` is committed, and makes this the configuration. */
  changed(index: Index, next: ConfigurationState): void {
    const fault = stepFault(this.latest, next);
    if (fault !== null) {
      broken(
        "a configuration follows on the one before",
        `entry ${index} makes ${configurationText(next)} of ${configurationText(this.latest)}: ${fault}`,
      );
    }
    this.changes.push({ index, configuration: next });
  }

  /**
   * A member acts by `present`, and has applied what comes up to one of these indexes: where a state was installed, the
   * core may not have heard yet of all that it has applied.
   */
  actsBy(member: MemberId, present: ConfigurationState, applied: readonly Index[]): void {
    const right = new Set(applied.map((index) => this.at(index)));
    if ([...right].some((configuration) => isEqual(configuration, present))) return;
    broken(
      "a member knows its configuration",
      `${member}, which has applied ${Math.max(...applied)} entries, acts by ${configurationText(present)} in place of ` +
        [...right].map(configurationText).join(", or "),
    );
  }
}

/** Whether those that are counted are a majority of each list of voters there is; nobody else counts. */
export function isQuorum(configuration: ConfigurationState, isCounted: (id: MemberId) => boolean): boolean {
  const { voters, votersOutgoing } = configuration;
  return [voters, votersOutgoing].every(
    (list) => list.length === 0 || 2 * list.filter(isCounted).length > list.length,
  );
}

export function isVoter({ voters, votersOutgoing }: ConfigurationState, id: MemberId): boolean {
  return voters.includes(id) || votersOutgoing.includes(id);
}

/** Such as "n1 n2 n3 (was n1 n2) + n4". */
export function configurationText(configuration: ConfigurationState): string {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  const parts = [voters.join(" ")];
  if (votersOutgoing.length > 0) parts.push(`(was ${votersOutgoing.join(" ")})`);
  if (learners.length > 0) parts.push(`+ ${learners.join(" ")}`);
  if (learnersNext.length > 0) parts.push(`next + ${learnersNext.join(" ")}`);
  return parts.join(" ");
}

/** Why quorums of the two need not meet, in words, or null (thesis 4.1 and 4.3). */
function stepFault(current: ConfigurationState, next: ConfigurationState): string | null {
  const { voters, votersOutgoing, learners, learnersNext } = next;
  if (voters.length === 0) return "nobody votes";
  const twice = [...voters, ...votersOutgoing].find((id) => learners.includes(id));
  if (twice !== undefined) return `${twice} votes and learns`;
  if (voters.some((id) => learnersNext.includes(id))) return "one that votes is to learn";
  if (learnersNext.some((id) => !votersOutgoing.includes(id)))
    return "one is to learn that does not vote now";
  if (current.votersOutgoing.length > 0) {
    if (votersOutgoing.length > 0) return "two joint configurations follow on each other";
    if (!isSame(voters, current.voters)) return "the voters change as the joint configuration is left";
    const left = [...current.learners, ...current.learnersNext];
    return isSame(learners, left) ? null : "the learners change as the joint configuration is left";
  }
  if (votersOutgoing.length > 0) {
    return isSame(votersOutgoing, current.voters) ? null : "the voters that go are not those that were there";
  }
  const changed = [
    ...voters.filter((id) => !current.voters.includes(id)),
    ...current.voters.filter((id) => !voters.includes(id)),
  ];
  return changed.length > 1 ? `${changed.join(", ")} change at once` : null;
}

function isEqual(left: ConfigurationState, right: ConfigurationState): boolean {
  return (
    left === right ||
    (isSame(left.voters, right.voters) &&
      isSame(left.votersOutgoing, right.votersOutgoing) &&
      isSame(left.learners, right.learners) &&
      isSame(left.learnersNext, right.learnersNext) &&
      left.autoLeave === right.autoLeave)
  );
}

function isSame(left: readonly MemberId[], right: readonly MemberId[]): boolean {
  return left.length === right.length && left.every((id) => right.includes(id));
}
