/** Why a directory is not opened. `message` is one line that says what to do. */
export interface DirectoryRefusal {
  readonly kind: "refused";
  readonly reason:
    | "not_bootstrapped"
    /** It holds files, but no identity: something else's, or a member's that lost its identity. */
    | "not_ours"
    | "other_member"
    | "other_cluster"
    | "other_members"
    | "unknown_format"
    | "damaged"
    | "not_accessible"
    /** It is to be made from an image, and is a member's already. */
    | "already_made"
    /** Another process has it open. */
    | "locked";
  readonly message: string;
}

export function refusal(reason: DirectoryRefusal["reason"], message: string): DirectoryRefusal {
  return { kind: "refused", reason, message };
}
