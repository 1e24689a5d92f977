import type { HistoryRecord } from "./history";
import {
  ABSENT,
  isBlind,
  isRead,
  KeyModel,
  type KeyState,
  type Operation,
  overwrites,
  type ValueId,
} from "./key-model";

/*
 * The search for an order of one key's operations that explains all results: Wing and Gong's, in the just-in-time form
 * with memoisation of Lowe ("Testing for linearizability", 2017). DESIGN.md says why the short cuts are sound.
 */

export type SearchResult = { readonly statesExplored: number } & (
  | { readonly kind: "linearizable" }
  | {
      readonly kind: "violation";
      /** The first to return of which no order of what was invoked by then explains the result. */
      readonly culprit: HistoryRecord;
      /** What the key could be just before, by every order that explains all that had returned; at most eight. */
      readonly statesBefore: readonly DescribedState[];
    }
  | { readonly kind: "undecided"; readonly culprit: HistoryRecord }
);

export interface DescribedState {
  /** null: no such key. "other": a value that no result tells apart. */
  readonly value: { readonly text: string } | "other" | null;
  /** Of the key's last change; null where not known. */
  readonly rev: number | null;
}

interface Event {
  readonly kind: "invoke" | "return";
  /** Index of the operation. */
  readonly operation: number;
}

/** Operations of unknown outcome that do the same, in the order of their invocation. */
interface Group {
  readonly operation: Operation;
  /** Event indexes: of the n-th operation of the group. */
  readonly invokedAt: readonly number[];
}

/** Why the search may not go on from here with just any operation: the last one would then have been for nothing. */
interface Restraint {
  readonly before: KeyState;
  readonly isUnknown: boolean;
}

/**
 * A moment within the return of an operation that has not taken effect yet. Whatever is invoked and not pending has taken
 * effect, so the pending ones tell the set of operations that have.
 */
interface Node {
  readonly event: number;
  readonly state: KeyState;
  /** Open operations without effect so far, in the order of their invocation: index * 2, + 1 if it may be absorbed. */
  readonly pending: readonly number[];
  /** How many operations of each group took effect. */
  readonly used: readonly number[];
  readonly restraint: Restraint | null;
}

const STATES_SHOWN_MAX = 8;

/** @param statesMax how many states to visit beyond one for each operation; then the result is undecided */
export function searchKey(records: readonly HistoryRecord[], statesMax: number): SearchResult {
  const result = new KeySearch(records, { isBrief: true }).run(statesMax);
  if (result.kind !== "violation") return result;
  // The short cuts that depend on what comes later can blame one that returned too soon, and hide values.
  const exact = new KeySearch(records, { isBrief: false }).run(statesMax);
  return exact.kind === "violation" ? exact : result;
}

class KeySearch {
  private readonly model: KeyModel;
  private readonly operations: readonly Operation[];
  private readonly events: readonly Event[];
  private readonly groups: readonly Group[];
  /** By operation, the index of the event of its return. */
  private readonly returnedAt: readonly number[];
  /** Nodes seen at the furthest event that was reached. */
  private furthest = -1;
  private furthestStates = new Map<string, KeyState>();
  /** Of each value that only one operation writes and some result needs: the event of the last invocation that does. */
  private readonly neededUntil: ReadonlyMap<ValueId, number>;
  /** Whether a branch ends as soon as a pending operation has lost its place, not only when that one returns. */
  private readonly isBrief: boolean;

  constructor(records: readonly HistoryRecord[], options: { readonly isBrief: boolean }) {
    this.isBrief = options.isBrief;
    this.model = new KeyModel(records, { keepsValues: !options.isBrief });
    this.operations = this.model.operations;
    const events = eventsOf(this.operations);
    this.events = events.filter(({ operation }) => this.operations[operation]?.record.status === "ok");
    this.groups = groupsOf(this.operations, events);
    const returnedAt = this.operations.map(() => Number.POSITIVE_INFINITY);
    for (const [at, { kind, operation }] of this.events.entries()) {
      if (kind === "return") returnedAt[operation] = at;
    }
    this.returnedAt = returnedAt;
    this.neededUntil = neededUntil(this.operations, this.events);
  }

