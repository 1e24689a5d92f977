import { Histogram, type HistogramConfiguration } from "prom-client";

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The observations of one series. */
class BucketCounts {
  private readonly counts: Float64Array;
  private sum = 0;

  constructor(private readonly bounds: readonly number[]) {
    // The last is of what is above all bounds.
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at += 1;
    counts[at]! += 1;
    this.sum += value;
  }

  values(name: string, labels: Labels): Sample[] {
    const values: Sample[] = [];
    let total = 0;
    for (const [at, count] of this.counts.entries()) {
      total += count;
      const le = this.bounds[at] ?? "+Inf";
      values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: total });
    }
    values.push({ metricName: `${name}_sum`, labels: { ...labels }, value: this.sum });
    values.push({ metricName: `${name}_count`, labels: { ...labels }, value: total });
    return values;
  }
}

/**
 * A histogram whose observations cost tens of nanoseconds, where those of prom-client cost hundreds, for it makes a text of
 * the labels each time. Exposed as any other.
 */
export class CountedHistogram extends Histogram {
  private readonly exposed: { readonly name: string; readonly help: string };
  private readonly bounds: readonly number[];
  private readonly series = new Map<string, { readonly labels: Labels; readonly counts: BucketCounts }>();

  constructor(options: HistogramConfiguration<string>) {
    super(options);
    const { name, help, buckets = [], labelNames = [] } = options;
    this.exposed = { name, help };
    this.bounds = buckets;
    // Without labels there is the one series, from the start.
    if (labelNames.length === 0) this.observer({});
  }

  /** How to observe under these labels. */
  observer(labels: Labels): (value: number) => void {
    const key = JSON.stringify(labels);
    const counts = this.series.get(key)?.counts ?? new BucketCounts(this.bounds);
    this.series.set(key, { labels, counts });
    return (value) => counts.observe(value);
  }

  /** What a registry, and the get() of prom-client, ask for; its types leave it out. */
  async getForPromString(): Promise<object> {
    const { name, help } = this.exposed;
    const values = [...this.series.values()].flatMap(({ labels, counts }) => counts.values(name, labels));
    return { name, help, type: "histogram", values };
  }
}
