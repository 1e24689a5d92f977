import { randomBytes } from "node:crypto";
import type { Kv } from "@quorate/client";
import { Durations } from "./durations";
import type { PerfFigures, PerfLoad } from "./gates";
import { Pacer } from "./pacer";

/** What one check does. */
export interface PerfPlan {
  readonly load: PerfLoad;
  readonly seconds: number;
  /** What all its keys begin with. */
  readonly prefix: string;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Is told how many seconds have passed. */
  readonly onProgress: (seconds: number) => void;
}

const KEY_BYTES = 256;
const VALUE_BYTES = 1024;

/** No longer prefix leaves room for what tells keys apart. */
export const PREFIX_BYTES_MAX = KEY_BYTES - 32;

/** A DeleteRange takes no more. */
const DELETED_KEYS_MAX = 10_000;

/** Values that differ and do not compress. */
const VALUES = 16;

/**
 * Writes new keys at an even pace and waits for all of them. A write that is due while as many are open as may be waits for
 * one to end, unless as many wait already: then it is not made at all. `etcdctl check perf` queues as many for its clients.
 */
export async function writePaced(kv: Pick<Kv, "put">, plan: PerfPlan): Promise<PerfFigures> {
  const { load, seconds, prefix, signal, onProgress } = plan;
  const values = Array.from({ length: VALUES }, () => randomBytes(VALUE_BYTES));
  const startedAtMs = performance.now();
  const endsAtMs = startedAtMs + seconds * 1000;
  const pacer = new Pacer(load.writesPerSecond, startedAtMs);
  const durations = new Durations();
  let waiting = 0;
  let begun = 0;
  let open = 0;
  let failed = 0;
  let failure: string | null = null;
  let isOver = false;

  const write = async (number: number): Promise<void> => {
    const begunAtMs = performance.now();
    try {
      await kv.put(keyOf(prefix, number), values[number % VALUES] as Uint8Array);
      durations.add((performance.now() - begunAtMs) / 1000);
    } catch (thrown) {
      failed += 1;
      failure ??= thrown instanceof Error ? thrown.message : String(thrown);
    }
  };

  await new Promise<void>((resolve) => {
    const timer = setInterval(step, Math.min(10, 1000 / load.writesPerSecond));
    function step(): void {
      const nowMs = performance.now();
      if (nowMs >= endsAtMs || signal.aborted) {
        clearInterval(timer);
        isOver = true;
        if (open === 0) resolve();
        return;
      }
      onProgress(Math.floor((nowMs - startedAtMs) / 1000));
      waiting += pacer.take(nowMs, 2 * load.inFlightMax - open - waiting);
      beginWaiting();
    }
    function beginWaiting(): void {
      for (; waiting > 0 && open < load.inFlightMax; waiting -= 1) {
        begun += 1;
        open += 1;
        void write(begun).then(onEnded);
      }
    }
    function onEnded(): void {
      open -= 1;
      if (!isOver) beginWaiting();
      else if (open === 0) resolve();
    }
    step();
  });
  const tookSeconds = (performance.now() - startedAtMs) / 1000;
  return {
    written: durations.count,
    failed,
    failure,
    writesPerSecond: durations.count / tookSeconds,
    slowestSeconds: durations.maxSeconds,
    standardDeviationSeconds: durations.deviationSeconds,
  };
}

/** Deletes all keys that begin with the prefix, and says how many there were. */
export async function deleteAll(kv: Pick<Kv, "scan" | "deleteRange">, prefix: string): Promise<number> {
  let deleted = 0;
  for (;;) {
    let first: Uint8Array | null = null;
    let last: Uint8Array | null = null;
    for await (const { keyBytes } of kv.scan({ prefix }, { limit: DELETED_KEYS_MAX, keysOnly: true })) {
      first ??= keyBytes;
      last = keyBytes;
    }
    if (first === null || last === null) return deleted;
    const range = { start: first, end: Buffer.concat([last, Buffer.of(0)]) };
    deleted += (await kv.deleteRange(range)).deleted;
  }
}

/** Keys in no order, each another one. */
function keyOf(prefix: string, number: number): string {
  const scattered = Math.imul(number, 0x9e3779b1) >>> 0;
  return `${prefix}${scattered.toString(16).padStart(8, "0")}`.padEnd(KEY_BYTES, ".");
}