  run(statesMax: number): SearchResult {
    // An order that needs no choice visits each operation once: that is not what the bound is for.
    const limit = statesMax + this.operations.length;
    const seen = new SeenNodes();
    // Each node twice: first for the operation that returns, and below that for all that might go before it.
    const stack: { readonly node: Node; readonly isDetour: boolean }[] = [];
    const initial: KeyState = { value: ABSENT, rev: 0, isExact: false };
    const first = this.nextReturn(
      -1,
      initial,
      [],
      this.groups.map(() => 0),
    );
    if (first === "end") return { kind: "linearizable", statesExplored: 0 };
    stack.push({ node: first, isDetour: false });
    for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
      const { node, isDetour } = item;
      if (isDetour) {
        for (const detour of this.detours(node)) stack.push({ node: detour, isDetour: false });
        continue;
      }
      if (!seen.add(node)) continue;
      this.noteReached(node);
      if (seen.size > limit) {
        return {
          kind: "undecided",
          culprit: this.returning(this.furthest).record,
          statesExplored: seen.size,
        };
      }
      stack.push({ node, isDetour: true });
      for (const next of this.afterReturn(node)) {
        if (next === "end") return { kind: "linearizable", statesExplored: seen.size };
        stack.push({ node: next, isDetour: false });
      }
    }
    return {
      kind: "violation",
      culprit: this.returning(this.furthest).record,
      statesBefore: [...this.furthestStates.values()].map((state) => this.describe(state)),
      statesExplored: seen.size,
    };
  }

  /** The operation that returns takes effect now, or its effect was overwritten before anybody saw it. */
  private afterReturn(node: Node): (Node | "end")[] {
    const index = this.events[node.event]!.operation;
    const operation = this.operations[index]!;
    const results: (Node | "end")[] = [];
    const after = this.allowedStep(operation, node);
    if (after !== null) {
      const effect = this.takeEffect(node, operation, index, after);
      if (effect !== null) {
        results.push(this.nextReturn(node.event, after, effect.pending, node.used));
      }
    }
    if (node.restraint === null && node.pending.includes(index * 2 + 1) && !this.isAskedFor(operation)) {
      const pending = node.pending.filter((code) => code >> 1 !== index);
      results.push(this.nextReturn(node.event, node.state, pending, node.used));
    }
    return results;
  }

  /** Every other operation that could take effect before the one that returns. */
  private detours(node: Node): Node[] {
    const returning = this.events[node.event]!.operation;
    const results: Node[] = [];
    for (let group = this.groups.length - 1; group >= 0; group -= 1) {
      const { operation, invokedAt } = this.groups[group]!;
      const count = node.used[group]!;
      if ((invokedAt[count] ?? Number.POSITIVE_INFINITY) > node.event) continue;
      const after = this.allowedStep(operation, node);
      // Without revisions, what changes nothing might as well not have happened.
      if (after === null || after === node.state) continue;
      const effect = this.takeEffect(node, operation, null, after);
      if (effect === null) continue;
      const wasSeen = effect.hasServedReads || effect.hasFreed;
      results.push({
        event: node.event,
        state: after,
        pending: effect.pending,
        used: node.used.with(group, count + 1),
        restraint: wasSeen ? null : { before: node.state, isUnknown: true },
      });
    }
    for (let at = node.pending.length - 1; at >= 0; at -= 1) {
      const index = node.pending[at]! >> 1;
      if (index === returning) continue;
      if (this.hasElder(node.pending, at)) continue;
      const operation = this.operations[index]!;
      const after = this.allowedStep(operation, node);
      if (after === null) continue;
      const effect = this.takeEffect(node, operation, index, after);
      if (effect === null) continue;
      const isForNothing = this.absorbs && isBlind(operation) && !effect.hasServedReads;
      results.push({
        event: node.event,
        state: after,
        pending: effect.pending,
        used: node.used,
        restraint: isForNothing ? { before: node.state, isUnknown: false } : null,
      });
    }
    return results;
  }

  /**
   * Whether another pending operation does the same and returns sooner: then that one may as well go first. An absorbed one
   * is no stand-in for one that is not, for that may have come too late to be absorbed with it.
   */
  private hasElder(pending: readonly number[], at: number): boolean {
    const code = pending[at]!;
    const { group } = this.operations[code >> 1]!;
    return pending.some(
      (other) =>
        other !== code &&
        this.operations[other >> 1]!.group === group &&
        this.returnedAt[other >> 1]! < this.returnedAt[code >> 1]! &&
        (other & 1) <= (code & 1),
    );
  }

  /** The state after the operation, or null where it cannot come next or need not be tried. */
  private allowedStep(operation: Operation, { state, restraint }: Node): KeyState | null {
    const after = this.model.step(operation, state);
    if (after === null || restraint === null) return after;
    if (restraint.isUnknown) {
      const isIdle =
        operation.record.status === "unknown"
          ? isBlind(operation)
          : this.isPossibleAsIs(operation, restraint.before);
      return isIdle ? null : after;
    }
    return overwrites(operation) && this.model.step(operation, restraint.before) !== null ? null : after;
  }

  /** What is pending once the operation took effect; null where one of the pending ones has no place any more. */
  private takeEffect(
    node: Node,
    operation: Operation,
    index: number | null,
    after: KeyState,
  ): { readonly pending: number[]; readonly hasServedReads: boolean; readonly hasFreed: boolean } | null {
    if (this.isBrief && after.value !== node.state.value && this.isStillNeeded(node, index)) return null;
    const frees = this.absorbs && overwrites(operation);
    let hasServedReads = false;
    let hasFreed = false;
    const pending: number[] = [];
    for (const code of node.pending) {
      const other = code >> 1;
      if (other === index) continue;
      const waiting = this.operations[other]!;
      if (this.isServed(waiting, after)) {
        hasServedReads = true;
      } else if (this.isBrief && isLost(waiting, after)) {
        return null;
      } else if (frees && isBlind(waiting) && (code & 1) === 0) {
        hasFreed = true;
        pending.push(code + 1);
      } else {
        pending.push(code);
      }
    }
    return { pending, hasServedReads, hasFreed };
  }

  /** Whether a result needs the value that this operation alone writes. */
  private isAskedFor({ effect }: Operation): boolean {
    return this.isBrief && effect.kind === "write" && this.neededUntil.has(effect.value);
  }

  /** Whether others than the given one need the present value, which nothing can bring back. */
  private isStillNeeded({ event, state, pending }: Node, index: number | null): boolean {
    const until = this.neededUntil.get(state.value);
    if (until === undefined) return false;
    const needsIt = (code: number) => needed(this.operations[code >> 1]!) === state.value;
    return until > event || pending.some((code) => code >> 1 !== index && needsIt(code));
  }

  /**
   * A put that is open while another write takes effect may have come just before that one, seen by nobody. With revisions
   * its place among the writes is known, and then this would be wrong.
   */
  private get absorbs(): boolean {
    return !this.model.hasRevisions;
  }

  /** Runs on to the next operation that must take effect now or never. */
  private nextReturn(
    event: number,
    state: KeyState,
    pendingBefore: readonly number[],
    used: readonly number[],
  ): Node | "end" {
    const pending = [...pendingBefore];
    for (let at = event + 1; at < this.events.length; at += 1) {
      const { kind, operation: index } = this.events[at]!;
      if (kind === "invoke") {
        if (!this.isServed(this.operations[index]!, state)) pending.push(index * 2);
      } else if (pending.some((code) => code >> 1 === index)) {
        return { event: at, state, pending, used, restraint: null };
      }
    }
    return "end";
  }

  /** A read that fits the state as it is can be taken at once: that binds nothing else. */
  private isServed(operation: Operation, state: KeyState): boolean {
    return isRead(operation) && this.model.step(operation, state) === state;
  }

  /** Whether it can come next without telling us more about the revision: that would bind what comes later. */
  private isPossibleAsIs(operation: Operation, state: KeyState): boolean {
    const after = this.model.step(operation, state);
    return after !== null && (after === state || changesKey(operation, state));
  }

  private returning(event: number): Operation {
    return this.operations[this.events[event]!.operation]!;
  }

  private noteReached(node: Node): void {
    if (node.event < this.furthest) return;
    if (node.event > this.furthest) this.furthestStates.clear();
    this.furthest = node.event;
    if (node.restraint !== null || this.furthestStates.size >= STATES_SHOWN_MAX) return;
    this.furthestStates.set(`${node.state.value} ${node.state.rev}`, node.state);
  }

  private describe({ value, rev, isExact }: KeyState): DescribedState {
    const text = this.model.textOf(value);
    const known = text === null ? "other" : { text };
    return { value: value === ABSENT ? null : known, rev: isExact ? rev : null };
  }
}

