import type { Core } from "#client/core";
import { QuorateError } from "#client/errors";
import type { Kv } from "#client/kv";
import type { Lease, Leases } from "#client/leases/index";
import type { KvRecord } from "#client/record";
import { pause } from "#client/timing";
import { compare, op } from "#client/txn/index";
import { placeKey } from "./keys";
import type { Waiting } from "./waiting";

/** How long giving up a place may keep its caller: the place ends by itself with its lease. */
const LEAVE_MS_MAX = 1000;

/** The time that a watch may be without a server: as long as the lease holds, which bounds it sooner. */
const UNBOUNDED_MS = 2 ** 31 - 1;

/** Where a line is kept. */
export interface Ground {
  readonly core: Core;
  readonly kv: Kv;
  readonly leases: Leases;
}

/** Who stands in a line, at one revision. */
export interface LineState {
  readonly revision: number;
  /** In the order of their coming. */
  readonly records: readonly KvRecord[];
}

/**
 * A line of those who want something, each with a key under one prefix, attached to a lease of its own. They stand in the
 * order of their keys' create revisions, which never changes: whoever comes later has a higher one, and whoever leaves
 * or fails makes room for those behind. So "nobody is before me", once true, stays true for as long as the key is there.
 */
export class Line {
  readonly prefix: string;
  readonly ground: Ground;
  readonly #keysOnly: boolean;

  /** @param told whether the states that are asked for tell the values too */
  constructor(ground: Ground, prefix: string, told: "keys" | "values") {
    this.ground = ground;
    this.prefix = prefix;
    this.#keysOnly = told === "keys";
  }

  /** Takes a place at the end; the state is that right after it, with the own record in it. */
  async enter(
    value: Uint8Array,
    ttlMs: number,
    waiting: Waiting,
  ): Promise<{ place: Place; state: LineState }> {
    const { kv } = this.ground;
    const lease = await this.#lease(ttlMs, waiting);
    const key = placeKey(this.prefix, lease.id);
    return this.#orLeave(lease, waiting, async () => {
      const { revision, succeeded, results } = await kv
        .txn()
        .do(
          op.put(key, value, { leaseId: lease.id }),
          op.scan({ prefix: this.prefix }, { keysOnly: this.#keysOnly }),
        )
        .commit(this.#options(waiting));
      const place = new Place(this, lease, key, revision);
      const scanned = succeeded ? results[1] : { records: [], more: true };
      const state = scanned.more ? await this.state(waiting, revision) : stateOf(revision, scanned.records);
      return { place, state };
    });
  }

  /** Takes a place only if fewer than `placesMax` stand there; undefined, and nothing is left behind, if not. */
  async tryEnter(
    value: Uint8Array,
    ttlMs: number,
    placesMax: number,
    waiting: Waiting,
    check: (state: LineState) => void,
  ): Promise<Place | undefined> {
    let lease: Lease | null = null;
    for (;;) {
      const state = await this.#orLeave(lease, waiting, async () => {
        const seen = await this.state(waiting, 0);
        check(seen);
        return seen;
      });
      if (state.records.length >= placesMax) {
        if (lease !== null) await leave(this.ground, lease);
        return undefined;
      }
      lease ??= await this.#lease(ttlMs, waiting);
      const { id } = lease;
      const key = placeKey(this.prefix, id);
      const { succeeded, revision } = await this.#orLeave(lease, waiting, () =>
        this.ground.kv
          .txn()
          .if(compare.createRevision({ prefix: this.prefix }).less(state.revision + 1))
          .do(op.put(key, value, { leaseId: id }))
          .commit(this.#options(waiting)),
      );
      if (succeeded) {
        const place = new Place(this, lease, key, revision);
        await this.#orLeave(lease, waiting, async () => place.checkAlive());
        return place;
      }
    }
  }

  /** Who stands there at some revision from `minRevision` on; without one as of now. */
  async state(waiting: Waiting, minRevision: number): Promise<LineState> {
    const { kv } = this.ground;
    let revision = 0;
    const records: KvRecord[] = [];
    const scan = kv.scan(
      { prefix: this.prefix },
      {
        ...this.#options(waiting),
        keysOnly: this.#keysOnly,
        // Who has a place holds out as long as its lease does.
        ...(minRevision === 0 ? {} : { consistency: "stale", minRevision, deadlineMs: waiting.remainingMs }),
        onHeader: (header) => {
          revision = header.revision;
        },
      },
    );
    for await (const record of scan) records.push(record);
    return stateOf(revision, records);
  }

  /**
   * Waits until something happens to a key, or to any key with the prefix, after a revision.
   *
   * @param concerns whether an event is the one that is waited for
   * @returns a revision from which on the state is another
   */
  async change(
    target: string | { readonly prefix: string },
    after: LineState,
    waiting: Waiting,
    concerns: (key: string, kind: "put" | "delete") => boolean,
  ): Promise<number> {
    const { kv } = this.ground;
    const options = { fromRevision: after.revision + 1, signal: waiting.signal, deadlineMs: UNBOUNDED_MS };
    try {
      for await (const event of kv.watch(target, options)) {
        if (event.kind === "truncated") return event.revision;
        if (event.kind !== "put" && event.kind !== "delete") continue;
        if (concerns(event.key, event.kind)) return event.revision;
      }
    } catch (thrown) {
      waiting.throwIfOver();
      // What happened is not known any more, so the state is looked at anew.
      if (QuorateError.from(thrown).reason !== "COMPACTED") throw thrown;
      return after.revision + 1;
    }
    waiting.throwIfOver();
    return after.revision;
  }

  /** Does something that needs a place; gives the place up when that fails. */
  async #orLeave<T>(lease: Lease | null, waiting: Waiting, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (lease !== null) await leave(this.ground, lease);
      waiting.throwIfOver();
      throw thrown;
    }
  }

  async #lease(ttlMs: number, waiting: Waiting): Promise<Lease> {
    const { leases, core } = this.ground;
    waiting.throwIfOver();
    const deadlineMs = Math.min(core.deadlineMs, waiting.remainingMs);
    const granting = leases.grant({ ttlMs, deadlineMs });
    try {
      const lease = await waiting.inTime(granting);
      waiting.standOn(lease);
      return lease;
    } catch (thrown) {
      // Granted after all, when nobody waits any longer: it must not stay. Where it was refused there is nothing to do.
      granting.then(
        (lease) => leave(this.ground, lease),
        () => undefined,
      );
      throw thrown;
    }
  }

  #options(waiting: Waiting) {
    const { deadlineMs } = this.ground.core;
    return { signal: waiting.signal, deadlineMs: Math.min(deadlineMs, waiting.remainingMs) };
  }
}

