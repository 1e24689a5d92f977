/*
 * Keys are used for a few seconds only and never again: the history of each stays short enough to be judged by search.
 */

/** How long one set of keys is used. */
export const EPOCH_MS = 4000;

/** register: put, delete, cas; counter: incr; list: append; once: a put, one for each key. All are read. */
export type KeyKind = "register" | "counter" | "list" | "once";

export function prefixOf(epoch: number | ""): string {
  return epoch === "" ? "chaos/" : `chaos/${String(epoch).padStart(4, "0")}/`;
}

export function keyOf(epoch: number, kind: KeyKind, name: string | number): string {
  return `${prefixOf(epoch)}${kind}-${name}`;
}
