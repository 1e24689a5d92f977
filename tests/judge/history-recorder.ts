import type { HistoryRecord, OperationName } from "./history";

export type ArgsOf<Op extends OperationName> = Extract<HistoryRecord, { readonly op: Op }>["args"];
export type ResultOf<Op extends OperationName> = NonNullable<
  Extract<HistoryRecord, { readonly op: Op }>["result"]
>;

/** An operation under way: exactly one of the three ends it. Times are nanoseconds of the recorder's one clock. */
export interface OpenOperation<Op extends OperationName> {
  ok(result: ResultOf<Op>, nowNs: bigint): void;
  /** Only where the server said that nothing was done. */
  fail(nowNs: bigint): void;
  unknown(): void;
}

interface Caller {
  /** How many of its operations ended unknown. */
  unknowns: number;
  open: { unknown(): void } | null;
}

/** Turns what clients do into records, each handed on when its operation has ended. */
export class HistoryRecorder {
  private readonly sink: (record: HistoryRecord) => void;
  private readonly callers = new Map<string, Caller>();

  constructor(sink: (record: HistoryRecord) => void) {
    this.sink = sink;
  }

  /** After an unknown outcome the client is recorded under a new name: "c3", then "c3.1", "c3.2". */
  invoke<Op extends OperationName>(
    client: string,
    op: Op,
    key: string,
    args: ArgsOf<Op>,
    nowNs: bigint,
  ): OpenOperation<Op> {
    const caller = this.callerOf(client);
    if (caller.open !== null) throw new Error(`client "${client}" runs one operation at a time`);
    const name = caller.unknowns === 0 ? client : `${client}.${caller.unknowns}`;
    const started = { client: name, op, key, args, invoke: String(nowNs) };
    const end = (ended: object) => {
      if (caller.open !== operation) throw new Error(`an operation of client "${client}" ends once`);
      caller.open = null;
      // Op ties args and result together, which a union cannot follow.
      this.sink({ ...started, ...ended } as unknown as HistoryRecord);
    };
    const operation: OpenOperation<Op> = {
      ok: (result, returnNs) => end({ result, status: "ok", return: String(returnNs) }),
      fail: (returnNs) => end({ result: null, status: "fail", return: String(returnNs) }),
      unknown: () => {
        end({ result: null, status: "unknown" });
        caller.unknowns += 1;
      },
    };
    caller.open = operation;
    return operation;
  }

  /** What is still open at the end of a run has an unknown outcome. */
  close(): void {
    for (const caller of this.callers.values()) caller.open?.unknown();
  }

  private callerOf(client: string): Caller {
    const known = this.callers.get(client);
    if (known !== undefined) return known;
    const caller: Caller = { unknowns: 0, open: null };
    this.callers.set(client, caller);
    return caller;
  }
}
