import { byteKey, type StoredRecord } from "#kv";
import type { RangeQuery } from "#replica";
import { EMPTY_BYTES } from "#std";
import type { Generation } from "./generation";

/** Small, so that what reads in chunks meets their borders in tests. */
const CHUNK_RECORDS = 16;

/** What is written later has a later revision, so that going on by key finds the same records whatever is written. */
export function* scanContents(
  contents: {
    readonly revision: number;
    generation(namespaceId: number, generation: number): Generation;
  },
  query: RangeQuery,
): Generator<readonly StoredRecord[]> {
  const generation = contents.generation(query.namespaceId, query.generation);
  const revision = Math.min(query.revision, contents.revision);
  const start = byteKey(query.start);
  const end = query.end === null ? null : byteKey(query.end);
  let chunk: StoredRecord[] = [];
  let after: string | null = null;
  for (;;) {
    after = generation.next({ after, start, end, reverse: query.reverse });
    if (after === null) break;
    const record = generation.get(after, revision);
    if (record === null) continue;
    chunk.push(query.keysOnly ? { ...record, value: EMPTY_BYTES } : record);
    if (chunk.length < CHUNK_RECORDS) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
