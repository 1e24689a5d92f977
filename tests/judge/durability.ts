import type { HistoryRecord } from "./history";

/** What a write is meant to do. On one key either puts and deletes, or appends, or increments: not a mix. */
export type WriteEffect =
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "delete" }
  | { readonly kind: "append"; readonly value: string }
  | { readonly kind: "incr"; readonly by: number };

/** A write under way. It may be ended once; one that is not ended counts as unknown. */
export interface OpenWrite {
  acknowledged(): void;
  /** Only where the store said that nothing was done. */
  failed(): void;
  unknown(): void;
}

export interface DurabilityFinding {
  /**
   * lost: what was acknowledged, or had been found, is not there.
   * resurrected: a key that was deleted for certain is there again with what it had before.
   * impossible: what is there was never written, or only by a write that failed, or more often than written.
   */
  readonly kind: "lost" | "resurrected" | "impossible";
  readonly key: string;
  readonly found: string | null;
  /** Which crash cycle it was found in, counted from 0, and what that was called. */
  readonly cycle: { readonly number: number; readonly name: string };
  /** One sentence. */
  readonly detail: string;
}

export interface KeyExpectation {
  /** Effects of which one must be there, or for appends and increments all of them. */
  readonly mustSurvive: readonly WriteEffect[];
  /** Effects that may be there or not. */
  readonly mayBeLost: readonly WriteEffect[];
}

interface Write {
  readonly effect: WriteEffect;
  readonly startedAt: number;
  endedAt: number;
  outcome: "open" | "acknowledged" | "failed" | "unknown";
  readonly cycle: number;
  /** Not a write, but what a read found: that binds like a write acknowledged at that moment. */
  readonly isFound: boolean;
}

/**
 * Knows of every write whether it must survive or may be lost, over any number of crash cycles, and judges what is found.
 * For puts, values should be unique per key: of equal values it assumes the one that excuses the store.
 */
export class DurabilityOracle {
  private readonly byKey = new Map<string, Write[]>();
  private readonly cycles: string[] = ["before the first crash"];
  private readonly known: DurabilityFinding[] = [];
  /** Counts what happens: the oracle needs an order, not times. */
  private moment = 0;

  get findings(): readonly DurabilityFinding[] {
    return this.known;
  }

  begin(key: string, effect: WriteEffect): OpenWrite {
    const writes = this.writesOf(key);
    const first = writes[0];
    if (first !== undefined && familyOf(first.effect) !== familyOf(effect)) {
      throw new Error(`key "${key}" is for ${familyOf(first.effect)}: it takes no ${effect.kind}`);
    }
    const write: Write = {
      effect,
      startedAt: this.next(),
      endedAt: Number.POSITIVE_INFINITY,
      outcome: "open",
      cycle: this.cycles.length - 1,
      isFound: false,
    };
    writes.push(write);
    const end = (outcome: Write["outcome"]) => {
      if (write.outcome !== "open") throw new Error(`a write to "${key}" ends once`);
      write.outcome = outcome;
      // What is unknown may still take effect, so it never ends.
      if (outcome !== "unknown") write.endedAt = this.next();
    };
    return {
      acknowledged: () => end("acknowledged"),
      failed: () => end("failed"),
      unknown: () => end("unknown"),
    };
  }

  /** A crash cycle starts: a name such as "all nodes killed" for the findings. */
  crashed(name: string): void {
    this.cycles.push(name);
  }

  /** What must and what may be there now. */
  expectation(key: string): KeyExpectation {
    const writes = this.byKey.get(key) ?? [];
    const acknowledged = writes.filter(({ outcome }) => outcome === "acknowledged");
    const must =
      writes[0] !== undefined && familyOf(writes[0].effect) !== "puts and deletes"
        ? acknowledged
        : acknowledged.filter((write) => !isSuperseded(write, acknowledged));
    return {
      mustSurvive: must.map(({ effect }) => effect),
      mayBeLost: writes.filter(isUncertain).map(({ effect }) => effect),
    };
  }

  /**
   * Judges what a linearizable read, begun now with no write to the key open but those of unknown outcome, found.
   * @returns what is wrong, null if all is as it must be
   */
  found(key: string, value: string | null): DurabilityFinding | null {
    const writes = this.writesOf(key);
    const wrong = judge(writes, value);
    this.settle(writes, value);
    if (wrong === null) return null;
    const number = this.cycles.length - 1;
    const finding = { ...wrong, key, found: value, cycle: { number, name: this.cycles[number] ?? "" } };
    this.known.push(finding);
    return finding;
  }

