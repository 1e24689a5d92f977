import type { MemberId } from "@quorate/services/raft";
import { type Random, utf8Encode } from "@quorate/services/std";
import type { WatchFrame, WatchSpec } from "@quorate/services/watch";
import type { ClientFaults } from "../faults/client-faults";
import type { World } from "../world-contract";
import type { ClientWatcher } from "./events";
import type { WatchStream, WatchWire } from "./watch-wire";

/** What a client wants to follow, through all its streams. */
type Wanted = Omit<WatchSpec, "startRevision">;

const RANGES: readonly (readonly [namespace: string, start: string, end: string | null])[] = [
  ["", "", null],
  ["", "t", "u"],
  ["", "e1", "e1\u0000"],
  ["", "r", "s"],
  ["swept", "", null],
  ["swept", "s2", "s6"],
  ["swept", "s1\u0000", "s1\u0000\u0000"],
  ["brief", "", null],
];
const PAUSE_US_MEAN = 300_000;
const SLOW_US_MEAN = 400_000;
const STAY_US_MEAN = 15_000_000;
/** When there is nothing to take, how often it asks how far it is. */
const PROGRESS_US = 700_000;

/**
 * Follows a namespace through one stream after another: it goes elsewhere when a stream breaks or ends, or as it likes,
 * and goes on where it was. What it is told is judged as a whole.
 */
export class WatchingClient {
  /** After leave(). */
  isLeft = false;
  private wanted: Wanted;
  private stream: WatchStream | null = null;
  private number = 0;
  private isEnding = false;

  constructor(
    readonly name: string,
    private readonly parts: {
      readonly world: World;
      readonly wire: WatchWire;
      readonly watcher: ClientWatcher;
      readonly random: Random;
      readonly faults: ClientFaults;
      readonly members: readonly MemberId[];
    },
  ) {
    this.wanted = this.newWanted();
    this.later(this.open, PAUSE_US_MEAN);
    this.later(this.moveOn, STAY_US_MEAN);
    this.poll();
  }

  /** From now on it takes what comes at once, and starts nothing new. */
  end(): void {
    this.isEnding = true;
  }

  /** It has seen what it was to see, and makes room for others. */
  leave(): void {
    this.isLeft = true;
    this.stream?.cancel();
    this.stream = null;
  }

  /** Up to which revision it knows all that it wants to know; null where it does not know from where to go on. */
  get toldRevision(): number | null {
    const next = this.parts.watcher.nextRevision?.(this.name) ?? null;
    return next === null ? null : next - 1;
  }

  /** Whether it knows all up to a revision, or that there is nothing to know. */
  hasCaughtUp(revision: number): boolean {
    return this.isWithoutNamespace || (this.toldRevision ?? -1) >= revision;
  }

  private isWithoutNamespace = false;

  private readonly open = (): void => {
    if (this.stream !== null || this.isLeft) return;
    const { wire, random, watcher, faults } = this.parts;
    const spec = { ...this.wanted, ...this.start() };
    this.number += 1;
    const { number, name: client } = this;
    const member = this.member();
    watcher.watchBegins?.({ client, spec });
    const isSlow = !this.isEnding && random.float() < faults.slowWatcherProbability;
    const cut = this.isEnding ? 0 : faults.watchCutProbability;
    this.stream = wire.open({ client, member, spec }, cut, {
      frame: (frame) => {
        if (number === this.number) this.take(frame, isSlow);
      },
      cut: () => {
        if (number === this.number) this.again();
      },
    });
  };

  private take(frame: WatchFrame, isSlow: boolean): void {
    const { watcher } = this.parts;
    this.isWithoutNamespace = false;
    watcher.taken?.({ client: this.name, frame });
    if (frame.kind === "ended") {
      this.ended(frame.reason);
      return;
    }
    const { stream } = this;
    if (isSlow && !this.isEnding) this.later(() => stream?.taken(), SLOW_US_MEAN);
    else stream?.taken();
  }

  private ended(reason: string): void {
    const { watcher } = this.parts;
    switch (reason) {
      case "compacted":
      case "future_revision":
        // What it missed is gone: it begins anew, from the present.
        watcher.watchForgets?.(this.name);
        break;
      case "unknown_namespace":
        watcher.watchForgets?.(this.name);
        this.isWithoutNamespace = true;
    }
    this.again();
  }

  private again(): void {
    this.stream = null;
    this.number += 1;
    this.later(this.open, PAUSE_US_MEAN);
  }

  /** Goes to another member, or follows something else. */
  private readonly moveOn = (): void => {
    if (this.isEnding) return;
    this.stream?.cancel();
    if (this.parts.random.below(3) === 0) {
      this.wanted = this.newWanted();
      this.parts.watcher.watchForgets?.(this.name);
    }
    this.again();
    this.later(this.moveOn, STAY_US_MEAN);
  };

  private poll(): void {
    this.parts.world.timeline.after(PROGRESS_US, () => {
      this.stream?.askProgress();
      this.poll();
    });
  }

  /** Where it was; or from now on; or, as a client that knows better does not, from long ago or from what is yet to come. */
  private start(): Pick<WatchSpec, "startRevision" | "withCurrentState"> {
    const { random, watcher, faults } = this.parts;
    const next = watcher.nextRevision?.(this.name) ?? null;
    if (!this.isEnding && random.float() < faults.strangeResumeProbability) {
      watcher.watchForgets?.(this.name);
      const startRevision =
        random.below(3) === 0 ? (next ?? 1) + 200 : 1 + random.below(Math.max(1, next ?? 1));
      return { startRevision, withCurrentState: false };
    }
    if (next !== null) return { startRevision: next, withCurrentState: false };
    return { startRevision: 0, withCurrentState: random.below(2) === 0 };
  }

  private newWanted(): Wanted {
    const { random } = this.parts;
    const [namespace, start, end] = RANGES[random.below(RANGES.length)] as (typeof RANGES)[number];
    const filter = random.below(5);
    return {
      namespace,
      range: { start: utf8Encode(start), end: end === null ? null : utf8Encode(end) },
      withCurrentState: false,
      withPrevious: random.below(2) === 0,
      puts: filter !== 0,
      deletes: filter !== 1,
      progressIntervalMs: random.below(3) === 0 ? 300 + random.below(2_000) : 0,
    };
  }

  /** In the end one that runs and counts: of five there may be two left, with room for no more than these watches. */
  private member(): MemberId {
    const { members, random, world } = this.parts;
    const counting = world.membership.members.map(({ memberId }) => memberId);
    const running = counting.filter((id) => world.seat(id).condition === "up");
    const choice = this.isEnding && running.length > 0 ? running : members;
    return choice[random.below(choice.length)] as MemberId;
  }

  private later(run: () => void, meanUs: number): void {
    const { random, world } = this.parts;
    world.timeline.after(-Math.log(1 - random.float()) * (this.isEnding ? meanUs / 10 : meanUs), run);
  }
}
