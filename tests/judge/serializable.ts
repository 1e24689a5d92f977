import { type Dependency, DependencyGraph, type Edge } from "./dependency-graph";
import { findDirectFault, type ListVersions, listVersions } from "./list-versions";
import { describeTransaction, type RecordedTransaction } from "./transactions";

/**
 * Names of Adya's thesis (1999, chapter 4) and of Elle (Kingsbury and Alvaro, 2020). With `-realtime` the cycle needs that
 * one transaction had returned before another began.
 */
export type Anomaly =
  /** A transaction contradicts itself. */
  | "internal"
  /** A list holds what nobody appended, or something twice, or two lists of a key contradict each other. */
  | "impossible list"
  /** Read from a transaction that failed. */
  | "G1a"
  /** Read from amid a transaction. */
  | "G1b"
  | CycleName
  | `${CycleName}-realtime`;

type CycleName = "G0" | "G1c" | "G-single" | "G2";

export type SerializabilityVerdict =
  | { readonly kind: "serializable" }
  | {
      readonly kind: "violation";
      readonly anomaly: Anomaly;
      readonly transactions: readonly RecordedTransaction[];
      /** Several lines for people. */
      readonly explanation: string;
    };

/** From what is worst to what is least: of the cycles that are there the first is told. */
const CYCLES: readonly { readonly name: CycleName; readonly kinds: readonly Dependency[] }[] = [
  { name: "G0", kinds: ["ww"] },
  { name: "G1c", kinds: ["ww", "wr"] },
  { name: "G-single", kinds: ["ww", "wr"] },
  { name: "G2", kinds: ["ww", "wr", "rw"] },
];

/**
 * Whether one order of the transactions, true to real time, explains all that they read (strict serializability). The
 * order of a key's versions follows from the lists, so this is exact, and takes time about linear in the history.
 *
 * @throws Error where a value is appended to a key twice: that is no history to be judged so
 */
export function checkSerializable(transactions: readonly RecordedTransaction[]): SerializabilityVerdict {
  const direct = findDirectFault(transactions);
  if (direct !== null) {
    const { anomaly, detail, transactions: involved } = direct;
    const lines = involved.map((transaction) => `  ${describeTransaction(transaction)}`);
    return {
      kind: "violation",
      anomaly,
      transactions: involved,
      explanation: [`${anomaly}: ${detail}`, ...lines].join("\n"),
    };
  }
  const committed = listVersions(transactions);
  const graph = new DependencyGraph();
  for (const _ of committed.transactions) graph.addNode();
  addDataEdges(graph, committed);
  addTimeEdges(graph, committed.transactions);
  if (graph.components(["ww", "wr", "rw", "rt"]).length === 0) return { kind: "serializable" };
  const { anomaly, cycle } = findCycle(graph);
  return {
    kind: "violation",
    anomaly,
    transactions: [...new Set(cycle.map(({ from }) => from))].flatMap(
      (node) => committed.transactions[node] ?? [],
    ),
    explanation: explain(anomaly, cycle, committed.transactions),
  };
}

/** Who wrote a version comes before who wrote the next; who read one comes after its writer and before that of the next. */
function addDataEdges(graph: DependencyGraph, { keys }: ListVersions): void {
  for (const { writers, unread, readers } of keys) {
    for (const [at, writer] of writers.entries()) {
      const next = writers[at + 1];
      if (next !== undefined) graph.add(writer, next, "ww");
    }
    const last = writers.at(-1);
    for (const writer of unread) if (last !== undefined) graph.add(last, writer, "ww");
    for (const { transaction, length } of readers) {
      const seen = writers[length - 1];
      if (seen !== undefined) graph.add(seen, transaction, "wr");
      const unseen = writers.slice(length, length + 1);
      for (const writer of unseen.length > 0 ? unseen : unread) graph.add(transaction, writer, "rw");
    }
  }
}

/**
 * A node for each moment at which a transaction returned, in their order: who had returned before another began comes
 * before it over these, which takes as many edges as there are transactions and not their square.
 */
function addTimeEdges(graph: DependencyGraph, transactions: readonly RecordedTransaction[]): void {
  const returns = transactions
    .flatMap(({ return: end }, at) => (end === undefined ? [] : [{ at, ns: BigInt(end) }]))
    .sort((left, right) => compare(left.ns, right.ns));
  const begins = transactions
    .map(({ invoke }, at) => ({ at, ns: BigInt(invoke) }))
    .sort((left, right) => compare(left.ns, right.ns));
  let next = 0;
  let moment: number | null = null;
  for (const begin of begins) {
    for (;;) {
      const ended = returns[next];
      // Equal times count as overlap.
      if (ended === undefined || ended.ns >= begin.ns) break;
      const later = graph.addNode();
      if (moment !== null) graph.add(moment, later, "rt");
      graph.add(ended.at, later, "rt");
      moment = later;
      next += 1;
    }
    if (moment !== null) graph.add(moment, begin.at, "rt");
  }
}

function findCycle(graph: DependencyGraph): { readonly anomaly: Anomaly; readonly cycle: readonly Edge[] } {
  for (const isTimed of [false, true]) {
    for (const { name, kinds } of CYCLES) {
      const allowed: readonly Dependency[] = isTimed ? [...kinds, "rt"] : kinds;
      const cycle = name === "G-single" ? cycleWithOne(graph, allowed) : cycleOf(graph, allowed);
      if (cycle !== null) return { anomaly: isTimed ? `${name}-realtime` : name, cycle };
    }
  }
  throw new Error("what has a component has a cycle");
}

function cycleOf(graph: DependencyGraph, kinds: readonly Dependency[]): readonly Edge[] | null {
  const [component] = graph.components(kinds);
  if (component === undefined) return null;
  return shortest(component.map((node) => graph.path(node, node, kinds)));
}

/** A cycle with exactly one rw edge. */
function cycleWithOne(graph: DependencyGraph, kinds: readonly Dependency[]): readonly Edge[] | null {
  const components = graph.components([...kinds, "rw"]);
  const cycles = components.flatMap((component) =>
    graph.within(component, "rw").map((edge) => {
      const back = graph.path(edge.to, edge.from, kinds);
      return back === null ? null : [edge, ...back];
    }),
  );
  return shortest(cycles);
}

function shortest(cycles: readonly (readonly Edge[] | null)[]): readonly Edge[] | null {
  let best: readonly Edge[] | null = null;
  for (const cycle of cycles) {
    if (cycle !== null && (best === null || cycle.length < best.length)) best = cycle;
  }
  return best;
}

const REASONS = {
  ww: "the next appended after it",
  wr: "the next read what it appended",
  rw: "it read a list without what the next appended",
  rt: "it had returned before the next began",
} as const satisfies Record<Dependency, string>;

function explain(
  anomaly: Anomaly,
  cycle: readonly Edge[],
  transactions: readonly RecordedTransaction[],
): string {
  const lines = [`${anomaly}: no order explains these, each of which must come before the next:`];
  for (const { from, kind } of cycle) {
    const transaction = transactions[from];
    // A moment of real time; the edge that leads to it has said why.
    if (transaction === undefined) continue;
    lines.push(`  ${describeTransaction(transaction)}`, `    ${kind}: ${REASONS[kind]}`);
  }
  return [...lines, "  and so on from the first"].join("\n");
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
