import type { DatabaseSnapshot } from "./database";
import type { DatabaseHandle } from "./database-handle";
import type { KeySpace } from "./key-hash";
import type { RecordSource } from "./record-source";
import { modRevisionOf, readVersion, type Version } from "./version-records";
import { VersionWalk } from "./version-walk";

export interface VersionParts {
  readonly handle: DatabaseHandle;
  readonly source: RecordSource;
  readonly snapshot: DatabaseSnapshot;
}

/** What keys of one generation were at a revision that is still readable, in their order. @param newest their `newest` rows */
export async function versionsAt(
  { handle, source, snapshot }: VersionParts,
  query: KeySpace & { readonly revision: number },
  newest: readonly { readonly key: Uint8Array; readonly row: Uint8Array }[],
): Promise<readonly Version[]> {
  const { revision } = query;
  if (newest.every(({ row }) => modRevisionOf(row) <= revision)) {
    return newest.map(({ key, row }) => readVersion(key, row));
  }
  const walk = new VersionWalk(handle, source, query, snapshot);
  try {
    const rows = await walk.versions(newest.map((each) => ({ ...each, revision, asTold: false })));
    return rows.map((row, at) => readVersion((newest[at] as { readonly key: Uint8Array }).key, row));
  } finally {
    await walk.close();
  }
}
