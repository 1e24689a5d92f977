import type { RecordedTransaction } from "./transactions";

/** Tries all orders of a small history, and shares nothing with the judge that it checks. */
export function isSerializableByBruteForce(transactions: readonly RecordedTransaction[]): boolean {
  const mayHappen = transactions.filter(({ status }) => status !== "fail");
  return search(mayHappen, new Map());
}

function search(
  left: readonly RecordedTransaction[],
  lists: ReadonlyMap<string, readonly string[]>,
): boolean {
  if (left.every(({ status }) => status === "unknown")) return true;
  return left.some((next) => {
    const others = left.filter((other) => other !== next);
    const isTooEarly = others.some(
      ({ return: end }) => end !== undefined && BigInt(end) < BigInt(next.invoke),
    );
    if (isTooEarly) return false;
    const after = run(next, lists);
    return after !== null && search(others, after);
  });
}

/** The lists afterwards; null where it would have read something else. */
function run(
  { operations, status }: RecordedTransaction,
  before: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> | null {
  const lists = new Map(before);
  for (const operation of operations) {
    const list = lists.get(operation.key) ?? [];
    if (operation.op === "append") lists.set(operation.key, [...list, operation.value]);
    else if (status === "ok" && operation.values?.join() !== list.join()) return null;
  }
  return lists;
}
