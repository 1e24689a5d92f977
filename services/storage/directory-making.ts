import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type DirectoryRefusal, refusal } from "./directory-refusal";
import { syncDirectory } from "./durable-file";
import { type DataIdentity, FORMAT_VERSION, identityPath, writeIdentity } from "./identity";

/** There from the first step of a creation to its last: what lies beside it without an identity is half made. */
const CREATING_FILE = "creating";

/** A directory without an identity, marked as one that is being made. */
export interface DirectoryPlace {
  readonly path: string;
  /** The first of the directories above it that was made for it, or itself. */
  readonly madeFirst: string;
}

/** Marks a directory, and frees it of what a crash left half made. Rejects with errors of the file system. */
export async function beginMaking(
  path: string,
): Promise<{ readonly kind: "begun"; readonly place: DirectoryPlace } | DirectoryRefusal> {
  const madeFirst = (await mkdir(path, { recursive: true })) ?? path;
  const found = await readdir(path);
  if (found.length > 0 && !found.includes(CREATING_FILE)) {
    return refusal(
      "not_ours",
      `${path} holds files but no ${identityPath("")}: give an empty --data-dir, or restore the whole directory`,
    );
  }
  await writeFile(join(path, CREATING_FILE), "");
  await syncDirectory(path);
  await removeContents(path);
  return { kind: "begun", place: { path, madeFirst } };
}

/** The identity comes last, when everything that it vouches for is durable. */
export async function finishMaking(
  { path, madeFirst }: DirectoryPlace,
  identity: DataIdentity,
): Promise<void> {
  await syncDirectory(path);
  await writeIdentity(path, identity);
  await forgetMaking(path);
  await syncParents(path, madeFirst);
}

/** Leaves an empty directory. */
export async function giveUpMaking({ path }: DirectoryPlace): Promise<void> {
  await removeContents(path);
  await forgetMaking(path);
}

/** A crash may have left the mark in a directory that is whole. */
export async function forgetMaking(path: string): Promise<void> {
  await rm(join(path, CREATING_FILE), { force: true });
  await syncDirectory(path);
}

export function drawnIdentity(
  fields: Pick<DataIdentity, "clusterId" | "memberId" | "members" | "origin">,
): DataIdentity {
  const { clusterId, memberId, members, origin } = fields;
  const storeId = randomBytes(16).toString("hex");
  return { formatVersion: FORMAT_VERSION, clusterId, memberId, storeId, members, origin };
}

async function removeContents(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (name !== CREATING_FILE) await rm(join(path, name), { recursive: true, force: true });
  }
}

/** Makes the entries of `path` and of the directories made above it, up to `madeFirst`, durable in their parents. */
async function syncParents(path: string, madeFirst: string): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    await syncDirectory(dirname(at));
    if (at === madeFirst || at === dirname(at)) return;
  }
}
