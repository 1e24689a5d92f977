import type { HistoryRecord } from "./history";

/*
 * Short notation for histories in tests. A span is [invoked, returned] in nanoseconds; [5, null] has an unknown outcome.
 */

export type Span = readonly [invoke: number, returned: number | null];

/** What one client does on one key. */
export class Sketch {
  private readonly client: string;
  private readonly key: string;

  constructor(client: string, key = "k") {
    this.client = client;
    this.key = key;
  }

  get(span: Span, value: string | null = null, rev?: number): HistoryRecord {
    return this.record("get", {}, span, { value, ...revision(rev) });
  }

  put(span: Span, value: string, rev?: number): HistoryRecord {
    return this.record("put", { value }, span, revision(rev));
  }

  delete(span: Span, deleted = true, rev?: number): HistoryRecord {
    return this.record("delete", {}, span, { deleted, ...revision(rev) });
  }

  cas(span: Span, expect: string | null, value: string, swapped = true, rev?: number): HistoryRecord {
    return this.record("cas", { expect, value }, span, { swapped, ...revision(rev) });
  }

  incr(span: Span, by: number, value = 0, rev?: number): HistoryRecord {
    return this.record("incr", { by }, span, { value, ...revision(rev) });
  }

  append(span: Span, value: string, after = "", rev?: number): HistoryRecord {
    return this.record("append", { value }, span, { value: after, ...revision(rev) });
  }

  private record(op: string, args: object, [invoke, returned]: Span, result: object): HistoryRecord {
    const { client, key } = this;
    const started = { client, op, key, args, invoke: String(invoke) };
    const ended =
      returned === null
        ? { ...started, result: null, status: "unknown" }
        : { ...started, result, status: "ok", return: String(returned) };
    // op, args and result come in pairs from the methods above.
    return ended as unknown as HistoryRecord;
  }
}

/** The same operation, but the server said that nothing was done. */
export function failed(record: HistoryRecord): HistoryRecord {
  return { ...record, result: null, status: "fail", return: record.return ?? record.invoke };
}

/** The same operation, but nobody knows whether it took effect. */
export function unanswered(record: HistoryRecord): HistoryRecord {
  const { return: _, ...rest } = record;
  return { ...rest, result: null, status: "unknown" };
}

function revision(rev: number | undefined): { readonly rev?: number } {
  return rev === undefined ? {} : { rev };
}
