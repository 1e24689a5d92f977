import { setTimeout as delay } from "node:timers/promises";

const WAIT_MS_MAX = 120_000;

/** Asks until the condition gives something other than undefined; one that throws is asked again. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  { everyMs = 20, signal }: { readonly everyMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  let failure: unknown;
  for (;;) {
    try {
      const seen = await condition();
      if (seen !== undefined) return seen;
    } catch (thrown) {
      failure = thrown;
    }
    if (performance.now() > deadlineMs)
      throw new Error(`waited ${WAIT_MS_MAX} ms in vain: ${what}`, { cause: failure });
    signal?.throwIfAborted();
    await delay(everyMs);
  }
}
