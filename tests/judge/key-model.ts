import type { HistoryRecord } from "./history";

/*
 * What operations on one key do to it. Values are numbered, so that the search compares numbers: an operation whose
 * result is known has a known value before or after it, and only increments and appends of unknown outcome compute.
 */

/** The number of a value. */
export type ValueId = number;

export const ABSENT: ValueId = 0;
/** Stands for every value that no operation of the key asks about. */
const UNASKED: ValueId = 1;

/** The key between two operations. */
export interface KeyState {
  readonly value: ValueId;
  /** A revision that the key's last change has at least; 0 before the first change, or when none is recorded. */
  readonly rev: number;
  /** Whether that is the revision itself. */
  readonly isExact: boolean;
}

type Need =
  | { readonly kind: "any" }
  | { readonly kind: "is"; readonly value: ValueId }
  | { readonly kind: "is_not"; readonly value: ValueId }
  | { readonly kind: "absent_or"; readonly value: ValueId }
  /** No state allows such a result. */
  | { readonly kind: "never" };

type Effect =
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly value: ValueId }
  /** Writes only if there is no such key. */
  | { readonly kind: "create"; readonly value: ValueId }
  | { readonly kind: "add"; readonly by: bigint }
  | { readonly kind: "append"; readonly value: string };

/** An operation of the key that may have had an effect, or saw one. */
export interface Operation {
  readonly record: HistoryRecord;
  readonly need: Need;
  readonly effect: Effect;
  /** Of the key after the operation; null where none is recorded. 0: there was no such key. */
  readonly rev: number | null;
  /** Equal for operations that do the same: of those with unknown outcome only how many took effect matters. */
  readonly group: string;
}

/** The operations of one key in a form that the search can run. */
export class KeyModel {
  /** In the order of the records. Without failed operations and reads of unknown outcome: they bind nothing. */
  readonly operations: readonly Operation[];
  /** Whether any result tells a revision. */
  readonly hasRevisions: boolean;

  private readonly ids = new Map<string, ValueId>();
  private readonly texts: (string | null)[] = [null, null];
  /** The values that the result of some operation depends on; null for all. */
  private readonly asked: ReadonlySet<string> | null;

  /** @param options keepsValues: tell values apart even where no result depends on which it is */
  constructor(records: readonly HistoryRecord[], options: { readonly keepsValues: boolean }) {
    const binding = records.filter(
      ({ status, op }) => status === "ok" || (status === "unknown" && op !== "get"),
    );
    this.hasRevisions = binding.some(({ result }) => (result?.rev ?? 0) > 0);
    // What a computed value comes from cannot be told in advance, so then every value counts.
    const computes = binding.some(
      ({ status, op }) => status === "unknown" && (op === "incr" || op === "append"),
    );
    this.asked = computes || options.keepsValues ? null : new Set(binding.flatMap(valuesAsked));
    this.operations = binding.map((record) => this.operationOf(record));
  }

  /** null stands for several values: those that no operation asks about. */
  textOf(value: ValueId): string | null {
    return this.texts[value] ?? null;
  }

  /** The state after the operation, the same object if it changes nothing; null where it cannot happen. */
  step(operation: Operation, state: KeyState): KeyState | null {
    if (!meets(operation.need, state.value)) return null;
    const { effect } = operation;
    switch (effect.kind) {
      case "read":
        return this.read(operation, state);
      case "write":
        return this.write(operation, state, effect.value);
      case "create":
        return state.value === ABSENT
          ? this.write(operation, state, effect.value)
          : this.read(operation, state);
      case "add": {
        const sum = sumOf(this.presentText(state.value), effect.by);
        return sum === null ? null : this.write(operation, state, this.idOf(sum));
      }
      case "append": {
        const before = this.presentText(state.value);
        if (before !== null && effect.value === "") return null;
        return this.write(operation, state, this.idOf((before ?? "") + effect.value));
      }
    }
  }

  private read({ rev }: Operation, state: KeyState): KeyState | null {
    if (rev === null || !this.hasRevisions) return state;
    if (state.value === ABSENT) return rev === 0 ? state : null;
    if (state.isExact) return rev === state.rev ? state : null;
    return rev >= state.rev && rev > 0 ? { value: state.value, rev, isExact: true } : null;
  }

  private write({ rev }: Operation, state: KeyState, value: ValueId): KeyState | null {
    if (!this.hasRevisions) return value === state.value ? state : { value, rev: 0, isExact: false };
    if (rev === null) return { value, rev: state.rev + 1, isExact: false };
    return rev > state.rev ? { value, rev, isExact: value !== ABSENT } : null;
  }

  private presentText(value: ValueId): string | null {
    return value === ABSENT ? null : (this.texts[value] ?? null);
  }

  private operationOf(record: HistoryRecord): Operation {
    const rev = record.status === "ok" ? (record.result?.rev ?? null) : null;
    const { need, effect } = this.ruleOf(record);
    const group = `${needText(need)} ${ruleText(effect)} ${rev ?? ""}`;
    return { record, need, effect, rev, group };
  }

