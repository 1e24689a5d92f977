import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { CSV_HEADER, readCsv, writeCsvLine } from "./csv";
import { readJsonLine, writeJsonLine } from "./json-lines";
import type { LineOutcome, StoredPair } from "./record-line";

/** How records are written into files. */
export interface Format {
  readonly header: string;
  /** The line of a pair, with its end. */
  write(pair: StoredPair): string;
  read(input: Readable): AsyncIterable<LineOutcome>;
}

export const FORMATS = {
  jsonl: { header: "", write: (pair) => `${writeJsonLine(pair)}\n`, read: readJsonLines },
  csv: { header: CSV_HEADER, write: writeCsvLine, read: readCsv },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;

/** The format that a file's name says: csv for .csv, JSON Lines for all else. */
export function formatOfPath(path: string): FormatName {
  return path.toLowerCase().endsWith(".csv") ? "csv" : "jsonl";
}

/** What import and export say about formats in their help. */
export const FORMATS_HELP = `
Formats
  jsonl  JSON Lines, one record a line: {"key": "user/1", "value": "Ada"}
         A string is stored as its UTF-8 bytes, any other JSON value as its compact JSON text.
         Bytes that are not UTF-8: {"key": "<base64>", "value": "<base64>", "encoding": "base64"}
  csv    a first line key,value,encoding, then one record a line; encoding is empty or base64
  The format follows from the file's name (.csv, otherwise jsonl) unless --format says it.`;

async function* readJsonLines(input: Readable): AsyncGenerator<LineOutcome, void, undefined> {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    if (line.trim() !== "") yield readJsonLine(line);
  }
}
