export { BucketMap } from "./bucket-map";
export { type Judgement, judge } from "./judgement";
export { Pace } from "./pace";
export {
  type BucketHash,
  type Comparison,
  DEFAULT_VERIFICATION_LIMITS,
  DIVERGED_KEYS_MAX,
  type Difference,
  type DivergedKey,
  type HashedRound,
  KEYS_ANSWER_MAX,
  type KeyHash,
  type KeySpaceRange,
  type MemberComparison,
  type RecordsAnswer,
  type RepairMemberOutcome,
  type RepairOutcome,
  type RepairQuery,
  type RootAnswer,
  type RoundRoot,
  type VerificationLimits,
  type VerificationObserver,
  type VerificationPeers,
  type VerificationStatus,
  type VerifiedReplica,
  type VerifierOptions,
  type VerifyOutcome,
} from "./ports";
export { type FrozenRound, RoundHasher } from "./round-hasher";
export { Verifier, verifyReplica } from "./verifier";
