import { type Done, txnCommand } from "@quorate/services/kv";
import { type Random, utf8Decode, utf8Encode } from "@quorate/services/std";
import { type BankRecord, balanceOf } from "../../judge/bank";
import type { Timeline } from "../world-contract";
import type { Caller } from "./caller";
import { readSnapshot } from "./snapshot";
import { compare, getOf, putOf, rangeOf, txnOf } from "./txn-parts";

/** What each account begins with. */
export const BANK_INITIAL: Readonly<Record<string, string>> = { b1: "100#0", b2: "100#0", b3: "100#0" };
const ACCOUNTS = Object.keys(BANK_INITIAL);
/** Behind all accounts. */
const ACCOUNTS_END = "b9";

/** Moves money between accounts in transactions, for the judge of the bank. */
export class Banker {
  private isOpen = false;
  private transfers = 0;

  constructor(
    readonly caller: Caller,
    private readonly parts: {
      readonly timeline: Timeline;
      readonly random: Random;
      readonly records: BankRecord[];
    },
  ) {}

  async carryOut(): Promise<void> {
    if (!this.isOpen) await this.open();
    else if (this.parts.random.below(3) === 0) await this.readTogether();
    else await this.transfer();
  }

  /** Reads all accounts as of one revision; false where nobody answered. */
  async readAll(): Promise<boolean> {
    const invoke = this.nowNs;
    const found = await readSnapshot(this.caller, ACCOUNTS, this.parts.random);
    if (found === null) return false;
    // No banker may have come so far as to open the bank.
    if ([...found.values()].every((record) => record === null)) return true;
    this.recordRead(
      invoke,
      ACCOUNTS.map((account) => textOf(found.get(account)?.value)),
    );
    return true;
  }

  private async open(): Promise<void> {
    const isNew = compare(["b1", ACCOUNTS_END], "equal", { $case: "createRevision", value: 0n });
    const puts = ACCOUNTS.map((account) => putOf(account, BANK_INITIAL[account] as string));
    const written = await this.caller.write((source) =>
      txnCommand(source, txnOf({ compares: [isNew], success: puts })),
    );
    this.isOpen = written.kind === "done";
  }

  private async readTogether(): Promise<void> {
    const { random } = this.parts;
    const invoke = this.nowNs;
    const isRange = random.below(2) === 0;
    const success = isRange ? [rangeOf("b1", ACCOUNTS_END)] : ACCOUNTS.map((account) => getOf(account));
    const written = await this.caller.write((source) => txnCommand(source, txnOf({ success })));
    if (written.kind !== "done") return;
    const results = written.done.txn?.results ?? [];
    const records = isRange ? (results[0]?.records ?? []) : results.map(({ record }) => record);
    this.recordRead(
      invoke,
      records.map((record) => textOf(record?.value)),
    );
  }

  private async transfer(): Promise<void> {
    const { random, records } = this.parts;
    const from = random.below(ACCOUNTS.length);
    const to = (from + 1 + random.below(ACCOUNTS.length - 1)) % ACCOUNTS.length;
    const names = [ACCOUNTS[from] as string, ACCOUNTS[to] as string];
    const found = await readSnapshot(this.caller, names, random);
    if (found === null) return;
    const amount = 1 + random.below(20);
    this.transfers += 1;
    const mark = `${this.caller.name}.${this.transfers}`;
    const moves = names.map((account, at) => {
      const over = textOf(found.get(account)?.value);
      return { account, over, version: `${balanceOf(over) + (at === 0 ? -amount : amount)}#${mark}` };
    });
    const compares = moves.map(({ account, over }) =>
      random.below(2) === 0
        ? compare(account, "equal", { $case: "value", value: utf8Encode(over) })
        : compare(account, "equal", {
            $case: "modRevision",
            value: BigInt(found.get(account)?.modRevision ?? 0),
          }),
    );
    const success = moves.map(({ account, version }) => putOf(account, version));
    const failure = ACCOUNTS.map((account) => getOf(account));
    const invoke = this.nowNs;
    const written = await this.caller.write((source) =>
      txnCommand(source, txnOf({ compares, success, failure })),
    );
    const client = this.caller.name;
    switch (written.kind) {
      case "done":
        if (written.done.txn?.succeeded === true) {
          records.push({ client, op: "transfer", moves, status: "ok", invoke, return: this.nowNs });
        } else {
          this.recordRead(invoke, valuesOf(written.done.txn?.results ?? []));
        }
        return;
      case "unknown":
        records.push({ client, op: "transfer", moves, status: "unknown", invoke });
        return;
      case "refused":
      case "not_done":
        records.push({ client, op: "transfer", moves, status: "fail", invoke, return: this.nowNs });
    }
  }

  private recordRead(invoke: string, versions: readonly string[]): void {
    const seen = Object.fromEntries(ACCOUNTS.map((account, at) => [account, versions[at] ?? ""]));
    const { name: client } = this.caller;
    this.parts.records.push({ client, op: "read", versions: seen, status: "ok", invoke, return: this.nowNs });
  }

  private get nowNs(): string {
    return String(BigInt(this.parts.timeline.nowUs) * 1_000n);
  }
}

function valuesOf(results: readonly Done[]): readonly string[] {
  return results.map(({ record }) => textOf(record?.value));
}

function textOf(bytes: Uint8Array | undefined): string {
  return utf8Decode(bytes ?? new Uint8Array(0)) as string;
}
