import type { StoredRecord } from "@quorate/services/kv";
import type { Random } from "@quorate/services/std";
import type { Caller } from "./caller";
import { LINEARIZABLE } from "./recorded-caller";

/**
 * Reads several keys as of one revision: the first read is linearizable and says at which, the others ask for it, each at
 * whatever member. null where that did not come through, be it that the revision was given up meanwhile.
 */
export async function readSnapshot(
  caller: Caller,
  keys: readonly string[],
  random: Random,
): Promise<ReadonlyMap<string, StoredRecord | null> | null> {
  const [first, ...others] = keys;
  const found = new Map<string, StoredRecord | null>();
  if (first === undefined) return found;
  const read = await caller.read(first, LINEARIZABLE, random.below(3) === 0);
  if (read === null) return null;
  found.set(first, read.record);
  const { revision } = read.point;
  if (revision === 0) {
    for (const key of others) found.set(key, null);
    return found;
  }
  for (const key of others) {
    const isStale = random.below(2) === 0;
    const request = isStale
      ? ({ consistency: "stale", minRevision: revision, maxStalenessMs: 0, revision } as const)
      : { ...LINEARIZABLE, revision };
    const again = await caller.read(key, request, isStale);
    if (again === null) return null;
    found.set(key, again.record);
  }
  return found;
}
