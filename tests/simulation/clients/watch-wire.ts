import type { MemberId } from "@quorate/services/raft";
import type { Random } from "@quorate/services/std";
import type { Watch, WatchFrame, WatchSpec } from "@quorate/services/watch";
import type { World } from "../world-contract";
import type { ClientWatcher } from "./events";

/** What comes to the client, in order; nothing after `cut`. */
export interface WatchStreamListener {
  frame(frame: WatchFrame): void;
  /** The connection broke, or there was none. */
  cut(): void;
}

/** The client's end of a stream. */
export interface WatchStream {
  /** It has taken one frame, and there is room for another. */
  taken(): void;
  askProgress(): void;
  /** Nothing more is wanted, and nothing more comes. */
  cancel(): void;
}

const LATENCY_US_MIN = 50;
const LATENCY_US_MEAN = 500;
/** Frames on their way or not yet taken; the server takes no more from the watch until there is room. */
const WINDOW_FRAMES = 4;
/** So long after a connection broke each end notices. */
const NOTICE_US_MAX = 2_000_000;

/** Streams of watches between clients and members: in order, with a window, and broken at any moment. */
export class WatchWire {
  /** How to break each stream that is open, and to whom it leads. */
  private readonly streams = new Map<() => void, MemberId>();

  constructor(
    private readonly world: World,
    private readonly random: Random,
    private readonly watcher: ClientWatcher,
  ) {
    world.observe({
      crashed: ({ id }) => {
        for (const [breaks, member] of [...this.streams]) if (member === id) breaks();
      },
    });
  }

  /** @param cutProbability that the connection breaks at a frame */
  open(
    call: { readonly client: string; readonly member: MemberId; readonly spec: WatchSpec },
    cutProbability: number,
    listener: WatchStreamListener,
  ): WatchStream {
    const { world } = this;
    const { member, client, spec } = call;
    let condition: "open" | "broken" | "over" = "open";
    let room = WINDOW_FRAMES;
    let roomAgain: (() => void) | null = null;
    let watch: Watch | null = null;
    let isCancelled = false;
    const cancel = (): void => {
      // It may come before what it cancels.
      isCancelled = true;
      watch?.cancel();
    };
    let lastArrivalUs = 0;
    const toClient = (run: () => void): void => {
      lastArrivalUs = Math.max(lastArrivalUs + 1, world.timeline.nowUs + this.latencyUs());
      world.timeline.at(lastArrivalUs, () => {
        if (condition === "open") run();
      });
    };
    const toMember = (run: () => void): void => {
      world.timeline.after(this.latencyUs(), () => {
        if (condition === "open") world.call(member, run);
      });
    };
    const breaks = (): void => {
      this.streams.delete(breaks);
      if (condition !== "open") return;
      condition = "broken";
      world.timeline.after(this.random.below(NOTICE_US_MAX), () => {
        if (condition !== "broken") return;
        condition = "over";
        listener.cut();
      });
      // The member notices on its own: until then its watch fills.
      world.timeline.after(this.random.below(NOTICE_US_MAX), () => world.call(member, cancel));
    };
    const serve = async (): Promise<void> => {
      const { hub } = world.seat(member);
      if (hub === null || isCancelled) return;
      const opened = hub.open(spec);
      watch = opened;
      for (;;) {
        const frame = await opened.next();
        // The process may have ended meanwhile.
        if (frame === null || world.seat(member).hub !== hub) return;
        this.watcher.watched?.({ client, member, spec, frame });
        if (this.random.float() < cutProbability) breaks();
        toClient(() => listener.frame(frame));
        if (frame.kind === "ended") {
          this.streams.delete(breaks);
          return;
        }
        room -= 1;
        if (room > 0) continue;
        await new Promise<void>((resolve) => {
          roomAgain = resolve;
        });
        if (world.seat(member).hub !== hub) return;
      }
    };
    world.timeline.after(this.latencyUs(), () => {
      const { hub, condition: seated } = world.seat(member);
      if (hub === null || (seated !== "up" && seated !== "paused")) {
        breaks();
        return;
      }
      this.streams.set(breaks, member);
      world.call(member, () => void serve());
    });
    return {
      taken: () =>
        toMember(() => {
          room += 1;
          roomAgain?.();
        }),
      askProgress: () => toMember(() => watch?.askProgress()),
      cancel: () => {
        toMember(cancel);
        this.streams.delete(breaks);
        // What is on its way is not wanted any more, but the cancellation has to arrive.
        listener.frame = listener.cut = () => undefined;
      },
    };
  }

  private latencyUs(): number {
    return LATENCY_US_MIN - Math.log(1 - this.random.float()) * LATENCY_US_MEAN;
  }
}
