import {
  decodeScanPart,
  KvServiceDefinition,
  type PlainRecord,
  type PlainScanPart,
  type ScanRequest,
} from "@quorate/proto/kv";
import { endOfPrefix } from "./bytes";
import { type FreshnessFields, freshnessFields, headerOf, type ReadOptions } from "./call-options";
import type { Core } from "./core";
import { invalidArgument, QuorateError } from "./errors";
import { Flattened } from "./flattened";
import { toCount } from "./numbers";
import { type KeyRange, rangeFields } from "./range";
import { asDecoded, KvRecord } from "./record";
import { Repetition } from "./repetition";
import { type Method, methodOf } from "./transport";

/** What a scan takes. */
export interface ScanOptions extends ReadOptions {
  /** The most records in all; without it all there are. */
  readonly limit?: number;
  /** From the largest key down. */
  readonly reverse?: boolean;
  /** Leaves the values out. */
  readonly keysOnly?: boolean;
  /** How many records are asked for at a time; 1,000 by default. */
  readonly pageRecords?: number;
}

const PAGE_RECORDS = 1000;

const SCAN: Method<ScanRequest, PlainScanPart> = {
  ...methodOf(KvServiceDefinition, KvServiceDefinition.methods.scan),
  responseType: { decode: decodeScanPart },
};

/** Streams the records of a range, page by page. */
export function scanRecords(
  core: Core,
  namespace: string,
  range: KeyRange,
  options: ScanOptions,
): AsyncIterableIterator<KvRecord, void, undefined> {
  return new Flattened(
    scanParts(core, namespace, range, options),
    (record) => new KvRecord(record, asDecoded),
  );
}

/** The range shrinks as parts of it are handed on, so any page can be asked again. */
async function* scanParts(
  core: Core,
  namespace: string,
  range: KeyRange,
  options: ScanOptions,
): AsyncGenerator<readonly PlainRecord[], void, undefined> {
  const { limit = Number.MAX_SAFE_INTEGER, pageRecords = PAGE_RECORDS } = options;
  checkPaging(limit, pageRecords);
  const plan = core.plan(options);
  const freshness = freshnessFields(options, core.seen.of(namespace));
  const rest = new Rest(namespace, range, options, freshness);
  const repetition = new Repetition(core.pool, core.timing, plan);
  let missing = limit;
  while (missing > 0 && !rest.isEmpty) {
    repetition.throwIfGivenUp();
    const { address, connection } = core.pool.current();
    let more = false;
    try {
      const parts = connection.serverStream(SCAN, rest.page(Math.min(pageRecords, missing)), {
        metadata: {},
        timeoutMs: repetition.attemptMs(),
        signal: plan.signal,
      });
      for await (const part of parts) {
        if (rest.pinRevision(BigInt(part.header?.revision ?? 0))) {
          const header = headerOf(part.header);
          core.seen.note(namespace, header.revision);
          options.onHeader?.(header);
        }
        more = part.more;
        const records = rest.stepBehind(part.records);
        missing -= records.length;
        if (records.length > 0) yield records;
        // The time that the consumer took is not the server's.
        repetition.restart();
      }
    } catch (thrown) {
      await repetition.afterFailure(QuorateError.from(thrown), address);
      continue;
    }
    if (!more) return;
  }
}

function checkPaging(limit: number, pageRecords: number): void {
  toCount(limit, "limit");
  if (toCount(pageRecords, "pageRecords") === 0n) throw invalidArgument("pageRecords must be at least 1");
}

/**
 * The part of a range that is still to be read. It is kept as a range rather than by the server's cursor, which only a
 * finished page has. Going forward, it begins with the last record, which is left out when it comes again: the next
 * possible key may be longer than a key is allowed to be.
 */
class Rest {
  readonly #request: ScanRequest;
  #last: Uint8Array | null = null;
  #pinned = false;

  constructor(namespace: string, range: KeyRange, options: ScanOptions, freshness: FreshnessFields) {
    const { start, end, prefix } = rangeFields(range);
    this.#request = {
      namespace,
      start: prefix.length > 0 ? prefix : start,
      end: prefix.length > 0 ? endOfPrefix(prefix) : end,
      prefix: new Uint8Array(0),
      limit: 0n,
      cursor: new Uint8Array(0),
      reverse: options.reverse ?? false,
      keysOnly: options.keysOnly ?? false,
      ...freshness,
    };
  }

  get isEmpty(): boolean {
    const { start, end } = this.#request;
    // Before the first page the server judges the range.
    return this.#last !== null && end.length > 0 && Buffer.compare(start, end) >= 0;
  }

  page(records: number): ScanRequest {
    const again = this.#last !== null && !this.#request.reverse ? 1 : 0;
    return { ...this.#request, limit: BigInt(Math.min(records + again, Number.MAX_SAFE_INTEGER)) };
  }

  /** All later pages are read at the revision of the first, from nodes that have reached it. Whether this was the first. */
  pinRevision(revision: bigint): boolean {
    if (this.#pinned) return false;
    this.#pinned = true;
    if (this.#request.revision === 0n) this.#request.revision = revision;
    this.#request.minRevision = this.#request.revision;
    return true;
  }

  /** Leaves records behind, which are in the order of the scan. @returns those that were not left behind before */
  stepBehind(records: readonly PlainRecord[]): readonly PlainRecord[] {
    const [first] = records;
    const last = records.at(-1);
    if (first === undefined || last === undefined) return records;
    // Only the record that a page begins with can be the last of the page before.
    const isAgain = this.#last !== null && Buffer.compare(this.#last, first.key) === 0;
    this.#last = last.key;
    if (this.#request.reverse) this.#request.end = this.#last;
    else this.#request.start = this.#last;
    return isAgain ? records.slice(1) : records;
  }
}
