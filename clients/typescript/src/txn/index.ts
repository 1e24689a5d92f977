export { CollectionView, type CollectionViewScanOptions, type TransactionItem } from "./collection-view";
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
export { TRANSACTION_READS_MAX } from "./read-set";
export { type TransactOptions, transact } from "./transact";
export { Transaction, type TransactionPutOptions, type TransactionScanOptions } from "./transaction";
export { type CommitTxn, Txn, type TxnBranch, type TxnOutcome } from "./txn";
