import type { Configuration } from "./configuration";
import type { MemberId } from "./entry";
import type { Message, PreVoteMessage, Proposal, VoteMessage } from "./message";
import type {
  ProposeConfigurationOutcome,
  ProposeOutcome,
  ReadIndexOutcome,
  StepOutcome,
  TransferOutcome,
} from "./outcome";
import type { ProgressStatus, RoleName } from "./status";

/** What a role is asked to handle: votes are the same in each and handled before it. */
export type RoleMessage = Exclude<Message, VoteMessage | PreVoteMessage>;

/** What a member does in one role. State that exists in one role only lives in its class. */
export interface Role {
  readonly name: RoleName;
  tick(): void;
  /** A message of this member's term, or one without a term. */
  step(message: RoleMessage): StepOutcome;
  propose(proposals: readonly Proposal[]): ProposeOutcome;
  proposeConfiguration(next: Configuration, data: Uint8Array): ProposeConfigurationOutcome;
  readIndex(context: string): ReadIndexOutcome;
  transferLeadership(target: MemberId): TransferOutcome;
  forgetLeader(): void;
  /** The connection to that member was reset. */
  onReset(id: MemberId): void;
  /** A message to that member was lost. */
  onUnreachable(id: MemberId): void;
  /** So many bytes of commands were applied. */
  onApplied(payloadBytes: number): void;
  /** The member has another configuration now. */
  onConfiguration(): void;
  /** Tells those to whom it is news what is committed. */
  tellCommit(): void;
  readonly hasCommitToTell: boolean;
  readonly transferTarget: MemberId | null;
  /** Whether it may read, at this moment, without asking anybody. */
  readonly hasLease: boolean;
  progressStatus(): readonly ProgressStatus[] | null;
}
