import type { HistoryRecord } from "./history";

/** A fault that was injected. Times are nanoseconds of the clock of the history. */
export interface FaultEvent {
  /** Such as "kill" or "partition". */
  readonly name: string;
  /** Whom it hit, such as "n2" or "n1 > n3". */
  readonly target: string;
  readonly startNs: bigint;
  /** null: it lasted to the end of the run. */
  readonly endNs: bigint | null;
}

/** A moment to point at: what a judge found. */
export interface ViolationMark {
  readonly atNs: bigint;
  readonly text: string;
}

export interface TimelineInput {
  readonly title: string;
  readonly records: readonly HistoryRecord[];
  readonly faults: readonly FaultEvent[];
  readonly violations: readonly ViolationMark[];
}

/** What happened in one second of the run. */
export interface TimelineSecond {
  /** Operations that ended well in it. */
  readonly ok: number;
  readonly failed: number;
  /** Operations of unknown outcome, by the second of their invocation. */
  readonly unknown: number;
  /** Longest time that an operation ended well in it took; null without one. */
  readonly latencyMsMax: number | null;
}

/** All times in milliseconds since the first event. */
export interface Timeline {
  readonly title: string;
  readonly durationMs: number;
  readonly seconds: readonly TimelineSecond[];
  readonly totals: { readonly ok: number; readonly failed: number; readonly unknown: number };
  readonly faults: readonly {
    readonly name: string;
    readonly target: string;
    readonly startMs: number;
    readonly endMs: number;
    readonly isOpen: boolean;
  }[];
  /** The longest time without an operation that ended well; null without operations. */
  readonly longestOutage: { readonly startMs: number; readonly endMs: number } | null;
  readonly violations: readonly { readonly atMs: number; readonly text: string }[];
}

export function buildTimeline({ title, records, faults, violations }: TimelineInput): Timeline {
  const spans = records.map(({ invoke, return: returned, status }) => {
    const invokeNs = BigInt(invoke);
    return { invokeNs, returnNs: returned === undefined ? null : BigInt(returned), status };
  });
  let [firstNs, lastNs]: [bigint | null, bigint | null] = [null, null];
  const cover = (timeNs: bigint | null) => {
    if (timeNs === null) return;
    if (firstNs === null || timeNs < firstNs) firstNs = timeNs;
    if (lastNs === null || timeNs > lastNs) lastNs = timeNs;
  };
  for (const { invokeNs, returnNs } of spans) {
    cover(invokeNs);
    cover(returnNs);
  }
  for (const { startNs, endNs } of faults) {
    cover(startNs);
    cover(endNs);
  }
  for (const { atNs } of violations) cover(atNs);
  const originNs: bigint = firstNs ?? 0n;
  const ms = (timeNs: bigint) => Number(timeNs - originNs) / 1e6;
  const durationMs = ms(lastNs ?? originNs);
  const seconds = Array.from({ length: Math.floor(durationMs / 1_000) + 1 }, () => ({
    ok: 0,
    failed: 0,
    unknown: 0,
    latencyMsMax: null as number | null,
  }));
  const endedWellMs: number[] = [];
  for (const { invokeNs, returnNs, status } of spans) {
    const second = seconds[Math.floor(ms(returnNs ?? invokeNs) / 1_000)]!;
    if (status === "unknown" || returnNs === null) {
      second.unknown += 1;
    } else if (status === "fail") {
      second.failed += 1;
    } else {
      second.ok += 1;
      second.latencyMsMax = Math.max(second.latencyMsMax ?? 0, ms(returnNs) - ms(invokeNs));
      endedWellMs.push(ms(returnNs));
    }
  }
  const sum = (of: (second: TimelineSecond) => number) =>
    seconds.reduce((total, each) => total + of(each), 0);
  return {
    title,
    durationMs,
    seconds,
    totals: {
      ok: sum(({ ok }) => ok),
      failed: sum(({ failed }) => failed),
      unknown: sum((each) => each.unknown),
    },
    faults: faults
      .map(({ name, target, startNs, endNs }) => ({
        name,
        target,
        startMs: ms(startNs),
        endMs: endNs === null ? durationMs : ms(endNs),
        isOpen: endNs === null,
      }))
      .sort((left, right) => left.startMs - right.startMs),
    longestOutage:
      records.length === 0
        ? null
        : longestGap(
            spans.map(({ invokeNs }) => ms(invokeNs)),
            endedWellMs,
          ),
    violations: violations
      .map(({ atNs, text }) => ({ atMs: ms(atNs), text }))
      .sort((left, right) => left.atMs - right.atMs),
  };
}

/** Only while there was somebody to serve: from the first invocation to the last. */
function longestGap(
  invokedMs: readonly number[],
  endedWellMs: readonly number[],
): { readonly startMs: number; readonly endMs: number } {
  const startMs = invokedMs.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY);
  const lastMs = invokedMs.reduce((most, each) => Math.max(most, each), startMs);
  const moments = endedWellMs.toSorted((left, right) => left - right);
  let longest = { startMs, endMs: startMs };
  let before = startMs;
  const consider = (endMs: number) => {
    if (endMs - before > longest.endMs - longest.startMs) longest = { startMs: before, endMs };
    before = endMs;
  };
  for (const moment of moments) consider(moment);
  if (lastMs > before) consider(lastMs);
  return longest;
}
