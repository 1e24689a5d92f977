/** Orders texts by UTF-16 code units, the same on every machine and in every locale. */
export function compareStrings(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The keys of a map or the items of a set in the order of compareStrings. */
export function sortedKeys(keys: { keys(): Iterable<string> }): string[] {
  return [...keys.keys()].sort(compareStrings);
}

/** The entries of a map in the order of their keys, for what must not depend on the order of insertion. */
export function sortedEntries<V>(map: ReadonlyMap<string, V>): [string, V][] {
  return [...map].sort(([left], [right]) => compareStrings(left, right));
}