/** A pending operation whose recorded revision the key has passed. */
function isLost(operation: Operation, state: KeyState): boolean {
  if (operation.rev === null || operation.rev === 0) return false;
  return operation.effect.kind === "write" ? operation.rev <= state.rev : operation.rev < state.rev;
}

function neededUntil(operations: readonly Operation[], events: readonly Event[]): Map<ValueId, number> {
  const until = new Map<ValueId, number>();
  // What an operation of unknown outcome computes may be any value.
  if (operations.some(({ effect }) => effect.kind === "add" || effect.kind === "append")) return until;
  const writers = new Map<ValueId, number>();
  for (const { effect } of operations) {
    if (effect.kind === "write" || effect.kind === "create") {
      writers.set(effect.value, (writers.get(effect.value) ?? 0) + 1);
    }
  }
  for (const [at, { kind, operation }] of events.entries()) {
    const value = needed(operations[operation]!);
    if (kind === "invoke" && value !== null && value !== ABSENT && writers.get(value) === 1)
      until.set(value, at);
  }
  return until;
}

/** The one value that the operation is possible with; null where there are several. */
function needed({ need }: Operation): ValueId | null {
  return need.kind === "is" ? need.value : null;
}

/** Whether the operation, being possible, leaves another record behind. */
function changesKey({ effect }: Operation, state: KeyState): boolean {
  return effect.kind === "create" ? state.value === ABSENT : effect.kind !== "read";
}