  /** Judges what all keys hold at one moment. A key that is missing in the map is absent. */
  foundAll(values: ReadonlyMap<string, string>): DurabilityFinding[] {
    const keys = [...new Set([...this.byKey.keys(), ...values.keys()])].sort();
    return keys.flatMap((key) => this.found(key, values.get(key) ?? null) ?? []);
  }

  private writesOf(key: string): Write[] {
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const writes: Write[] = [];
    this.byKey.set(key, writes);
    return writes;
  }

  /** What was found took effect, so it must survive from now on, and cannot take effect once more. */
  private settle(writes: Write[], value: string | null): void {
    const family = familyOf(writes[0]?.effect);
    const at = this.next();
    const confirm = (write: Write | undefined) => {
      if (write === undefined || write.outcome !== "unknown") return;
      write.outcome = "acknowledged";
      write.endedAt = at;
    };
    if (family === "appends") {
      const possible = writes.filter(({ outcome }) => outcome !== "failed");
      const rest = takeElements(
        value ?? "",
        possible.map(({ effect }) => textOfEffect(effect) ?? ""),
      );
      if (rest === null) return;
      for (const [index, write] of possible.entries()) if (!rest.has(index)) confirm(write);
    } else if (family === "puts and deletes" && writes.length > 0) {
      const acknowledged = writes.filter(({ outcome }) => outcome === "acknowledged");
      const isDue = acknowledged.some(
        (write) => textOfEffect(write.effect) === value && !isSuperseded(write, acknowledged),
      );
      if (!isDue)
        confirm(
          writes.find(({ effect, outcome }) => textOfEffect(effect) === value && outcome === "unknown"),
        );
      const before = writes.findIndex(({ isFound }) => isFound);
      if (before >= 0) writes.splice(before, 1);
      const effect: WriteEffect = value === null ? { kind: "delete" } : { kind: "put", value };
      const cycle = this.cycles.length - 1;
      writes.push({ effect, startedAt: at, endedAt: at, outcome: "acknowledged", cycle, isFound: true });
    }
  }

  private next(): number {
    this.moment += 1;
    return this.moment;
  }
}

/** The oracle of a recorded history: its writes in the order of their times, and what its reads found does not count. */
export function oracleOfHistory(records: readonly HistoryRecord[]): DurabilityOracle {
  const oracle = new DurabilityOracle();
  const steps: { readonly timeNs: bigint; readonly isEnd: boolean; readonly run: () => void }[] = [];
  for (const record of records) {
    const effect = writeEffectOf(record);
    if (effect === null) continue;
    let open: OpenWrite | null = null;
    const begin = () => {
      open = oracle.begin(record.key, effect);
    };
    const end = () => {
      if (record.status === "ok") open?.acknowledged();
      else open?.failed();
    };
    steps.push({ timeNs: BigInt(record.invoke), isEnd: false, run: begin });
    if (record.return !== undefined) steps.push({ timeNs: BigInt(record.return), isEnd: true, run: end });
  }
  steps.sort((left, right) => {
    if (left.timeNs !== right.timeNs) return left.timeNs < right.timeNs ? -1 : 1;
    return Number(left.isEnd) - Number(right.isEnd);
  });
  for (const { run } of steps) run();
  return oracle;
}

/** null for what is no write, or is known to have written nothing. */
export function writeEffectOf(record: HistoryRecord): WriteEffect | null {
  switch (record.op) {
    case "get":
      return null;
    case "put":
      return { kind: "put", value: record.args.value };
    case "delete":
      return record.result?.deleted === false ? null : { kind: "delete" };
    case "cas":
      return record.result?.swapped === false ? null : { kind: "put", value: record.args.value };
    case "append":
      return { kind: "append", value: record.args.value };
    case "incr":
      return { kind: "incr", by: record.args.by };
  }
}

type Wrong = Pick<DurabilityFinding, "kind" | "detail"> | null;

function judge(writes: readonly Write[], value: string | null): Wrong {
  const effect = writes[0]?.effect;
  if (effect === undefined) {
    return value === null ? null : { kind: "impossible", detail: "nobody ever wrote to the key" };
  }
  switch (effect.kind) {
    case "put":
    case "delete":
      return judgeRegister(writes, value);
    case "append":
      return judgeList(writes, value);
    case "incr":
      return judgeCounter(writes, value);
  }
}

