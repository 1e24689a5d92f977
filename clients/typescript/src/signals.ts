import { setMaxListeners } from "node:events";

/** Many calls may share one signal of their caller's: Node warns of a leak from the eleventh on, which it is not. */
export function manyMayListen(signal: AbortSignal | undefined): void {
  if (signal !== undefined) setMaxListeners(0, signal);
}