/** How many nodes of one moment a new one is compared with. All would be quadratic in the worst case. */
const COMPARED_MAX = 32;

/** The nodes visited so far. Each was, or will be, searched to its end. */
class SeenNodes {
  size = 0;
  private readonly names = new Set<string>();
  private readonly latest = new Map<string, Node[]>();

  /** False where a node was seen from which all that is possible from this one is possible too. */
  add(node: Node): boolean {
    const { event, state, restraint } = node;
    const known = restraint === null ? "" : `${stateName(restraint.before)}${restraint.isUnknown ? "?" : ""}`;
    const moment = `${event} ${stateName(state)} ${known}`;
    const nodes = this.latest.get(moment);
    if (nodes === undefined) {
      this.latest.set(moment, [node]);
    } else {
      // Only a moment that is visited again needs whole names: with few choices most are not.
      const name = `${moment} ${node.pending.join()} ${node.used.join()}`;
      if (this.names.has(name) || nodes.some((other) => allows(other, node))) return false;
      this.names.add(name);
      if (nodes.length === COMPARED_MAX) nodes.shift();
      nodes.push(node);
    }
    this.size += 1;
    return true;
  }
}

/**
 * Whether the first can do all that the second can, at the same moment and state: it has used no more operations of unknown
 * outcome, and each open operation may be absorbed there or is as it is in the second.
 */
function allows(first: Node, second: Node): boolean {
  for (let group = 0; group < first.used.length; group += 1) {
    if (first.used[group]! > second.used[group]!) return false;
  }
  let at = 0;
  for (const code of first.pending) {
    if ((code & 1) === 1) {
      if (second.pending[at] !== undefined && second.pending[at]! >> 1 === code >> 1) at += 1;
    } else if (second.pending[at] === code) {
      at += 1;
    } else {
      return false;
    }
  }
  return at === second.pending.length;
}

function stateName({ value, rev, isExact }: KeyState): string {
  return `${value}@${rev}${isExact ? "" : "+"}`;
}

/** Of equal times an invocation comes first: what may have overlapped is taken to have overlapped. */
function eventsOf(operations: readonly Operation[]): Event[] {
  const originNs = operations.reduce<bigint | null>((least, { record }) => {
    const invokeNs = BigInt(record.invoke);
    return least === null || invokeNs < least ? invokeNs : least;
  }, null);
  // Numbers sort faster than bigints. Beyond 104 days they round, to equal times at worst.
  const sinceOrigin = (timeNs: string) => Number(BigInt(timeNs) - (originNs ?? 0n));
  const timed = operations.flatMap(({ record }, operation) => {
    const invoke = { kind: "invoke" as const, operation, timeNs: sinceOrigin(record.invoke) };
    if (record.return === undefined) return [invoke];
    return [invoke, { kind: "return" as const, operation, timeNs: sinceOrigin(record.return) }];
  });
  timed.sort((left, right) => {
    if (left.timeNs !== right.timeNs) return left.timeNs - right.timeNs;
    if (left.kind !== right.kind) return left.kind === "invoke" ? -1 : 1;
    return left.operation - right.operation;
  });
  return timed;
}

/** Event indexes count the events of the operations that are ok. */
function groupsOf(operations: readonly Operation[], events: readonly Event[]): Group[] {
  const groups = new Map<string, { operation: Operation; invokedAt: number[] }>();
  let event = 0;
  for (const { operation: index } of events) {
    const operation = operations[index]!;
    if (operation.record.status === "ok") {
      event += 1;
      continue;
    }
    const group = groups.get(operation.group);
    if (group === undefined) groups.set(operation.group, { operation, invokedAt: [event] });
    else group.invokedAt.push(event);
  }
  return [...groups.values()];
}
