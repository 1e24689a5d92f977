import { type DurabilityFinding, DurabilityOracle, type OpenWrite, writeEffectOf } from "./durability";
import type { HistoryRecord } from "./history";

/** A crash, at a time of the history's clock. */
export interface CrashEvent {
  readonly name: string;
  readonly timeNs: bigint;
}

interface Step {
  readonly timeNs: bigint;
  /** Of equal times what begins goes first, so that they count as overlapping. */
  readonly order: 0 | 1 | 2;
  run(): void;
}

/**
 * Holds a history against the durability oracle: every read that no write to its key overlaps must find what must
 * survive, whatever crashed in between. Looks at keys that take only puts, deletes and swaps; what an unknown write may
 * do later is open to the end.
 *
 * @returns what is wrong, in the order found
 */
export function checkDurability(
  records: readonly HistoryRecord[],
  crashes: readonly CrashEvent[],
): readonly DurabilityFinding[] {
  const oracle = new DurabilityOracle();
  const mixed = new Set(records.filter(({ op }) => op === "incr" || op === "append").map(({ key }) => key));
  const open = new Map<string, number>();
  const begun = new Map<string, number>();
  const steps: Step[] = crashes.map(({ name, timeNs }) => ({
    timeNs,
    order: 1,
    run: () => oracle.crashed(name),
  }));
  for (const record of records) {
    if (mixed.has(record.key)) continue;
    const step = record.op === "get" ? readSteps : writeSteps;
    steps.push(...step(record, oracle, { open, begun }));
  }
  steps.sort((left, right) => {
    if (left.timeNs !== right.timeNs) return left.timeNs < right.timeNs ? -1 : 1;
    return left.order - right.order;
  });
  for (const step of steps) step.run();
  return oracle.findings;
}

/** By key: how many writes that will end are under way, and how many have begun. */
interface Traffic {
  readonly open: Map<string, number>;
  readonly begun: Map<string, number>;
}

function writeSteps(record: HistoryRecord, oracle: DurabilityOracle, { open, begun }: Traffic): Step[] {
  const { key, invoke, return: returned, status } = record;
  const effect = writeEffectOf(record);
  if (effect === null) return [];
  let write: OpenWrite | null = null;
  const begin = () => {
    write = oracle.begin(key, effect);
    begun.set(key, (begun.get(key) ?? 0) + 1);
    if (returned !== undefined) open.set(key, (open.get(key) ?? 0) + 1);
  };
  const end = () => {
    open.set(key, (open.get(key) ?? 0) - 1);
    if (status === "ok") write?.acknowledged();
    else write?.failed();
  };
  const steps: Step[] = [{ timeNs: BigInt(invoke), order: 0, run: begin }];
  if (returned !== undefined) steps.push({ timeNs: BigInt(returned), order: 2, run: end });
  else steps.push({ timeNs: BigInt(invoke), order: 1, run: () => write?.unknown() });
  return steps;
}

function readSteps(record: HistoryRecord, oracle: DurabilityOracle, { open, begun }: Traffic): Step[] {
  const { key, invoke, return: returned, result } = record;
  if (record.op !== "get" || record.status !== "ok" || result === null || returned === undefined) return [];
  let begunBefore: number | null = null;
  const begin = () => {
    begunBefore = (open.get(key) ?? 0) > 0 ? null : (begun.get(key) ?? 0);
  };
  const end = () => {
    if (begunBefore === (begun.get(key) ?? 0)) oracle.found(key, record.result?.value ?? null);
  };
  return [
    { timeNs: BigInt(invoke), order: 1, run: begin },
    { timeNs: BigInt(returned), order: 1, run: end },
  ];
}
