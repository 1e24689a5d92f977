import type { HistoryRecord } from "./history";

/** What an atomic store with clients that overlap could have recorded. */
export interface SimulatedHistoryOptions {
  readonly seed: number;
  readonly operations: readonly HistoryRecord["op"][];
  readonly count: number;
  readonly clients: number;
  readonly keys: number;
  readonly hasRevisions: boolean;
  /** Out of 100, how many operations have an unknown outcome; as many fail. Default 10. */
  readonly unknownPercent?: number;
}

interface Stored {
  readonly value: string;
  readonly rev: number;
}

interface Client {
  readonly name: string;
  unknowns: number;
  freeAtNs: number;
}

/** The operation, and the moment at which it takes effect if it does. */
interface Planned {
  readonly atNs: number | null;
  readonly started: Record<string, unknown> & { readonly op: HistoryRecord["op"]; readonly key: string };
  readonly status: "ok" | "fail" | "unknown";
  readonly returnNs: number;
}

export function simulatedHistory(options: SimulatedHistoryOptions): HistoryRecord[] {
  const chance = chanceOf(options.seed);
  const clients = Array.from(
    { length: options.clients },
    (_, at): Client => ({ name: `c${at + 1}`, unknowns: 0, freeAtNs: chance(20) }),
  );
  const planned = Array.from({ length: options.count }, () => plan(options, clients, chance));
  const store = new Map<string, Stored>();
  let revision = 0;
  const results = new Map<Planned, object>();
  const inOrder = planned
    .filter(({ atNs }) => atNs !== null)
    .sort((left, right) => (left.atNs ?? 0) - (right.atNs ?? 0));
  for (const operation of inOrder) {
    const outcome = apply(operation, store.get(operation.started.key));
    // A store refuses what does not fit, such as an increment of a word.
    if (outcome === null) continue;
    const { key } = operation.started;
    if (outcome.write !== undefined) {
      revision += 1;
      if (outcome.write === null) store.delete(key);
      else store.set(key, { value: outcome.write, rev: revision });
    }
    const rev = outcome.write === undefined ? store.get(key)?.rev : revision;
    const told = options.hasRevisions && rev !== undefined && chance(10) > 0 ? { rev } : {};
    results.set(operation, { ...outcome.result, ...told });
  }
  return planned
    .sort((left, right) => left.returnNs - right.returnNs)
    .map((operation) => recordOf(operation, results.get(operation)));
}

function plan(options: SimulatedHistoryOptions, clients: readonly Client[], chance: Chance): Planned {
  const client = clients[chance(clients.length)]!;
  const invokeNs = client.freeAtNs + chance(10);
  const returnNs = invokeNs + 1 + chance(40);
  client.freeAtNs = returnNs + 1;
  const op = options.operations[chance(options.operations.length)]!;
  const name = client.unknowns === 0 ? client.name : `${client.name}.${client.unknowns}`;
  const started = {
    client: name,
    op,
    key: `k${chance(options.keys)}`,
    args: argsOf(op, chance),
    invoke: String(invokeNs),
  };
  const percent = options.unknownPercent ?? 10;
  const draw = chance(100);
  if (draw < percent) {
    client.unknowns += 1;
    const delayNs = [0, 10, 100, 1_000][chance(4)]!;
    const atNs = chance(3) === 0 ? null : invokeNs + 0.5 + chance(20) + delayNs;
    return { atNs, started, status: "unknown", returnNs };
  }
  if (draw < 2 * percent) return { atNs: null, started, status: "fail", returnNs };
  const atNs = invokeNs + ((returnNs - invokeNs) * (1 + chance(999))) / 1_000;
  return { atNs, started, status: "ok", returnNs };
}

function argsOf(op: HistoryRecord["op"], chance: Chance): object {
  const value = () => ["a", "b", "c", "1", "7"][chance(5)]!;
  switch (op) {
    case "get":
    case "delete":
      return {};
    case "put":
      return { value: value() };
    case "cas":
      return { expect: chance(3) === 0 ? null : value(), value: value() };
    case "incr":
      return { by: chance(4) - 1 };
    case "append":
      return { value: chance(8) === 0 ? "" : value() };
  }
}

/** `write`: the value that is stored, null for a deletion, left out where nothing is written. */
function apply(
  { started }: Planned,
  stored: Stored | undefined,
): { readonly result: object; readonly write?: string | null } | null {
  const args = started.args as { value: string; expect: string | null; by: number };
  const before = stored?.value ?? null;
  switch (started.op) {
    case "get":
      return { result: { value: before } };
    case "put":
      return { result: {}, write: args.value };
    case "delete":
      return before === null ? { result: { deleted: false } } : { result: { deleted: true }, write: null };
    case "cas":
      return before === args.expect
        ? { result: { swapped: true }, write: args.value }
        : { result: { swapped: false } };
    case "incr": {
      if (before !== null && !/^(0|-?[1-9][0-9]*)$/.test(before)) return null;
      const value = Number(before ?? "0") + args.by;
      return Number.isSafeInteger(value) ? { result: { value }, write: String(value) } : null;
    }
    case "append": {
      const value = (before ?? "") + args.value;
      const isNothing = before !== null && args.value === "";
      return isNothing ? { result: { value } } : { result: { value }, write: value };
    }
  }
}

function recordOf(operation: Planned, result: object | undefined): HistoryRecord {
  const { started, status, returnNs } = operation;
  const ended = { ...started, result: null, status, return: String(returnNs) };
  const record = (): object => {
    if (status === "unknown") return { ...started, result: null, status };
    if (status === "fail" || result === undefined) return { ...ended, status: "fail" };
    return { ...ended, result };
  };
  // The arguments and results above follow the operation.
  return record() as HistoryRecord;
}

type Chance = (bound: number) => number;

/** Mulberry32, a small generator in the public domain: enough to make test data. */
function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}
