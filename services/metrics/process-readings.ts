import { readdirSync, readFileSync } from "node:fs";
import {
  constants,
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
} from "node:perf_hooks";
import type { MetricSet } from "./metric-set";

/** How often the event loop is asked whether it is late: each time wakes a process that may have nothing else to do. */
const DELAY_RESOLUTION_MS = 50;
const QUANTILES = [50, 90, 99, 100] as const;

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: "major",
  [constants.NODE_PERFORMANCE_GC_MINOR]: "minor",
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: "incremental",
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: "weakcb",
};

/** The types of Node leave out what it says of a collection. */
type CollectionEntry = PerformanceEntry & { readonly detail?: { readonly kind?: number } };

/** What the process knows of itself. To be closed, for it watches the event loop and the garbage collector. */
export class ProcessReadings {
  private readonly delay: IntervalHistogram = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  private readonly collections: PerformanceObserver;
  private readonly maxFds: number | null = maxOpenFiles();
  private utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(private readonly metrics: MetricSet) {
    this.delay.enable();
    const observers = new Map<string, (seconds: number) => void>();
    for (const kind of Object.values(GC_KINDS))
      observers.set(kind, metrics.observer("nodejs_gc_seconds", { kind }));
    this.collections = new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as CollectionEntry[]) {
        const { duration } = entry;
        const kind = GC_KINDS[entry.detail?.kind ?? -1];
        if (kind !== undefined) observers.get(kind)?.(duration / 1000);
      }
    });
    this.collections.observe({ entryTypes: ["gc"] });
    metrics.set("process_start_time_seconds", performance.timeOrigin / 1000);
  }

  collect(): void {
    const { metrics, delay } = this;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
    metrics.setTotal("process_cpu_seconds_total", (user + system) / 1e6);
    metrics.set("process_resident_memory_bytes", rss);
    metrics.set("nodejs_heap_used_bytes", heapUsed);
    metrics.set("nodejs_heap_total_bytes", heapTotal);
    metrics.set("nodejs_external_memory_bytes", external);
    const openFds = openFiles();
    if (openFds !== null) metrics.set("process_open_fds", openFds);
    if (this.maxFds !== null) metrics.set("process_max_fds", this.maxFds);
    for (const percent of QUANTILES) {
      // The histogram measures from one look to the next, so that its own interval is to be taken off.
      const lateMs = delay.count === 0 ? 0 : delay.percentile(percent) / 1e6 - DELAY_RESOLUTION_MS;
      metrics.set("nodejs_eventloop_delay_seconds", Math.max(0, lateMs) / 1000, {
        quantile: String(percent / 100),
      });
    }
    delay.reset();
    const now = performance.eventLoopUtilization();
    metrics.set(
      "nodejs_eventloop_utilization",
      performance.eventLoopUtilization(now, this.utilization).utilization,
    );
    this.utilization = now;
  }

  /** Safe to call twice. */
  close(): void {
    this.delay.disable();
    this.collections.disconnect();
  }
}

/** null where the system does not tell. */
function openFiles(): number | null {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}

function maxOpenFiles(): number | null {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null;
  }
}
