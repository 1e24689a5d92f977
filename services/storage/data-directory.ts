import { join, resolve } from "node:path";
import { foundingMembership } from "#kv";
import { beginMaking, drawnIdentity, finishMaking, forgetMaking } from "./directory-making";
import { type DirectoryRefusal, refusal } from "./directory-refusal";
import { errorText } from "./error-fields";
import {
  type BootstrapMember,
  type DataIdentity,
  FORMAT_VERSION,
  identityPath,
  inOrderOfIds,
  readIdentity,
} from "./identity";
import { createLog } from "./log-open";
import { createFirstState } from "./state-create";

/** A directory that belongs to one member of one cluster. */
export interface DataDirectory {
  readonly path: string;
  readonly identity: DataIdentity;
}

export type DataDirectoryOutcome =
  | { readonly kind: "opened"; readonly directory: DataDirectory; readonly created: boolean }
  | DirectoryRefusal;

/** What tells a log directory apart. */
export function logPath(dataPath: string): string {
  return join(dataPath, "log");
}

/**
 * Makes the directory of a member at the first start of its cluster (--bootstrap); finishes one that a crash left half
 * made, and opens one that is there already with the same identity.
 */
export async function createDataDirectory(options: {
  readonly path: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly members: readonly BootstrapMember[];
}): Promise<DataDirectoryOutcome> {
  const path = resolve(options.path);
  const members = inOrderOfIds(options.members);
  try {
    const read = await readIdentity(path);
    if (read.kind !== "missing") {
      const outcome = await openDataDirectory(options);
      if (outcome.kind === "refused" || sameMembers(outcome.directory.identity.members, members))
        return outcome;
      return refusal(
        "other_members",
        `${path} was bootstrapped with other members than those given: start it without --bootstrap, or with an empty --data-dir`,
      );
    }
    const begun = await beginMaking(path);
    if (begun.kind === "refused") return begun;
    const { clusterId, memberId } = options;
    const identity = drawnIdentity({ clusterId, memberId, members, origin: "bootstrap" });
    await createLog(logPath(path), { term: 0, index: 0 });
    await createFirstState(path, foundingMembership(members));
    await finishMaking(begun.place, identity);
    return { kind: "opened", directory: { path, identity }, created: true };
  } catch (error) {
    return refusal("not_accessible", `${path} cannot be made into a data directory: ${errorText(error)}`);
  }
}

/** Opens a directory that was made before; never makes one, so that a wiped disk does not come back as a voter. */
export async function openDataDirectory(options: {
  readonly path: string;
  /** null to take the one that is stored. */
  readonly clusterId: string | null;
  readonly memberId: string;
}): Promise<DataDirectoryOutcome> {
  const path = resolve(options.path);
  try {
    const read = await readIdentity(path);
    switch (read.kind) {
      case "missing":
        return refusal(
          "not_bootstrapped",
          `${path} holds no data of a member: pass --bootstrap if this is the very first start of the cluster, or --join to add a new member to a running one; if it held data before, replace this member instead`,
        );
      case "damaged":
        return refusal(
          "damaged",
          `${identityPath(path)} is damaged: restore the whole directory, or replace this member`,
        );
      case "unknown_format":
        return refusal(
          "unknown_format",
          `${path} has format ${read.formatVersion}, this version reads ${FORMAT_VERSION}: start the version of quorate that wrote it`,
        );
      case "found":
        break;
    }
    const { identity } = read;
    if (identity.memberId !== options.memberId) {
      return refusal(
        "other_member",
        `${path} belongs to member ${identity.memberId}, not ${options.memberId}: check --id and --data-dir`,
      );
    }
    if (options.clusterId !== null && identity.clusterId !== options.clusterId) {
      return refusal(
        "other_cluster",
        `${path} belongs to cluster ${identity.clusterId}, not ${options.clusterId}: check --cluster-id and --data-dir`,
      );
    }
    await forgetMaking(path);
    return { kind: "opened", directory: { path, identity }, created: false };
  } catch (error) {
    return refusal("not_accessible", `${path} cannot be read: ${errorText(error)}`);
  }
}

function sameMembers(left: readonly BootstrapMember[], right: readonly BootstrapMember[]): boolean {
  return JSON.stringify(left.map(memberFields)) === JSON.stringify(right.map(memberFields));
}

function memberFields(member: BootstrapMember): readonly string[] {
  return [member.id, member.clientAddress, member.peerAddress];
}
