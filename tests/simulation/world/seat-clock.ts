import type { Clock } from "@quorate/services/replica";
import type { SeatClock, Timeline } from "../world-contract";

/** 2026-01-01; wall time is for display only, and any start will do. */
const WALL_START_MS = 1_767_225_600_000;

/** A clock that runs at a rate of its own. */
export class DriftingClock implements SeatClock, Clock {
  wallOffsetMs = 0;
  private presentRate = 1;
  private sinceUs: number;
  private shownUs = 0;

  constructor(private readonly timeline: Timeline) {
    this.sinceUs = timeline.nowUs;
  }

  get rate(): number {
    return this.presentRate;
  }

  set rate(rate: number) {
    this.shownUs = this.monotonicUs();
    this.sinceUs = this.timeline.nowUs;
    this.presentRate = rate;
  }

  monotonicMs(): number {
    return this.monotonicUs() / 1000;
  }

  wallMs(): number {
    return WALL_START_MS + Math.floor(this.monotonicMs()) + this.wallOffsetMs;
  }

  private monotonicUs(): number {
    return this.shownUs + (this.timeline.nowUs - this.sinceUs) * this.presentRate;
  }
}
