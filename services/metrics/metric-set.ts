import { Counter, Gauge, Registry } from "prom-client";
import { assert } from "#std";
import { CountedHistogram } from "./counted-histogram";
import {
  type CounterName,
  definitions,
  type GaugeName,
  type HistogramName,
  type MetricDefinition,
} from "./definitions";

type Labels = Readonly<Record<string, string>>;

/** The metrics of the table, each of them made, in a registry of their own: several nodes may share a process. */
export class MetricSet {
  private readonly registry = new Registry();
  private readonly gauges = new Map<string, Gauge>();
  private readonly counters = new Map<string, Counter>();
  private readonly histograms = new Map<string, CountedHistogram>();

  constructor(common: Labels) {
    this.registry.setDefaultLabels({ ...common });
    for (const [name, definition] of Object.entries<MetricDefinition>(definitions)) {
      const { type, help, labels = [], buckets = [] } = definition;
      const options = { name, help, labelNames: [...labels], registers: [this.registry] };
      switch (type) {
        case "gauge":
          this.gauges.set(name, new Gauge(options));
          break;
        case "counter":
          this.counters.set(name, new Counter(options));
          break;
        case "histogram":
          this.histograms.set(name, new CountedHistogram({ ...options, buckets: [...buckets] }));
          break;
      }
    }
  }

  set(name: GaugeName, value: number, labels: Labels = {}): void {
    this.gauge(name).set({ ...labels }, value);
  }

  /** What a gauge with labels said before says nothing of what is there now. */
  replace(name: GaugeName, values: readonly { readonly labels: Labels; readonly value: number }[]): void {
    const gauge = this.gauge(name);
    gauge.reset();
    for (const { labels, value } of values) gauge.set({ ...labels }, value);
  }

  add(name: CounterName, by: number, labels: Labels = {}): void {
    this.counter(name).inc({ ...labels }, by);
  }

  /** For a total that is kept elsewhere. */
  setTotal(name: CounterName, total: number, labels: Labels = {}): void {
    const counter = this.counter(name);
    counter.remove({ ...labels });
    counter.inc({ ...labels }, total);
  }

  /** How to observe under these labels: to be kept where it is called often. */
  observer(name: HistogramName, labels: Labels = {}): (value: number) => void {
    const histogram = this.histograms.get(name);
    assert(histogram !== undefined, "every histogram of the table is made");
    return histogram.observer(labels);
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  private gauge(name: GaugeName): Gauge {
    const gauge = this.gauges.get(name);
    assert(gauge !== undefined, "every gauge of the table is made");
    return gauge;
  }

  private counter(name: CounterName): Counter {
    const counter = this.counters.get(name);
    assert(counter !== undefined, "every counter of the table is made");
    return counter;
  }
}
