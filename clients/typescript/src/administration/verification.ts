import type {
  DivergedKey,
  MemberVerification,
  RepairMemberResponse,
  VerifyConsistencyResponse,
} from "@quorate/proto/cluster";
import { toHex } from "#client/bytes";
import { type Plain, plain } from "#client/plain";

/** What a member has in a comparison. */
export interface ComparedMember extends Plain<Omit<MemberVerification, "root">> {
  /** Its root in hexadecimal; empty where it did not answer. */
  readonly root: string;
}

/** What a member has otherwise than the majority. */
export type KeyDifference = "missing" | "added" | "different";

/** A key that differs; its bytes, for it need not be UTF-8. */
export interface DifferingKey extends Plain<Omit<DivergedKey, "difference">> {
  readonly difference: KeyDifference;
}

/** The result of a comparison of all replicas at one applied index. */
export interface ConsistencyReport extends Plain<Omit<VerifyConsistencyResponse, "members" | "diverged">> {
  /** The voters and learners, sorted by id. */
  readonly members: readonly ComparedMember[];
  /** At most 1,000 of the `divergedCount` keys that differ. */
  readonly diverged: readonly DifferingKey[];
}

/** What a repair did; nothing where nothing was wrong. */
export type RepairReport = Plain<RepairMemberResponse>;

export function consistencyReport(reply: VerifyConsistencyResponse): ConsistencyReport {
  const { members, diverged, ...rest } = reply;
  return {
    ...plain(rest),
    members: members.map((member) => ({ ...plain(member), root: toHex(member.root) })),
    diverged: diverged.map((found) => ({ ...plain(found), difference: differenceOf(found.difference) })),
  };
}

function differenceOf(name: string): KeyDifference {
  return name === "missing" || name === "added" ? name : "different";
}
