import { type Done, type StoredRecord, txnCommand } from "@quorate/services/kv";
import { type Random, utf8Decode } from "@quorate/services/std";
import type { ListOperation, RecordedTransaction } from "../../judge/transactions";
import type { Timeline } from "../world-contract";
import type { Caller, Written } from "./caller";
import { readSnapshot } from "./snapshot";
import {
  appendOf,
  compare,
  getOf,
  nestedOf,
  refusedOf,
  type Txn,
  type TxnOperation,
  txnOf,
} from "./txn-parts";

/** Few, so that transactions meet. Nothing but these clients writes them, and nobody deletes them. */
export const LIST_KEYS: readonly string[] = ["t1", "t2", "t3", "t4"];
const OPERATIONS_MAX = 4;

/** Appends to lists and reads them in transactions, for the judge of strict serializability. */
export class ListTransactor {
  private values = 0;

  constructor(
    readonly caller: Caller,
    private readonly parts: {
      readonly timeline: Timeline;
      readonly random: Random;
      readonly transactions: RecordedTransaction[];
    },
  ) {}

  async carryOut(): Promise<void> {
    const draw = this.parts.random.below(10);
    if (draw < 5) await this.append();
    else if (draw < 8) await this.validate();
    else await this.readAll(this.keys());
  }

  /** Reads lists as of one revision; false where nobody answered. */
  async readAll(keys: readonly string[]): Promise<boolean> {
    const invoke = this.nowNs;
    const found = await readSnapshot(this.caller, keys, this.parts.random);
    if (found === null) return false;
    this.record(invoke, "ok", readsOf(found));
    return true;
  }

  /** A Txn that appends and reads at once, some of it in a Txn of its own, sometimes with an operation that refuses all. */
  private async append(): Promise<void> {
    const { random } = this.parts;
    const operations = this.operations();
    const cut = random.below(operations.length + 1);
    const nested = operations.slice(cut);
    const success = operations.slice(0, cut);
    // What never was has version 0, so the nested one succeeds, too.
    const holds = random.below(2) === 0 ? [] : [compare("never", "equal", { $case: "version", value: 0n })];
    if (nested.length > 0)
      success.push(nestedOf(txnOf({ compares: holds, success: nested, failure: [getOf("t1")] })));
    if (random.below(8) === 0) success.push(refusedOf("t1"));
    await this.commit(txnOf({ compares: holds, success }), []);
  }

  /** Reads first, then appends if nothing has changed since: what transact of the client does. */
  private async validate(): Promise<void> {
    const { random } = this.parts;
    const invoke = this.nowNs;
    const keys = this.keys();
    const found = await readSnapshot(this.caller, keys, random);
    if (found === null) return;
    const compares = keys.map((key) => {
      const record = found.get(key) ?? null;
      if (record !== null && random.below(4) === 0) {
        return compare(key, "equal", { $case: "value", value: record.value });
      }
      return compare(key, "equal", { $case: "modRevision", value: BigInt(record?.modRevision ?? 0) });
    });
    const failure = keys.map((key) => getOf(key));
    await this.commit(txnOf({ compares, success: this.operations(), failure }), readsOf(found), invoke);
  }

  private async commit(txn: Txn, readBefore: readonly ListOperation[], invoke = this.nowNs): Promise<void> {
    const written = await this.caller.write((source) => txnCommand(source, txn));
    const planned = plannedOf(txn.success);
    switch (written.kind) {
      case "done": {
        const done = written.done.txn;
        const isOwn = done?.succeeded === true;
        const branch = isOwn ? txn.success : txn.failure;
        this.record(invoke, "ok", [...(isOwn ? readBefore : []), ...carriedOut(branch, done?.results ?? [])]);
        return;
      }
      case "unknown":
        this.record(invoke, "unknown", planned);
        return;
      case "refused":
      case "not_done":
        this.record(invoke, "fail", planned);
    }
  }

  private record(
    invoke: string,
    status: Exclude<Written["kind"], "done" | "refused" | "not_done"> | "ok" | "fail",
    operations: readonly ListOperation[],
  ): void {
    const ended = status === "unknown" ? {} : { return: this.nowNs };
    this.parts.transactions.push({ client: this.caller.name, operations, status, invoke, ...ended });
  }

  private operations(): TxnOperation[] {
    const { random } = this.parts;
    return Array.from({ length: 1 + random.below(OPERATIONS_MAX) }, () => {
      const key = LIST_KEYS[random.below(LIST_KEYS.length)] as string;
      return random.below(5) < 2 ? getOf(key) : appendOf(key, `${this.newValue()},`);
    });
  }

  private keys(): readonly string[] {
    const { random } = this.parts;
    const from = random.below(LIST_KEYS.length);
    const count = 1 + random.below(LIST_KEYS.length);
    return Array.from({ length: count }, (_, at) => LIST_KEYS[(from + at) % LIST_KEYS.length] as string);
  }

  private newValue(): string {
    this.values += 1;
    return `${this.caller.name}.${this.values}`;
  }

  private get nowNs(): string {
    return String(BigInt(this.parts.timeline.nowUs) * 1_000n);
  }
}

function readsOf(found: ReadonlyMap<string, StoredRecord | null>): readonly ListOperation[] {
  return [...found].map(([key, record]) => ({ op: "read", key, values: valuesOf(record?.value) }));
}

/** What a branch would do, when nobody knows whether it did. */
function plannedOf(operations: readonly TxnOperation[]): readonly ListOperation[] {
  return operations.flatMap(({ operation }): readonly ListOperation[] => {
    switch (operation?.$case) {
      case "append":
        return [appended(operation.value)];
      case "get":
        return [{ op: "read", key: textOf(operation.value.key), values: null }];
      case "txn":
        return plannedOf(operation.value.success);
      default:
        return [];
    }
  });
}

function carriedOut(operations: readonly TxnOperation[], results: readonly Done[]): readonly ListOperation[] {
  return operations.flatMap(({ operation }, at): readonly ListOperation[] => {
    const result = results[at];
    switch (operation?.$case) {
      case "append":
        return [appended(operation.value)];
      case "get":
        return [{ op: "read", key: textOf(operation.value.key), values: valuesOf(result?.record?.value) }];
      case "txn": {
        const branch = result?.txn?.succeeded === true ? operation.value.success : operation.value.failure;
        return carriedOut(branch, result?.txn?.results ?? []);
      }
      default:
        return [];
    }
  });
}

function appended({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array }): ListOperation {
  return { op: "append", key: textOf(key), value: textOf(value).slice(0, -1) };
}

function valuesOf(value: Uint8Array | undefined): readonly string[] {
  return textOf(value).split(",").slice(0, -1);
}

function textOf(bytes: Uint8Array | undefined): string {
  return utf8Decode(bytes ?? new Uint8Array(0)) as string;
}
