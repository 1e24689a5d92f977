import type { StoredRecord } from "#kv";
import type { RangeQuery } from "#replica";
import { EMPTY_BYTES } from "#std";
import type { DatabaseSnapshot } from "./database";
import { keyOfText, keyText } from "./key-text";
import type { RecordRuns, Run, RunFilling, Stretch } from "./record-runs";
import { chunksOf, type ScanParts, scanRange, scanSnapshot } from "./state-scan";
import type { StateWriter } from "./state-writer";
import { withoutValue } from "./version-records";

export interface RunScanParts extends Pick<ScanParts, "handle" | "source"> {
  readonly writer: Pick<StateWriter, "snapshot" | "written">;
  readonly runs: RecordRuns;
  /** @throws ReadExpired where the range cannot be read at its revision any more */
  readonly checkReadable: (query: RangeQuery) => void;
}

/** A range from the smallest key up, of which it is said how much is wanted. */
export type RunQuery = RangeQuery & { readonly reverse: false; readonly recordsWanted: number };

export function isRunQuery(query: RangeQuery): query is RunQuery {
  return !query.reverse && query.recordsWanted !== undefined;
}

/**
 * Goes through a range by the runs that are kept, and makes runs of what it reads between them. The runs are taken, and the
 * snapshot of what lies between them is asked for, before anything can be written: so all is as of one moment.
 */
export async function* scanRuns(
  parts: RunScanParts,
  query: RunQuery,
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  const { writer, runs } = parts;
  const range = textRangeOf(query);
  const stretches = runs.stretches(range, query.revision, query.recordsWanted);
  const fillings = fillingsOf(parts, query, stretches);
  const snapshot = stretches.some(({ kind }) => kind === "gap") ? writer.snapshot(query.revision) : null;
  let { recordsWanted } = query;
  try {
    for (const stretch of stretches) {
      const asOfBegin = { snapshot, filling: fillings.get(stretch) ?? null };
      const rest = { ...query, recordsWanted: Math.max(recordsWanted, 1) };
      for await (const chunk of stretchChunks(parts, rest, { stretch, range, ...asOfBegin }, chunkBytesMax)) {
        recordsWanted -= chunk.length;
        yield chunk;
        parts.handle.check();
      }
    }
  } finally {
    for (const filling of fillings.values()) filling.close();
    await snapshot?.then((taken) => taken.close());
  }
}

async function* stretchChunks(
  parts: RunScanParts,
  query: RunQuery,
  part: {
    readonly stretch: Stretch;
    /** The whole range. */
    readonly range: TextRange;
    readonly snapshot: Promise<DatabaseSnapshot> | null;
    readonly filling: RunFilling | null;
  },
  chunkBytesMax: number,
): AsyncGenerator<readonly StoredRecord[]> {
  const { stretch, range, filling } = part;
  if (stretch.kind === "runs") {
    yield* runChunks(stretch.runs, range, query, chunkBytesMax);
    return;
  }
  const start = keyOfText(stretch.start);
  const end = stretch.end === range.end ? query.end : keyOfText(stretch.end);
  const missing = { ...query, start, end };
  const snapshot = await part.snapshot;
  if (stretch.kind === "gap" && snapshot !== null) {
    yield* scanSnapshot({ ...parts, snapshot, filling }, missing, chunkBytesMax);
    return;
  }
  // Who goes on here takes more than was said: that is a read of its own.
  parts.checkReadable(missing);
  yield* scanRange(parts, missing, chunkBytesMax);
}

function* runChunks(
  runs: readonly Run[],
  range: TextRange,
  query: RunQuery,
  chunkBytesMax: number,
): Generator<readonly StoredRecord[]> {
  let records: StoredRecord[] = [];
  let bytes = 0;
  for (const { start, end, records: packed } of runs) {
    const from = start < range.start ? packed.firstFrom(query.start) : 0;
    const to = end > range.end && query.end !== null ? packed.firstFrom(query.end) : packed.count;
    packed.addTo(records, from, to);
    bytes += packed.byteLength;
    if (bytes < chunkBytesMax) continue;
    yield* asAsked(records, query, chunkBytesMax);
    records = [];
    bytes = 0;
  }
  yield* asAsked(records, query, chunkBytesMax);
}

function asAsked(
  records: readonly StoredRecord[],
  { keysOnly }: RunQuery,
  chunkBytesMax: number,
): Iterable<readonly StoredRecord[]> {
  return chunksOf(keysOnly ? records.map(withoutValue) : records, chunkBytesMax);
}

/** For each gap, where what is read of it may be kept: it is what there is now. */
function fillingsOf(
  { runs, writer }: RunScanParts,
  query: RunQuery,
  stretches: readonly Stretch[],
): ReadonlyMap<Stretch, RunFilling> {
  const fillings = new Map<Stretch, RunFilling>();
  const { revision } = writer.written.meta;
  if (query.keysOnly || query.revision < revision) return fillings;
  for (const stretch of stretches) {
    if (stretch.kind === "gap") fillings.set(stretch, runs.fill(stretch, revision));
  }
  return fillings;
}

/** In texts of keys. */
interface TextRange {
  readonly start: string;
  readonly end: string;
}

function textRangeOf(query: RunQuery): TextRange {
  const { namespaceId, generation, start, end } = query;
  const next = { namespaceId, generation: generation + 1 };
  return {
    start: keyText(query, start),
    end: end === null ? keyText(next, EMPTY_BYTES) : keyText(query, end),
  };
}
