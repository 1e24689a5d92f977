import type { CallOptions } from "#client/call-options";
import { Holding } from "./holding";
import { prefixOf } from "./keys";
import { type Ground, Line, type Place } from "./line";
import { untilFirst } from "./turn";
import { Waiting, type WaitOptions } from "./waiting";

/** How long a lock outlives a holder that fails, unless it says otherwise. */
export const HOLD_TTL_MS = 10_000;

/** What taking something takes. */
export interface HoldOptions extends WaitOptions, Pick<CallOptions, "namespace"> {
  /**
   * How long it stays taken when its holder fails, in milliseconds: the time to live of the lease behind it, at least 500;
   * 10,000 by default. A holder that cannot renew it for so long has lost it.
   */
  readonly ttlMs?: number;
}

/**
 * A lock that this client holds.
 *
 * @example
 * await using lock = await quorate.lock("nightly-report", { deadlineMs: 30_000 });
 * await lock.put("report/last", "running"); // refused once the lock is lost
 * await build({ signal: lock.signal, fencing: lock.token });
 */
export class Lock extends Holding {
  /** What is locked. */
  readonly name: string;

  /** Locks are taken by `quorate.lock`. */
  constructor(place: Place, name: string) {
    super(place, described(name));
    this.name = name;
  }
}

const NO_VALUE = new Uint8Array(0);

/** Waits for a lock behind those who came before. */
export async function takeLock(ground: Ground, name: string, options: HoldOptions): Promise<Lock> {
  const line = new Line(ground, prefixOf("lock", name), "keys");
  const waiting = new Waiting(ground.core.timing, described(name), options);
  try {
    return new Lock(await untilFirst(line, NO_VALUE, options.ttlMs ?? HOLD_TTL_MS, waiting), name);
  } finally {
    waiting.close();
  }
}

/** Takes a lock if nobody has it or waits for it. */
export async function tryLock(ground: Ground, name: string, options: HoldOptions): Promise<Lock | undefined> {
  const line = new Line(ground, prefixOf("lock", name), "keys");
  const waiting = new Waiting(ground.core.timing, described(name), options);
  try {
    const ttlMs = options.ttlMs ?? HOLD_TTL_MS;
    const place = await line.tryEnter(NO_VALUE, ttlMs, 1, waiting, () => undefined);
    return place === undefined ? undefined : new Lock(place, name);
  } finally {
    waiting.close();
  }
}

function described(name: string): string {
  return `the lock "${name}"`;
}
