import type { Timeline } from "../world-contract";

/** What is due at a time; of two at one time the one that was asked for first comes first. */
export interface TimelineEvent {
  readonly timeUs: number;
  readonly order: number;
  readonly run: () => void;
  /** It moves no promise, so that what comes next need not wait for any. */
  readonly isQuiet: boolean;
}

/** Simulated time as a binary heap of what is due. */
export class EventTimeline implements Timeline {
  nowUs = 0;
  private readonly heap: TimelineEvent[] = [];
  private asked = 0;

  at(timeUs: number, run: () => void): void {
    this.push(timeUs, run, false);
  }

  after(delayUs: number, run: () => void): void {
    this.push(this.nowUs + delayUs, run, false);
  }

  /** As after(), for what moves no promise. */
  quietlyAfter(delayUs: number, run: () => void): void {
    this.push(this.nowUs + delayUs, run, true);
  }

  /** Takes the next event and lets its time come; null when none is due up to `untilUs`, which then has come. */
  next(untilUs: number): TimelineEvent | null {
    const { heap } = this;
    const first = heap[0];
    if (first === undefined || first.timeUs > untilUs) {
      this.nowUs = Math.max(this.nowUs, untilUs);
      return null;
    }
    const last = heap.pop() as TimelineEvent;
    if (heap.length > 0) this.sink(last);
    this.nowUs = first.timeUs;
    return first;
  }

  private push(timeUs: number, run: () => void, isQuiet: boolean): void {
    const event = {
      timeUs: Math.max(this.nowUs, Math.round(timeUs)),
      order: this.asked++,
      run,
      isQuiet,
    };
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parentAt = (at - 1) >>> 1;
      const parent = heap[parentAt] as TimelineEvent;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = event;
  }

  /** Puts an event in at the root and lets it sink to its place. */
  private sink(event: TimelineEvent): void {
    const { heap } = this;
    const { length } = heap;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= length) break;
      let child = heap[childAt] as TimelineEvent;
      const right = heap[childAt + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childAt += 1;
      }
      if (!isBefore(child, event)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = event;
  }
}

function isBefore(left: TimelineEvent, right: TimelineEvent): boolean {
  return left.timeUs < right.timeUs || (left.timeUs === right.timeUs && left.order < right.order);
}
