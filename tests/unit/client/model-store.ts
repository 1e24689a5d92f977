import { QuorateError } from "@quorate/client";
import {
  type Compare,
  CompareOperator,
  type GetRequest,
  type Record as KvMessage,
  type PutRequest,
  type ScanRequest,
  type TxnOperation,
  type TxnRequest,
  type TxnResult,
} from "@quorate/client/generated";
import { type Attempt, sessionAnswer } from "./scripted-endpoints";

type State = ReadonlyMap<string, KvMessage>;

/** A store of one namespace with all its revisions, as far as the client's transactions and locks need one. */
export class ModelStore {
  readonly #states: State[] = [new Map()];
  /** Is called after each new revision. */
  onRevision: () => void = () => undefined;

  get revision(): number {
    return this.#states.length - 1;
  }

  /** The texts of all values, by key. */
  get values(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#newest].map(([key, { value }]) => [key, Buffer.from(value).toString()]),
    );
  }

  get #newest(): State {
    return this.#states.at(-1) as State;
  }

  put(key: string, value: string, leaseId = 0n): void {
    this.#change((draft) => draft.put(key, Buffer.from(value), leaseId));
  }

  delete(key: string): void {
    this.#change((draft) => draft.state.delete(key));
  }

  /** Deletes what is attached to a lease. */
  endLease(leaseId: bigint): void {
    this.#change((draft) => {
      for (const [key, record] of draft.state) if (record.leaseId === leaseId) draft.state.delete(key);
    });
  }

  /** The records of a range or prefix, in bytewise order. */
  recordsIn(range: Pick<ScanRequest, "start" | "end" | "prefix">): KvMessage[] {
    return [...inRange(range, this.#newest)];
  }

  /** What one revision changed: keys with their records, undefined for a deletion. */
  changesOf(revision: number): readonly (readonly [string, KvMessage | undefined])[] {
    const [before, after] = [this.#states[revision - 1], this.#states[revision]] as [State, State];
    const keys = [...new Set([...before.keys(), ...after.keys()])];
    return keys.filter((key) => before.get(key) !== after.get(key)).map((key) => [key, after.get(key)]);
  }

  /** The answer to a call of KvService; null for one that it does not know. */
  answer({ method, request }: Pick<Attempt, "method" | "request">): object | QuorateError | null {
    switch (method) {
      case "Get":
        return this.#get(request as GetRequest);
      case "Scan":
        return [this.#scan(request as ScanRequest, this.#at((request as ScanRequest).revision))];
      case "Put": {
        const { key, value, leaseId } = request as PutRequest;
        this.put(nameOf(key), Buffer.from(value).toString(), leaseId);
        return { header: this.#header() };
      }
      case "Txn":
        return this.#txn(request as TxnRequest);
      default:
        return sessionAnswer(method);
    }
  }

  #header(revision = this.revision) {
    return { clusterId: "c", memberId: "n1", term: 1n, revision: BigInt(revision) };
  }

  #at(revision: bigint): State {
    const state = revision === 0n ? this.#newest : this.#states[Number(revision)];
    if (state === undefined) throw new QuorateError("the future", { code: "OUT_OF_RANGE" });
    return state;
  }

  #get({ key, revision }: GetRequest): object {
    return { header: this.#header(), record: this.#at(revision).get(nameOf(key)) };
  }

  #scan(request: Pick<ScanRequest, "start" | "end" | "prefix" | "limit">, state: State) {
    const found = inRange(request, state);
    const limit = request.limit === 0n ? found.length : Number(request.limit);
    return { header: this.#header(), records: found.slice(0, limit), more: found.length > limit };
  }

  #txn({ compares, success, failure }: TxnRequest): object {
    if (compares.some(isOfNoKeys))
      throw new QuorateError("start must be below end", { code: "INVALID_ARGUMENT" });
    const succeeded = compares.every((compare) => holds(compare, this.#newest));
    let results: TxnResult[] = [];
    this.#change((draft) => {
      results = (succeeded ? success : failure).map((operation) => this.#operation(operation, draft));
    });
    return { header: this.#header(), succeeded, results };
  }

  #operation({ operation }: TxnOperation, draft: Draft): TxnResult {
    const header = undefined;
    switch (operation?.$case) {
      case "put": {
        const { key, value, leaseId } = operation.value;
        draft.put(nameOf(key), value, leaseId);
        return { result: { $case: "put", value: { header, previous: undefined } } };
      }
      case "delete": {
        const deleted = draft.state.delete(nameOf(operation.value.key)) ? 1n : 0n;
        return { result: { $case: "delete", value: { header, deleted, previous: undefined } } };
      }
      case "get": {
        const record = draft.state.get(nameOf(operation.value.key));
        return { result: { $case: "get", value: { header, record } } };
      }
      case "scan": {
        const { records, more } = this.#scan(operation.value, draft.state);
        return { result: { $case: "scan", value: { header, records, more, nextCursor: Buffer.of() } } };
      }
      case "txn": {
        const { compares, success, failure } = operation.value;
        const succeeded = compares.every((compare) => holds(compare, draft.state));
        const branch = succeeded ? success : failure;
        const results = branch.map((inner) => this.#operation(inner, draft));
        return { result: { $case: "txn", value: { header, succeeded, results } } };
      }
      default:
        throw new Error(`the model has no ${operation?.$case}`);
    }
  }

  /** A new revision, if anything has changed. */
  #change(change: (draft: Draft) => void): void {
    const before = this.#newest;
    const draft = new Draft(before, BigInt(this.revision + 1));
    change(draft);
    const isSame =
      draft.state.size === before.size &&
      [...draft.state].every(([key, record]) => before.get(key) === record);
    if (isSame) return;
    this.#states.push(draft.state);
    this.onRevision();
  }
}

class Draft {
  readonly state: Map<string, KvMessage>;
  readonly #before: State;
  readonly #revision: bigint;

  constructor(before: State, revision: bigint) {
    this.state = new Map(before);
    this.#before = before;
    this.#revision = revision;
  }

  put(key: string, value: Uint8Array, leaseId: bigint): void {
    const record = this.state.has(key) ? this.#before.get(key) : undefined;
    this.state.set(key, {
      key: Buffer.from(key, "latin1"),
      value,
      createRevision: record?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (record?.version ?? 0n) + 1n,
      leaseId,
    });
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString("latin1");
}

function inRange(
  { start, end, prefix }: Pick<ScanRequest, "start" | "end" | "prefix">,
  state: State,
): readonly KvMessage[] {
  const [from, to, begins] = [start, end, prefix].map(nameOf) as [string, string, string];
  return [...state]
    .filter(([key]) => key >= from && (to === "" || key < to) && key.startsWith(begins))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([, record]) => record);
}

/** Whether it names a range that could hold no key at all, which servers refuse. */
function isOfNoKeys({ start, end }: Compare): boolean {
  return end.length > 0 && Buffer.compare(start, end) >= 0;
}

function holds(compare: Compare, state: State): boolean {
  if (compare.key.length === 0) {
    return inRange(compare, state).every((record) => isSo(compare, record));
  }
  return isSo(compare, state.get(nameOf(compare.key)));
}

function isSo({ operator, target }: Compare, record: KvMessage | undefined): boolean {
  if (target === undefined || target.$case === "value") throw new Error("the model compares numbers only");
  const actual = record?.[target.$case] ?? 0n;
  switch (operator) {
    case CompareOperator.EQUAL:
      return actual === target.value;
    case CompareOperator.NOT_EQUAL:
      return actual !== target.value;
    case CompareOperator.LESS:
      return actual < target.value;
    default:
      return actual > target.value;
  }
}