/** A place in a line: a key that lives as long as its lease. */
export class Place {
  readonly line: Line;
  readonly lease: Lease;
  readonly key: string;
  /** The create revision of the key: the order of the line. */
  readonly token: number;

  constructor(line: Line, lease: Lease, key: string, token: number) {
    this.line = line;
    this.lease = lease;
    this.key = key;
    this.token = token;
  }

  /**
   * After an answer that took its time the lease may be over, though nothing that was answered says so.
   *
   * @throws QuorateError UNKNOWN_LEASE when the lease cannot be shown to be alive
   */
  checkAlive(): void {
    if (this.lease.signal.aborted) throw placeGone(this.lease.signal.reason);
  }

  /** Those before this place. @throws QuorateError UNKNOWN_LEASE when the place itself is not there any more */
  ahead(state: LineState): readonly KvRecord[] {
    this.checkAlive();
    if (!state.records.some(({ createRevision }) => createRevision === this.token)) throw placeGone();
    return state.records.filter(({ createRevision }) => createRevision < this.token);
  }

  /** Gives the place up. Never rejects: what could not be revoked ends by itself. */
  leave(): Promise<void> {
    return leave(this.line.ground, this.lease);
  }
}

/** The failure of one whose key was deleted while it waited. @param cause why its lease is over, where it is that */
export function placeGone(cause?: unknown): QuorateError {
  const why = cause === undefined ? "its key was deleted" : "its lease was lost";
  return new QuorateError(`the place in line is gone: ${why}`, {
    code: "NOT_FOUND",
    reason: "UNKNOWN_LEASE",
    retryable: true,
    outcome: "not_applied",
    cause,
  });
}

async function leave({ core }: Ground, lease: Lease): Promise<void> {
  const patience = new AbortController();
  const revoked = lease.revoke().then(
    () => patience.abort(),
    () => patience.abort(),
  );
  await Promise.race([revoked, pause(core.timing, LEAVE_MS_MAX, patience.signal)]);
}

function stateOf(revision: number, records: readonly KvRecord[]): LineState {
  return {
    revision,
    records: records.toSorted((left, right) => left.createRevision - right.createRevision),
  };
}
