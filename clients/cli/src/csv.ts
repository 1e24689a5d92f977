import type { Readable } from "node:stream";
import { type CsvError, parse } from "csv-parse";
import { stringify } from "csv-stringify/sync";
import { type LineOutcome, pairOfText, type StoredPair, textOfPair } from "./record-line";

/** The first line of a CSV file. */
export const CSV_HEADER = "key,value,encoding\n";

/** The line of a pair, with its end. */
export function writeCsvLine(pair: StoredPair): string {
  const { key, value, encoding } = textOfPair(pair);
  // Quoted wherever a reader could take a bare cell for something else.
  return stringify([[key, value, encoding]], { quoted_match: /[\r\n\t ]|^$/, quoted_empty: false });
}

/**
 * The records of a CSV file with the columns key, value and (optional) encoding, named in its first line. A cell stands
 * for its UTF-8 bytes, or is base64 where the encoding says so.
 */
export async function* readCsv(input: Readable): AsyncGenerator<LineOutcome, void, undefined> {
  const parser = input.pipe(
    parse({ columns: true, bom: true, relax_column_count_less: true, skip_empty_lines: true }),
  );
  input.once("error", (error) => parser.destroy(error));
  try {
    for await (const row of parser) yield pairOfRow(row as Record<string, string | undefined>);
  } catch (error) {
    if (!isCsvError(error)) throw error;
    // What follows cannot be told apart any more.
    yield { kind: "malformed", why: error.message };
  }
}

function pairOfRow({ key, value, encoding = "" }: Record<string, string | undefined>): LineOutcome {
  if (key === undefined) return { kind: "malformed", why: "it has no column key" };
  if (value === undefined) return { kind: "malformed", why: "it has no column value" };
  return pairOfText({ key, value, encoding });
}

function isCsvError(error: unknown): error is CsvError {
  return (
    error instanceof Error &&
    typeof (error as CsvError).code === "string" &&
    (error as CsvError).code.startsWith("CSV_")
  );
}
