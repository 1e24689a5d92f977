import { QuorateError } from "@quorate/client";
import type { LineOutcome, StoredPair } from "./record-line";
import { Watermark } from "./watermark";

/** How many failures in a row mean that the rest would fail as well. */
const FAILURES_IN_A_ROW_MAX = 200;

/** What an import did. */
export interface ImportResult {
  /** Records written, those of an earlier, interrupted run left out. */
  readonly imported: number;
  /** Records left out because an earlier run had written them. */
  readonly skipped: number;
  readonly failed: number;
  /** How many records from the first on are done, with no gap: where the next run goes on. */
  readonly done: number;
  /** Whether it was ended early, since everything failed. */
  readonly abandoned: boolean;
}

/** How an import is made. */
export interface ImportPlan {
  /** Records from the first on that are done already. */
  readonly skip: number;
  /** How many writes are under way at a time. */
  readonly inFlightMax: number;
  put(pair: StoredPair): Promise<unknown>;
  /** Is told of each record that could not be imported: its number, from 1, and why. */
  onFailure(number: number, why: string): void;
  /** Is called after each record that was written. */
  onProgress(done: number, finished: number): void;
}

/** Writes records, many at a time. Records of one key may pass each other, so a file should hold each key once. */
export async function importRecords(
  records: AsyncIterable<LineOutcome>,
  plan: ImportPlan,
): Promise<ImportResult> {
  const watermark = new Watermark(plan.skip);
  const underWay = new Set<Promise<void>>();
  let [read, imported, failed, failuresInARow] = [0, 0, 0, 0];
  const fail = (number: number, why: string) => {
    failed += 1;
    plan.onFailure(number, why);
  };
  for await (const record of records) {
    const at = read;
    read += 1;
    if (at < plan.skip) continue;
    if (record.kind === "malformed") {
      fail(at + 1, record.why);
      continue;
    }
    const write = plan.put(record.pair).then(
      () => {
        imported += 1;
        failuresInARow = 0;
        watermark.finish(at);
        plan.onProgress(watermark.done, plan.skip + imported);
      },
      (error: unknown) => {
        const { code, message } = QuorateError.from(error);
        failuresInARow += 1;
        fail(at + 1, `${code}: ${message}`);
      },
    );
    underWay.add(write);
    void write.then(() => underWay.delete(write));
    if (underWay.size >= plan.inFlightMax) await Promise.race(underWay);
    if (failuresInARow >= FAILURES_IN_A_ROW_MAX) break;
  }
  await Promise.all(underWay);
  const abandoned = failuresInARow >= FAILURES_IN_A_ROW_MAX;
  return { imported, skipped: Math.min(plan.skip, read), failed, done: watermark.done, abandoned };
}
