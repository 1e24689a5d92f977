export { type Comparison, type ComparisonOf, type ComparisonTarget, compare } from "./comparison";
export {
  type NestedTxn,
  type Operation,
  op,
  type ResultsOf,
  type TxnDeleteOptions,
  type TxnDeleteResult,
  type TxnPutOptions,
  type TxnPutResult,
  type TxnScanOptions,
  type TxnScanResult,
} from "./operation";
export { type CommitTxn, Txn, type TxnBranch, type TxnOutcome } from "./txn";
