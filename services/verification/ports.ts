import type { KeyRange, NamespaceState, StoredRecord } from "#kv";
import type { Clock, Digest, Replica, Scheduler, StateStore } from "#replica";

/** The part of a replica that is verified. */
export interface VerifiedReplica
  extends Pick<
    Replica,
    | "id"
    | "isLeader"
    | "leader"
    | "membership"
    | "meta"
    | "resident"
    | "proposeVerify"
    | "exclusive"
    | "reinstall"
    | "transferLeadership"
  > {
  readonly state: Pick<StateStore, "freeze" | "records" | "repair">;
  namespaces(): readonly Pick<NamespaceState, "id" | "name" | "generation">[];
  status(): { readonly appliedIndex: number };
}

/** Keys of one generation of a namespace. */
export interface KeySpaceRange extends KeyRange {
  readonly namespaceId: number;
  readonly generation: number;
}

/** A range of keys and its hash. It ends where the next one of its generation starts. */
export interface BucketHash {
  readonly namespaceId: number;
  readonly generation: number;
  /** Inclusive; empty for the start of the namespace. */
  readonly start: Uint8Array;
  /** 16 bytes. */
  readonly hash: Uint8Array;
  readonly keys: number;
}

/** A key with the hash of its record. */
export interface KeyHash {
  readonly key: Uint8Array;
  /** 16 bytes. */
  readonly hash: Uint8Array;
}

/** What a member found in a round. */
export interface RoundRoot {
  readonly kind: "done";
  /** Over all that is replicated, 32 bytes. */
  readonly root: Uint8Array;
  /** Of what is kept beside the records, 32 bytes. */
  readonly residentHash: Uint8Array;
  /** The index of the round's entry. */
  readonly appliedIndex: number;
  readonly keys: number;
  readonly buckets: number;
}

/** `pending`: not begun or not done yet; `unknown`: left out or forgotten. */
export type RootAnswer = RoundRoot | { readonly kind: "pending" } | { readonly kind: "unknown" };

/** Records to repair a replica with. */
export interface RepairQuery {
  readonly namespaceId: number;
  readonly generation: number;
  readonly keys: readonly Uint8Array[];
  /** Of each key the newest version that is not newer than this. */
  readonly revision: number;
  /** Answered once this is applied. */
  readonly appliedIndex: number;
}

export type RecordsAnswer =
  /** Those that were there, in the order asked for. */
  | { readonly kind: "records"; readonly records: readonly StoredRecord[] }
  /** History was given up or truncated meanwhile, or it is not applied there yet. */
  | { readonly kind: "unreadable" }
  /** Ask for fewer at a time. */
  | { readonly kind: "too_large" };

/**
 * Asks other members' verifiers (Verifier.answerRoot and so on). All of it may reject, or never settle: the verifier has
 * deadlines of its own.
 */
export interface VerificationPeers {
  root(member: string, round: number): Promise<RootAnswer>;
  /** In the order of namespaces and keys; null where the round is not known there. */
  buckets(member: string, round: number): Promise<readonly BucketHash[] | null>;
  /** The first KEYS_ANSWER_MAX keys of a range or fewer, in order; null where the round cannot be read there any more. */
  keys(member: string, round: number, range: KeySpaceRange): Promise<readonly KeyHash[] | null>;
  records(member: string, query: RepairQuery): Promise<RecordsAnswer>;
}

/** Keys in one answer at most; and their bytes, roughly. */
export const KEYS_ANSWER_MAX = 2048;
export const KEYS_ANSWER_BYTES_MAX = 512 * 1024;
/** Bytes of records in one answer at most, unless it is one record. */
export const RECORDS_ANSWER_BYTES_MAX = 1024 * 1024;

/** How a member has a key, seen from the majority. */
export type Difference = "missing" | "added" | "different";

export interface DivergedKey {
  readonly member: string;
  readonly namespaceId: number;
  readonly generation: number;
  readonly key: Uint8Array;
  readonly difference: Difference;
}

/** What became of a repair of this member's own state. */
export type RepairOutcome =
  | { readonly kind: "records"; readonly from: string; readonly records: number }
  | { readonly kind: "state"; readonly from: string }
  /** What was to be had changed meanwhile, or nobody could be asked: the next round tells. */
  | { readonly kind: "put_off"; readonly why: string };

/** What an operator and metrics want to hear of. All of it optional. */
export interface VerificationObserver {
  /** A round was hashed. busyMs: the time that it took from others, or more: it includes waiting for reads. */
  hashed?(round: HashedRound): void;
  /** The leader compared all members. */
  compared?(comparison: Comparison): void;
  /** This member differs from the majority of voters, and is about to repair itself from `from`. */
  differs?(found: { readonly round: number; readonly from: string }): void;
  repaired?(outcome: RepairOutcome): void;
}

export interface HashedRound {
  readonly round: number;
  readonly appliedIndex: number;
  readonly root: Uint8Array;
  readonly keys: number;
  readonly buckets: number;
  /** Buckets and keys that were read and hashed; the others were known. */
  readonly bucketsHashed: number;
  readonly keysHashed: number;
  readonly busyMs: number;
}

