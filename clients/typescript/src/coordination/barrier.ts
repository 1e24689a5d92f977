import { invalidArgument, QuorateError } from "#client/errors";
import { compare, op } from "#client/txn/index";
import { prefixOf } from "./keys";
import { type Ground, Line, type LineState, type Place } from "./line";
import { HOLD_TTL_MS, type HoldOptions } from "./lock";
import { agreedNumber, numberValue } from "./size";
import { Waiting } from "./waiting";

/** What a barrier is. */
export interface BarrierOptions {
  /** How many must have come before any goes on, at least 1: the same for all who use the barrier. */
  readonly parties: number;
  /** The namespace; the client's own by default. */
  readonly namespace?: string;
}

/** What waiting at a barrier takes. */
export type BarrierWaitOptions = Omit<HoldOptions, "namespace">;

/** The key, beside those who wait, that says up to which create revision they may go on. No lease id is written so. */
const GATE = "gate";

/**
 * A barrier: those who come wait until there are `parties` of them, and go on together. Those who come after that are the
 * next group. Who fails or gives up while waiting does not count any more.
 *
 * @example
 * await quorate.barrier("phase-1", { parties: 5 }).wait({ deadlineMs: 60_000 });
 */
export class Barrier {
  /** Its name. */
  readonly name: string;
  /** How many make a group. */
  readonly parties: number;
  readonly #ground: Ground;
  readonly #prefix: string;

  /** Barriers are made by `quorate.barrier`. */
  constructor(ground: Ground, name: string, parties: number) {
    if (!Number.isSafeInteger(parties) || parties < 1) {
      throw invalidArgument(`parties must be a whole number of at least 1, not ${parties}`);
    }
    this.name = name;
    this.parties = parties;
    this.#ground = ground;
    this.#prefix = prefixOf("barrier", name);
  }

  /** Resolves when as many as it takes have come, this one included. */
  async wait(options: BarrierWaitOptions = {}): Promise<void> {
    const waiting = new Waiting(this.#ground.core.timing, `the barrier "${this.name}"`, options);
    const line = new Line(this.#ground, this.#prefix, "values");
    try {
      const value = numberValue("waiting", this.parties);
      const { place, state } = await line.enter(value, options.ttlMs ?? HOLD_TTL_MS, waiting);
      try {
        await this.#release(place, state, waiting);
      } finally {
        await place.leave();
      }
    } finally {
      waiting.close();
    }
  }

  async #release(place: Place, entered: LineState, waiting: Waiting): Promise<void> {
    for (let state = entered; ; ) {
      const { openedUpTo, gateRevision, members } = this.#look(state);
      if (place.token <= openedUpTo) return;
      place.ahead(state);
      this.#checkAgreement(members);
      const last = members[this.parties - 1];
      // That so many were there at once, at this revision, is enough: whoever sees it first opens the gate for them.
      const revision =
        last === undefined
          ? await place.line.change(this.#gate, state, waiting, () => true)
          : await this.#open(last.createRevision, gateRevision, waiting);
      state = await place.line.state(waiting, revision);
    }
  }

  #look({ records }: LineState) {
    const gate = records.find(({ key }) => key === this.#gate);
    const openedUpTo = gate === undefined ? 0 : Number(gate.text());
    if (!Number.isSafeInteger(openedUpTo)) {
      throw new QuorateError(`the key "${this.#gate}" holds something else than the barrier's revision`, {
        code: "DATA_LOSS",
        reason: "DATA_LOSS",
      });
    }
    const members = records.filter(
      ({ key, createRevision }) => key !== this.#gate && createRevision > openedUpTo,
    );
    return { openedUpTo, gateRevision: gate?.modRevision ?? 0, members };
  }

  /** Lets all go on who came up to a revision, unless another has changed the gate; resolves with a revision after that. */
  async #open(upTo: number, gateRevision: number, waiting: Waiting): Promise<number> {
    const { revision } = await this.#ground.kv
      .txn()
      .if(compare.modRevision(this.#gate).equals(gateRevision))
      .do(op.put(this.#gate, `${upTo}`))
      .commit({ signal: waiting.signal });
    return revision;
  }

  get #gate(): string {
    return this.#prefix + GATE;
  }

  #checkAgreement(members: LineState["records"]): void {
    const theirs = agreedNumber(members, this.parties);
    if (theirs !== undefined) {
      throw invalidArgument(
        `the barrier "${this.name}" is in use with ${theirs} parties, not ${this.parties}`,
      );
    }
  }
}
