import {
  DEFAULT_BOUNDS,
  DEFAULT_LOG_KEEPING,
  type HistoryLimits,
  type LogKeeping,
  type ReplicaBounds,
} from "@quorate/services/replica";
import type { Random } from "@quorate/services/std";
import type { VerificationLimits } from "@quorate/services/verification";
import { DEFAULT_WATCH_BOUNDS, type WatchBounds } from "@quorate/services/watch";
import type { NamedChance } from "./named-chance";
import { drawVerification } from "./verification-wire";

/** What all processes of a world are bound by, and those of another world otherwise. */
export interface WorldLimits {
  readonly bounds: ReplicaBounds;
  readonly history: HistoryLimits;
  readonly logKeeping: LogKeeping;
  readonly watch: WatchBounds;
  readonly verification: Partial<VerificationLimits>;
}

export function drawLimits(chance: NamedChance): WorldLimits {
  return {
    bounds: drawBounds(chance.of("bounds")),
    history: drawHistory(chance.of("history")),
    logKeeping: drawLogKeeping(chance.of("log keeping")),
    watch: drawWatchBounds(chance.of("watch bounds")),
    verification: drawVerification(chance.of("verification")),
  };
}

/** In half of the worlds the bounds of production, which no run comes near; in the others such that every run meets them. */
function drawBounds(random: Random): ReplicaBounds {
  if (random.below(2) === 0) return DEFAULT_BOUNDS;
  const appendBytesMax = random.below(2) === 0 ? 0 : random.below(2_000);
  return {
    ...DEFAULT_BOUNDS,
    commandsMax: 2 + random.below(30),
    proposalBytesMax: 500 + random.below(2_000),
    uncommittedBytesMax: 500 + random.below(5_000),
    appendBytesMax,
    inflightMessagesMax: 1 + random.below(8),
    inflightBytesMax: appendBytesMax + 500 + random.below(2_000),
    committedBytesPerReadyMax: 1 + random.below(2_000),
    readsWaitingMax: 1 + random.below(8),
    imagesMax: 1 + random.below(3),
    inboxMessagesMax: 4 + random.below(60),
  };
}

/** In some worlds all history is kept, in others so little that what clients ask for is given up meanwhile. */
function drawHistory(random: Random): HistoryLimits {
  const revisionsMax = random.below(2) === 0 ? null : 20 + random.below(300);
  const ageMsMax = random.below(3) === 0 ? 2_000 + random.below(20_000) : null;
  return { revisionsMax, ageMsMax };
}

/** In three of four worlds so little that whoever was away for a moment needs a snapshot. */
function drawLogKeeping(random: Random): LogKeeping {
  if (random.below(4) === 0) return DEFAULT_LOG_KEEPING;
  const entriesMax = 10 + random.below(100);
  const bytesMax = random.below(3) === 0 ? 1_000 + random.below(10_000) : DEFAULT_LOG_KEEPING.bytesMax;
  return { entriesMax, bytesMax, entriesKept: random.below(Math.floor(entriesMax / 2)) };
}

/** In half of the worlds so little that every watch meets it. */
function drawWatchBounds(random: Random): WatchBounds {
  if (random.below(2) === 0) return DEFAULT_WATCH_BOUNDS;
  return {
    ...DEFAULT_WATCH_BOUNDS,
    // All that there are fit, wherever they go, but not all on one member.
    watchesMax: 2 + random.below(4),
    eventsMax: 2 + random.below(30),
    bytesMax: 1_000 + random.below(4_000),
    // Room for what each of them reads of history at a time.
    bytesOfAllMax: 200_000 + random.below(200_000),
    frameEventsMax: 1 + random.below(4),
    frameBytesMax: 200 + random.below(1_000),
    readsMax: 1 + random.below(3),
    previousBytesMax: random.below(2_000),
  };
}