/** What a member has in a comparison. */
export interface MemberComparison {
  readonly member: string;
  readonly isVoter: boolean;
  readonly answered: boolean;
  /** Whether it has what the majority of voters has; false where it did not answer or there is no majority. */
  readonly agrees: boolean;
  /**
   * Whether it is known to differ: from the majority, or from others where there is none. One that neither agrees nor
   * differs could not be compared.
   */
  readonly differs: boolean;
  /** Empty where it did not answer. */
  readonly root: Uint8Array;
  readonly keys: number;
}

/** All members at one applied index, as the leader found them. */
export interface Comparison {
  readonly kind: "compared";
  readonly round: number;
  readonly appliedIndex: number;
  /** Whether all that answered have the same root, and a majority of the voters did. */
  readonly consistent: boolean;
  /** Whether no root has a majority of the voters though those that answered differ: nobody can be told to be wrong. */
  readonly isSplit: boolean;
  /** Voters and learners, sorted by id. */
  readonly members: readonly MemberComparison[];
  /** Keys that differ, at most DIVERGED_KEYS_MAX; none where only what is kept beside the records differs. */
  readonly diverged: readonly DivergedKey[];
  readonly divergedCount: number;
  /** Members that differ beside their records, or in too many of them: only the whole state helps them. */
  readonly wholeState: readonly string[];
  /** Bytes of the answers that it took. */
  readonly bytesMoved: number;
}

export const DIVERGED_KEYS_MAX = 1000;

export type VerifyOutcome =
  | Comparison
  | { readonly kind: "not_leader"; readonly leaderId: string | null }
  /** The round could not be begun, or was given up, as when the leader changed or a snapshot was installed. */
  | { readonly kind: "failed"; readonly why: string };

export type RepairMemberOutcome =
  | {
      readonly kind: "repaired";
      /** 0 where nothing was wrong, or the whole state was taken. */
      readonly records: number;
      readonly stateReplaced: boolean;
      readonly bytesMoved: number;
    }
  | { readonly kind: "not_leader"; readonly leaderId: string | null }
  | { readonly kind: "unknown_member" }
  /** It did not answer, no majority knows better, or it still differed when the time was up. */
  | { readonly kind: "failed"; readonly why: string };

export interface VerificationStatus {
  /** The newest round that was hashed here; 0 for none. */
  readonly round: number;
  readonly appliedIndex: number;
  /** Empty before the first round. */
  readonly root: Uint8Array;
  readonly keys: number;
  readonly buckets: number;
  /** Of them, how many were written to since they were hashed. */
  readonly dirtyBuckets: number;
  /** The newest round in which all members that answered were equal, a majority of voters among them; on the leader. */
  readonly agreedRound: number;
  /** Members that differ from the majority as of the last comparison that could tell; on the leader. */
  readonly diverged: readonly string[];
  /** Whether the last comparison found no majority; on the leader. */
  readonly isSplit: boolean;
  /** Whether this member knows that itself differs from the majority. */
  readonly isWrong: boolean;
  /** Keys that were found to differ last, on this member as leader, or in itself until it was found to be right. */
  readonly lastDiverged: readonly DivergedKey[];
  /** Since the start. */
  readonly recordsRepaired: number;
  readonly statesReplaced: number;
  /** Bytes of answers that this member took from others, and gave. */
  readonly bytesMoved: number;
  readonly bytesServed: number;
  /** Rounds, keys hashed and time taken, since the start. */
  readonly rounds: number;
  readonly keysHashed: number;
  readonly hashingMs: number;
}

/** How often and how fast. */
export interface VerificationLimits {
  /** Between rounds that the leader begins by itself, where records were changed; 0: none by itself. */
  readonly intervalMs: number;
  /** The same where nothing was changed: what lies there is read again. */
  readonly idleIntervalMs: number;
  /** A round may take one part in so many of the time. */
  readonly shareOfTime: number;
  /** Keys that are hashed between two turns of the event loop. */
  readonly keysPerTurn: number;
  /** Keys that no write touched and that are read again in each round, in rotation. */
  readonly scrubKeys: number;
  /** How long others are waited for to finish a round, beside the time that it took here. */
  readonly patienceMs: number;
  /** How long one question may take. */
  readonly questionMs: number;
  /** Rounds that can be asked for. */
  readonly roundsKept: number;
  /** How long the state of a round in which members differ is kept to be read again. */
  readonly frozenMs: number;
  /** Records that are repaired one by one; beyond it the whole state is taken. */
  readonly repairKeysMax: number;
}

export const DEFAULT_VERIFICATION_LIMITS: VerificationLimits = {
  intervalMs: 10_000,
  idleIntervalMs: 60_000,
  shareOfTime: 50,
  keysPerTurn: 256,
  scrubKeys: 65_536,
  patienceMs: 15_000,
  questionMs: 5_000,
  roundsKept: 4,
  frozenMs: 60_000,
  repairKeysMax: 10_000,
};

export interface VerifierOptions {
  readonly replica: VerifiedReplica;
  readonly peers: VerificationPeers;
  readonly digest: Digest;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly scheduler: Pick<Scheduler, "afterThisTurn">;
  readonly observer?: VerificationObserver;
  readonly limits?: Partial<VerificationLimits>;
}
