/** How long to wait for a condition, and how often to look. */
export interface Patience {
  /** In milliseconds; 100,000 by default. */
  readonly deadlineMs?: number;
  /** Between two looks, in milliseconds; by default from 10 to 100, the longer the more one has waited. */
  readonly intervalMs?: number;
}

/** Thrown inside a condition: it can never hold any more, so waiting on would only hide why. */
export class NeverWill extends Error {
  override readonly name = "NeverWill";
}

/** The deadline has passed and the condition does not hold. */
export class InVain extends Error {
  override readonly name = "InVain";
}

type Falsy = undefined | null | false | 0 | "";

const INTERVAL_MS_MIN = 10;
const INTERVAL_MS_MAX = 100;
/** Of the time that one has waited: what comes soon is seen soon, and what takes long costs little to wait for. */
const INTERVAL_SHARE = 0.1;

/**
 * Looks until the condition returns something truthy, and returns that: the only way in which tests wait. A condition
 * that throws does not hold yet. At the deadline it fails with what was waited for and what was seen last.
 *
 * @param what a sentence that says what is waited for
 */
export async function eventually<T>(
  what: string,
  condition: () => T | Falsy | Promise<T | Falsy>,
  { deadlineMs = 100_000, intervalMs }: Patience = {},
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const seen = await look(condition);
    if ("value" in seen && seen.value) return seen.value as T;
    if ("thrown" in seen && seen.thrown instanceof NeverWill) throw seen.thrown;
    const waitedMs = performance.now() - start;
    if (waitedMs >= deadlineMs)
      throw new InVain(`waited ${Math.round(waitedMs)} ms in vain: ${what}; ${lastSeen(seen)}`);
    const restMs = Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS_MIN, waitedMs * INTERVAL_SHARE));
    await new Promise((resolve) => setTimeout(resolve, intervalMs ?? restMs));
  }
}

type Seen<T> = { readonly value: T } | { readonly thrown: unknown };

async function look<T>(condition: () => T | Promise<T>): Promise<Seen<T>> {
  try {
    return { value: await condition() };
  } catch (thrown) {
    return { thrown };
  }
}

function lastSeen(seen: Seen<unknown>): string {
  if ("value" in seen) return `last seen: ${String(seen.value)}`;
  return `last failure: ${seen.thrown instanceof Error ? seen.thrown.message : String(seen.thrown)}`;
}
