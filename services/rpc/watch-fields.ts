import type { WatchCreate } from "@quorate/proto/kv";
import type { KeyRange, Limits } from "#kv";
import type { WatchSpec } from "#watch";
import { checkCount, checkKey, checkNamespace, checkRange, invalid } from "./request-fields";

const PROGRESS_INTERVAL_MS_MIN = 100;

/** What a WatchCreate asks for; throws the failure that names the field which cannot be. */
export function checkWatch(create: WatchCreate, limits: Limits): WatchSpec {
  if (create.watchId <= 0n) throw invalid(`watch_id is ${create.watchId}, and must be above 0`);
  const startRevision = checkCount(create.startRevision, "start_revision");
  if (create.withCurrentState && startRevision !== 0) {
    throw invalid("with_current_state tells the present records: start_revision must be 0 with it");
  }
  const progressIntervalMs = checkCount(create.progressIntervalMs, "progress_interval_ms");
  if (progressIntervalMs !== 0 && progressIntervalMs < PROGRESS_INTERVAL_MS_MIN) {
    throw invalid(
      `progress_interval_ms is ${progressIntervalMs}, not 0 (never) or at least ${PROGRESS_INTERVAL_MS_MIN}`,
    );
  }
  return {
    namespace: checkNamespace(create.namespace),
    range: checkTarget(create, limits),
    startRevision,
    withCurrentState: create.withCurrentState,
    withPrevious: create.withPrevious,
    puts: !create.noPut,
    deletes: !create.noDelete,
    progressIntervalMs,
  };
}

/** The bytes are copied: they view the frame that they came in, and a watch may last for days. */
function checkTarget(create: WatchCreate, limits: Limits): KeyRange {
  if (create.key.length === 0) {
    const { start, end } = checkRange(create, limits);
    return { start: new Uint8Array(start), end: end === null ? null : new Uint8Array(end) };
  }
  if (create.start.length > 0 || create.end.length > 0 || create.prefix.length > 0) {
    throw invalid("key cannot be combined with start, end or prefix");
  }
  const key = checkKey(create.key, limits);
  const end = new Uint8Array(key.length + 1);
  end.set(key);
  return { start: new Uint8Array(key), end };
}
