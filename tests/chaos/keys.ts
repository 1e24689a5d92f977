/*
 * Keys are used for a few seconds only and never again: the history of each stays short enough to be judged by search.
 */

/** How long one set of keys is used. */
export const EPOCH_MS = 4000;

/** register: put, delete, cas; counter: incr; list: append; once: a put, one for each key. All are read. */
export type KeyKind = "register" | "counter" | "list" | "once";

/** All keys of the workload begin with this. */
export const PREFIX = "chaos/";

export function keyOf(epoch: number, kind: KeyKind, name: string | number): string {
  return `${PREFIX}${String(epoch).padStart(4, "0")}/${kind}-${name}`;
}

/** Whether a key belongs to an epoch that was over some time before the one of `newest`, so that nobody uses it. */
export function isPast(key: string, newest: string): boolean {
  const epochOf = (name: string) => Number(name.slice(PREFIX.length).split("/", 1)[0]);
  return epochOf(key) + 2 < epochOf(newest);
}
