import { type BankRecord, checkBank } from "../../judge/bank";
import { checkSerializable } from "../../judge/serializable";
import type { RecordedTransaction } from "../../judge/transactions";
import { BANK_INITIAL } from "../clients/banker";
import { broken } from "./invariant";

/** Judges the transactions that clients recorded (invariant 5). */
export function checkTransactions(recorded: {
  readonly transactions: readonly RecordedTransaction[];
  readonly bank: readonly BankRecord[];
}): void {
  const lists = checkSerializable(recorded.transactions);
  if (lists.kind === "violation") broken("strictly serializable", `lists: ${lists.explanation}`);
  const bank = checkBank(recorded.bank, BANK_INITIAL);
  if (bank.kind === "violation") broken("strictly serializable", `bank: ${bank.explanation}`);
}
