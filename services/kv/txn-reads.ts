import type { Txn, TxnCompare, TxnOperation } from "@quorate/proto/log";
import { unreachable } from "#std";
import type { Namespace } from "./namespace";
import { planTxn } from "./txn-plan";
import type { CommandReads, KeyRead } from "./view";

/** What a Txn may need of the store, whichever branches it takes. */
export function txnReads(namespace: Namespace, txn: Txn): CommandReads {
  const { id: namespaceId, generation } = namespace;
  const keys = keysOf(txn).map((read) => ({ namespaceId, generation, ...read }));
  const { ranges } = planTxn(namespace, txn);
  return { keys, ranges, startsBatch: ranges.length > 0, endsBatch: false };
}

type Key = Pick<KeyRead, "key" | "withValue">;

function keysOf({ compares, success, failure }: Txn): readonly Key[] {
  return [
    ...compares.flatMap(keyOfCompare),
    ...success.flatMap(keysOfOperation),
    ...failure.flatMap(keysOfOperation),
  ];
}

function keyOfCompare({ key, target }: TxnCompare): readonly Key[] {
  return key.length === 0 ? [] : [{ key, withValue: target?.$case === "value" }];
}

function keysOfOperation({ operation }: TxnOperation): readonly Key[] {
  switch (operation?.$case) {
    case "put":
    case "delete":
      return [{ key: operation.value.key, withValue: operation.value.returnPrevious }];
    case "increment":
    case "append":
    case "get":
      return [{ key: operation.value.key, withValue: true }];
    case "txn":
      return keysOf(operation.value);
    case "deleteRange":
    case "range":
    case undefined:
      return [];
    default:
      return unreachable(operation);
  }
}