function judgeRegister(writes: readonly Write[], value: string | null): Wrong {
  const acknowledged = writes.filter(({ outcome }) => outcome === "acknowledged");
  if (value === null && acknowledged.length === 0) return null;
  const explains = writes.filter(
    ({ effect, outcome }) => textOfEffect(effect) === value && outcome !== "failed",
  );
  if (explains.some((write) => isUncertain(write) || !isSuperseded(write, acknowledged))) return null;
  if (value !== null && explains.length === 0) {
    const isFailed = writes.some(({ effect }) => textOfEffect(effect) === value);
    return { kind: "impossible", detail: isFailed ? "only a write that failed had it" : "nobody wrote it" };
  }
  const latest = acknowledged.filter((write) => !isSuperseded(write, acknowledged));
  const due = latest.map(describeWrite).join(" or ");
  if (value !== null && latest.length > 0 && latest.every(({ effect }) => effect.kind === "delete")) {
    return { kind: "resurrected", detail: `the key was gone by ${due}` };
  }
  return { kind: "lost", detail: due === "" ? "what was there is gone" : `what must survive is ${due}` };
}

function judgeList(writes: readonly Write[], value: string | null): Wrong {
  const text = value ?? "";
  const elements = writes.filter(({ outcome }) => outcome !== "failed");
  const rest = takeElements(
    text,
    elements.map(({ effect }) => textOfEffect(effect) ?? ""),
  );
  if (rest === null) {
    const rejected = writes.find(
      ({ outcome, effect }) => outcome === "failed" && text.includes(textOfEffect(effect) ?? ""),
    );
    const because = rejected === undefined ? "" : `, such as ${describeWrite(rejected)}, which failed`;
    return { kind: "impossible", detail: `it holds more than was appended${because}` };
  }
  const lost = elements.find(({ outcome }, at) => outcome === "acknowledged" && rest.has(at));
  return lost === undefined ? null : { kind: "lost", detail: `${describeWrite(lost)} is not in it` };
}

/** Which of the elements are not in the text; null if it is no concatenation of some of them. */
function takeElements(text: string, elements: readonly string[]): Set<number> | null {
  const left = new Set(elements.keys());
  let at = 0;
  while (at < text.length) {
    // The longest that fits: elements of one list are made so that none begins with another.
    let best = -1;
    for (const index of left) {
      const element = elements[index]!;
      const isBetter = best < 0 || element.length > elements[best]!.length;
      if (element !== "" && isBetter && text.startsWith(element, at)) best = index;
    }
    if (best < 0) return null;
    left.delete(best);
    at += elements[best]!.length;
  }
  for (const index of left) if (elements[index] === "") left.delete(index);
  return left;
}

function judgeCounter(writes: readonly Write[], value: string | null): Wrong {
  const text = value ?? "0";
  if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return { kind: "impossible", detail: "it is no number" };
  const total = BigInt(text);
  let [least, most, sure] = [0n, 0n, 0n];
  for (const { effect, outcome } of writes) {
    if (effect.kind !== "incr" || outcome === "failed") continue;
    const by = BigInt(effect.by);
    if (outcome === "acknowledged") sure += by;
    else if (by < 0n) least += by;
    else most += by;
  }
  if (total >= sure + least && total <= sure + most) return null;
  const detail = `acknowledged increments come to ${sure}, with the unknown ones to ${sure + least} to ${sure + most}`;
  const goesUp = writes.every(({ effect }) => effect.kind === "incr" && effect.by >= 0);
  return { kind: goesUp && total < sure ? "lost" : "impossible", detail };
}

/** Whether another acknowledged write began after this one had ended. */
function isSuperseded({ endedAt }: Write, acknowledged: readonly Write[]): boolean {
  return acknowledged.some(({ startedAt }) => startedAt > endedAt);
}

function isUncertain({ outcome }: Write): boolean {
  return outcome === "open" || outcome === "unknown";
}

function familyOf(effect: WriteEffect | undefined): string {
  if (effect === undefined || effect.kind === "put" || effect.kind === "delete") return "puts and deletes";
  return effect.kind === "append" ? "appends" : "increments";
}

function textOfEffect(effect: WriteEffect): string | null {
  return effect.kind === "put" || effect.kind === "append" ? effect.value : null;
}

function describeWrite({ effect, cycle, outcome, isFound }: Write): string {
  if (isFound) return `${JSON.stringify(textOfEffect(effect))} (found in cycle ${cycle})`;
  const what =
    effect.kind === "delete"
      ? "the delete"
      : `the ${effect.kind} of ${"by" in effect ? effect.by : JSON.stringify(effect.value)}`;
  return `${what} (${outcome} in cycle ${cycle})`;
}
