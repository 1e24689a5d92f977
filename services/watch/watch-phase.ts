import type { Change, StoredRecord } from "#kv";
import type { Chunks } from "./chunks";

/**
 * Where a watch is:
 * - opening: it waits for a moment from which this replica knows every acknowledged write;
 * - current: it tells the records as of `upTo`;
 * - past: it tells what history has up to `upTo`;
 * - live: it tells what its queue holds.
 */
export type WatchPhase =
  | { readonly kind: "opening" }
  | {
      readonly kind: "current";
      readonly upTo: number;
      readonly chunks: Chunks<StoredRecord> | null;
      isRead: boolean;
    }
  | { readonly kind: "past"; readonly upTo: number; readonly chunks: Chunks<Change> | null; isRead: boolean }
  | { readonly kind: "live" };
