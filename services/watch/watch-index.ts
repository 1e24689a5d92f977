import { byteKey, type Change } from "#kv";
import { isWanted, onlyKeyOf, type Wanted } from "./filter";

/** What of a watch decides where it is found. */
export interface Indexed {
  readonly spec: Wanted & { readonly withPrevious: boolean };
}

/** Watches of one namespace that tell the same changes in the same way. */
export interface WatchGroup<W extends Indexed> {
  readonly spec: W["spec"];
  readonly watches: Set<W>;
}

interface NamespaceWatches<W extends Indexed> {
  /** By nameOf() what they want. */
  readonly groups: Map<string, WatchGroup<W>>;
  /** Those of one key, by byteKey(). */
  readonly ofKeys: Map<string, Set<WatchGroup<W>>>;
  readonly ofRanges: Set<WatchGroup<W>>;
}

/**
 * Finds the watches that tell a change, those that want the same together: those of one key by that key, the others group
 * by group.
 */
export class WatchIndex<W extends Indexed> {
  private readonly namespaces = new Map<number, NamespaceWatches<W>>();

  add(namespaceId: number, watch: W): void {
    let namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined) {
      namespace = { groups: new Map(), ofKeys: new Map(), ofRanges: new Set() };
      this.namespaces.set(namespaceId, namespace);
    }
    const name = nameOf(watch.spec);
    let group = namespace.groups.get(name);
    if (group === undefined) {
      group = { spec: watch.spec, watches: new Set() };
      namespace.groups.set(name, group);
      addGroup(namespace, group);
    }
    group.watches.add(watch);
  }

  /** Safe for one that is not there. */
  remove(namespaceId: number, watch: W): void {
    const namespace = this.namespaces.get(namespaceId);
    if (namespace === undefined) return;
    const name = nameOf(watch.spec);
    const group = namespace.groups.get(name);
    if (group === undefined) return;
    group.watches.delete(watch);
    if (group.watches.size > 0) return;
    namespace.groups.delete(name);
    removeGroup(namespace, group);
    if (namespace.groups.size === 0) this.namespaces.delete(namespaceId);
  }

  /** Calls with each group that tells the change. */
  forEachWanting(change: Change, visit: (group: WatchGroup<W>) => void): void {
    const namespace = this.namespaces.get(change.namespaceId);
    if (namespace === undefined) return;
    for (const group of nearOf(namespace, change)) if (isWanted(group.spec, change)) visit(group);
  }

  /** All of a namespace. */
  of(namespaceId: number): readonly W[] {
    const groups = this.namespaces.get(namespaceId)?.groups.values() ?? [];
    return [...groups].flatMap(({ watches }) => [...watches]);
  }
}

function addGroup<W extends Indexed>({ ofKeys, ofRanges }: NamespaceWatches<W>, group: WatchGroup<W>): void {
  const key = onlyKeyOf(group.spec.range);
  if (key === null) {
    ofRanges.add(group);
    return;
  }
  const sameKey = ofKeys.get(byteKey(key));
  if (sameKey === undefined) ofKeys.set(byteKey(key), new Set([group]));
  else sameKey.add(group);
}

function removeGroup<W extends Indexed>(
  { ofKeys, ofRanges }: NamespaceWatches<W>,
  group: WatchGroup<W>,
): void {
  ofRanges.delete(group);
  const key = onlyKeyOf(group.spec.range);
  if (key === null) return;
  const sameKey = ofKeys.get(byteKey(key));
  sameKey?.delete(group);
  if (sameKey?.size === 0) ofKeys.delete(byteKey(key));
}

/** Those that the change may concern; their filters are still to be asked. */
function* nearOf<W extends Indexed>(
  { groups, ofKeys, ofRanges }: NamespaceWatches<W>,
  change: Change,
): Iterable<WatchGroup<W>> {
  if (change.kind === "truncate") {
    yield* groups.values();
    return;
  }
  yield* ofRanges;
  const key = change.kind === "put" ? change.record.key : change.key;
  if (ofKeys.size > 0) yield* ofKeys.get(byteKey(key)) ?? [];
}

/** The same for two only where they tell the same. */
function nameOf({ range: { start, end }, puts, deletes, withPrevious }: Indexed["spec"]): string {
  const bounds = end === null ? byteKey(start) : `${byteKey(start)}${byteKey(end)}`;
  return `${puts} ${deletes} ${withPrevious} ${start.length} ${end?.length ?? "open"} ${bounds}`;
}
