/** What the cluster knows of a member beside its part. Addresses are "host:port". */
export interface MemberInfo {
  readonly memberId: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  /** A leader hands over to an equally complete voter of a higher one. 0: leads only where nobody else can. */
  readonly priority: number;
  /** A learner that the leader makes a voter as soon as it has caught up. */
  readonly promoteWhenCaughtUp: boolean;
  /** The member that leaves when this learner is promoted; empty for none. */
  readonly replaces: string;
}

export interface MemberState extends MemberInfo {
  /** The data directory that may speak for it; null until it introduced itself. */
  readonly storeId: string | null;
}

/** Who takes part, as the consensus core has it (see raft's Configuration, which is of the same shape). */
export interface ConfigurationState {
  readonly voters: readonly string[];
  readonly votersOutgoing: readonly string[];
  readonly learners: readonly string[];
  readonly learnersNext: readonly string[];
  readonly autoLeave: boolean;
}

export interface MembershipState {
  /** How many changes of the configuration were applied: of two members the one with fewer knows less. */
  readonly epoch: number;
  readonly configuration: ConfigurationState;
  /** Those that are in any list of the configuration, sorted by id. */
  readonly members: readonly MemberState[];
  /** Data directories of members that were removed, oldest first: none of them may speak for anyone again. */
  readonly retiredStores: readonly string[];
}

export const PRIORITY_DEFAULT = 100;
export const PRIORITY_MAX = 1000;

/** Before a cluster has members. */
export const NO_MEMBERS: MembershipState = {
  epoch: 0,
  configuration: { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
  members: [],
  retiredStores: [],
};

/** The membership that a cluster begins with: all of them vote. */
export function foundingMembership(
  members: readonly { readonly id: string; readonly clientAddress: string; readonly peerAddress: string }[],
): MembershipState {
  const sorted = [...members].sort((left, right) => (left.id < right.id ? -1 : left.id > right.id ? 1 : 0));
  return {
    ...NO_MEMBERS,
    configuration: { ...NO_MEMBERS.configuration, voters: sorted.map(({ id }) => id) },
    members: sorted.map(({ id, clientAddress, peerAddress }) => ({
      memberId: id,
      clientAddress,
      peerAddress,
      storeId: null,
      priority: PRIORITY_DEFAULT,
      promoteWhenCaughtUp: false,
      replaces: "",
    })),
  };
}
