import { byteKey, type Change } from "#kv";
import { onlyKeyOf } from "./filter";
import type { WatchSpec } from "./watch";

/** What of a watch decides where it is found. */
export interface Indexed {
  readonly spec: Pick<WatchSpec, "range">;
}

interface NamespaceWatches<W> {
  /** Watches of one key, by byteKey(). */
  readonly ofKeys: Map<string, Set<W>>;
  readonly ofRanges: Set<W>;
}

/** Finds the watches that a change may concern: those of one key by that key, the others one by one. */
export class WatchIndex<W extends Indexed> {
  private readonly namespaces = new Map<number, NamespaceWatches<W>>();

  add(namespaceId: number, watch: W): void {
    let watches = this.namespaces.get(namespaceId);
    if (watches === undefined) {
      watches = { ofKeys: new Map(), ofRanges: new Set() };
      this.namespaces.set(namespaceId, watches);
    }
    const key = onlyKeyOf(watch.spec.range);
    if (key === null) {
      watches.ofRanges.add(watch);
      return;
    }
    const name = byteKey(key);
    const sameKey = watches.ofKeys.get(name);
    if (sameKey === undefined) watches.ofKeys.set(name, new Set([watch]));
    else sameKey.add(watch);
  }

  /** Safe for one that is not there. */
  remove(namespaceId: number, watch: W): void {
    const watches = this.namespaces.get(namespaceId);
    if (watches === undefined) return;
    watches.ofRanges.delete(watch);
    const key = onlyKeyOf(watch.spec.range);
    if (key !== null) {
      const name = byteKey(key);
      const sameKey = watches.ofKeys.get(name);
      sameKey?.delete(watch);
      if (sameKey?.size === 0) watches.ofKeys.delete(name);
    }
    if (watches.ofRanges.size === 0 && watches.ofKeys.size === 0) this.namespaces.delete(namespaceId);
  }

  /** Those that the change may concern; their filters are still to be asked. */
  forEachNear(change: Change, visit: (watch: W) => void): void {
    const watches = this.namespaces.get(change.namespaceId);
    if (watches === undefined) return;
    for (const watch of watches.ofRanges) visit(watch);
    if (watches.ofKeys.size === 0) return;
    if (change.kind === "truncate") {
      for (const sameKey of watches.ofKeys.values()) for (const watch of sameKey) visit(watch);
      return;
    }
    const key = change.kind === "put" ? change.record.key : change.key;
    const sameKey = watches.ofKeys.get(byteKey(key));
    if (sameKey !== undefined) for (const watch of sameKey) visit(watch);
  }

  /** All of a namespace. */
  of(namespaceId: number): readonly W[] {
    const watches = this.namespaces.get(namespaceId);
    if (watches === undefined) return [];
    return [...watches.ofRanges, ...[...watches.ofKeys.values()].flatMap((sameKey) => [...sameKey])];
  }
}
