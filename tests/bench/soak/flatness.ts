/** How much a figure may rise over a run before it counts as growing: by more than both. */
export interface Tolerance {
  /** Of the median of what was measured. */
  readonly share: number;
  /** In the unit of the figure. */
  readonly absolute: number;
}

/** Whether a figure grew while nothing else changed. */
export interface Flatness {
  /** "too_short": fewer samples than say anything. */
  readonly verdict: "flat" | "grows" | "too_short";
  readonly samples: number;
  readonly median: number;
  /** By how much it rose from the first to the last sample, by the slope through all of them. */
  readonly growth: number;
  /** How surely it rises at all, in standard deviations of what chance does. */
  readonly z: number;
}

/** With fewer even a steady rise could be chance. */
const SAMPLES_MIN = 12;

/** One time in 700 by chance alone, and chance alone makes no rise beyond the tolerance. */
const Z_MIN = 3;

/**
 * Judges samples that were taken at equal distances, without being misled by single outliers: the slope is the median of
 * those through all pairs (Theil 1950, Sen 1968), and whether there is one at all is asked by the test of Mann (1945) and
 * Kendall, with its correction for ties.
 */
export function flatnessOf(values: readonly number[], tolerance: Tolerance): Flatness {
  const samples = values.length;
  const median = medianOf(values);
  const slopes: number[] = [];
  let concordance = 0;
  for (const [from, earlier] of values.entries()) {
    for (const [steps, later] of values.slice(from + 1).entries()) {
      slopes.push((later - earlier) / (steps + 1));
      concordance += Math.sign(later - earlier);
    }
  }
  const growth = slopes.length === 0 ? 0 : medianOf(slopes) * (samples - 1);
  const z = zOf(concordance, values);
  if (samples < SAMPLES_MIN) return { verdict: "too_short", samples, median, growth, z };
  const grows = z > Z_MIN && growth > tolerance.absolute && growth > tolerance.share * Math.abs(median);
  return { verdict: grows ? "grows" : "flat", samples, median, growth, z };
}

function zOf(concordance: number, values: readonly number[]): number {
  const n = values.length;
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const pairs = (count: number) => count * (count - 1) * (2 * count + 5);
  const ties = [...counts.values()].reduce((sum, count) => sum + pairs(count), 0);
  const variance = (pairs(n) - ties) / 18;
  return variance <= 0 ? 0 : (concordance - Math.sign(concordance)) / Math.sqrt(variance);
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
}