  private ruleOf(record: HistoryRecord): { readonly need: Need; readonly effect: Effect } {
    switch (record.op) {
      case "get":
        return { need: is(this.valueIdOf(record.result?.value ?? null)), effect: READ };
      case "put":
        return { need: { kind: "any" }, effect: { kind: "write", value: this.valueIdOf(record.args.value) } };
      case "delete": {
        if (record.result?.deleted === false) return { need: is(ABSENT), effect: READ };
        return { need: { kind: "is_not", value: ABSENT }, effect: { kind: "write", value: ABSENT } };
      }
      case "cas": {
        const expected = this.valueIdOf(record.args.expect);
        if (record.result?.swapped === false) {
          return { need: { kind: "is_not", value: expected }, effect: READ };
        }
        return { need: is(expected), effect: { kind: "write", value: this.valueIdOf(record.args.value) } };
      }
      case "incr": {
        const by = BigInt(record.args.by);
        if (record.result === null) return { need: { kind: "any" }, effect: { kind: "add", by } };
        const after = BigInt(record.result.value);
        const before = this.valueIdOf(String(after - by));
        return {
          need: after === by ? { kind: "absent_or", value: before } : is(before),
          effect: { kind: "write", value: this.valueIdOf(String(after)) },
        };
      }
      case "append": {
        const { value } = record.args;
        if (record.result === null) return { need: { kind: "any" }, effect: { kind: "append", value } };
        return this.appendRule(value, record.result.value);
      }
    }
  }

  /** An append of nothing writes only where there was no key. */
  private appendRule(operand: string, after: string): { readonly need: Need; readonly effect: Effect } {
    const value = this.valueIdOf(after);
    if (!after.endsWith(operand)) return { need: { kind: "never" }, effect: READ };
    if (operand === "" && after !== "") return { need: is(value), effect: READ };
    if (operand === "") return { need: { kind: "absent_or", value }, effect: { kind: "create", value } };
    const before = after.slice(0, after.length - operand.length);
    const need = this.valueIdOf(before);
    return {
      need: before === "" ? { kind: "absent_or", value: need } : is(need),
      effect: { kind: "write", value },
    };
  }

  private valueIdOf(text: string | null): ValueId {
    if (text === null) return ABSENT;
    return this.asked === null || this.asked.has(text) ? this.idOf(text) : UNASKED;
  }

  private idOf(text: string): ValueId {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    const id = this.texts.push(text) - 1;
    this.ids.set(text, id);
    return id;
  }
}

/** Whether the operation leaves the key as it is in every state. */
export function isRead({ effect }: Operation): boolean {
  return effect.kind === "read";
}

/** Whether the operation does the same whatever value was there, so that a put just before it leaves no trace. */
export function overwrites({ need, effect }: Operation): boolean {
  if (effect.kind !== "write") return false;
  return need.kind === "any" || (need.kind === "is_not" && need.value === ABSENT);
}

/** Whether the operation can happen in any state. */
export function isBlind({ need, effect }: Operation): boolean {
  return effect.kind === "write" && need.kind === "any";
}

const READ: Effect = { kind: "read" };

function is(value: ValueId): Need {
  return { kind: "is", value };
}

function meets(need: Need, value: ValueId): boolean {
  switch (need.kind) {
    case "any":
      return true;
    case "is":
      return value === need.value;
    case "is_not":
      return value !== need.value;
    case "absent_or":
      return value === need.value || value === ABSENT;
    case "never":
      return false;
  }
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** null where an increment is refused: the value is no decimal text of a number, or the sum does not fit. */
function sumOf(text: string | null, by: bigint): string | null {
  if (text !== null && !/^(?:0|-?[1-9]\d*)$/.test(text)) return null;
  const before = BigInt(text ?? "0");
  const sum = before + by;
  return before < INT64_MIN || before > INT64_MAX || sum < INT64_MIN || sum > INT64_MAX ? null : String(sum);
}

function needText(need: Need): string {
  return "value" in need ? `${need.kind} ${need.value}` : need.kind;
}

function ruleText(effect: Effect): string {
  switch (effect.kind) {
    case "read":
      return "read";
    case "write":
    case "create":
      return `${effect.kind} ${effect.value}`;
    case "add":
      return `add ${effect.by}`;
    case "append":
      return `append ${effect.value}`;
  }
}

/** The values that decide whether the operation can have had its result. */
function valuesAsked(record: HistoryRecord): readonly string[] {
  switch (record.op) {
    case "get":
      return typeof record.result?.value === "string" ? [record.result.value] : [];
    case "put":
    case "delete":
      return [];
    case "cas":
      return record.args.expect === null ? [] : [record.args.expect];
    case "incr":
      return record.result === null ? [] : [String(BigInt(record.result.value) - BigInt(record.args.by))];
    case "append": {
      if (record.result === null) return [];
      const after = record.result.value;
      return [record.args.value === "" ? after : after.slice(0, after.length - record.args.value.length)];
    }
  }
}
