import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { foundingMembership } from "#kv";
import { syncDirectory } from "./durable-file";
import { errorText } from "./error-fields";
import {
  type BootstrapMember,
  type DataIdentity,
  FORMAT_VERSION,
  identityPath,
  inOrderOfIds,
  readIdentity,
  writeIdentity,
} from "./identity";
import { createLog } from "./log-open";
import { createFirstState } from "./state-create";

/** A directory that belongs to one member of one cluster. */
export interface DataDirectory {
  readonly path: string;
  readonly identity: DataIdentity;
}

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
    /** Another process has it open. */
    | "locked";
  readonly message: string;
}

export type DataDirectoryOutcome =
  | { readonly kind: "opened"; readonly directory: DataDirectory; readonly created: boolean }
  | DirectoryRefusal;

/** There from the first step of a creation to its last: what lies beside it without an identity is half made. */
const CREATING_FILE = "creating";

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
    const madeFirst = await mkdir(path, { recursive: true });
    const found = await readdir(path);
    if (found.length > 0 && !found.includes(CREATING_FILE)) {
      return refusal(
        "not_ours",
        `${path} holds files but no ${identityPath("")}: give an empty --data-dir, or restore the whole directory`,
      );
    }
    const identity: DataIdentity = {
      formatVersion: FORMAT_VERSION,
      clusterId: options.clusterId,
      memberId: options.memberId,
      storeId: randomBytes(16).toString("hex"),
      members,
      origin: "bootstrap",
    };
    await create(path, identity, async () => {
      await createLog(logPath(path), { term: 0, index: 0 });
      await createFirstState(path, foundingMembership(members));
    });
    await syncParents(path, madeFirst ?? path);
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
          `${path} holds no data of a member: pass --bootstrap if this is the very first start of the cluster; if it held data before, replace this member instead`,
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
    await rm(join(path, CREATING_FILE), { force: true });
    return { kind: "opened", directory: { path, identity }, created: false };
  } catch (error) {
    return refusal("not_accessible", `${path} cannot be read: ${errorText(error)}`);
  }
}

/** The identity comes last, when everything that it vouches for is durable. */
async function create(path: string, identity: DataIdentity, makeStores: () => Promise<void>): Promise<void> {
  const marker = join(path, CREATING_FILE);
  await writeFile(marker, "");
  await syncDirectory(path);
  for (const name of await readdir(path)) {
    if (name !== CREATING_FILE) await rm(join(path, name), { recursive: true, force: true });
  }
  await makeStores();
  await syncDirectory(path);
  await writeIdentity(path, identity);
  await rm(marker);
  await syncDirectory(path);
}

/** Makes the entries of `path` and of the directories made above it, up to `madeFirst`, durable in their parents. */
async function syncParents(path: string, madeFirst: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    await syncDirectory(dirname(at));
    if (at === madeFirst || at === dirname(at)) return;
  }
}

function sameMembers(left: readonly BootstrapMember[], right: readonly BootstrapMember[]): boolean {
  return JSON.stringify(left.map(memberFields)) === JSON.stringify(right.map(memberFields));
}

function memberFields(member: BootstrapMember): readonly string[] {
  return [member.id, member.clientAddress, member.peerAddress];
}

export function refusal(reason: DirectoryRefusal["reason"], message: string): DirectoryRefusal {
  return { kind: "refused", reason, message };
}
