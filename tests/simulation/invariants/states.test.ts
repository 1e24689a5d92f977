import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  type Command,
  type CommandSource,
  decodeCommand,
  encodeCommand,
  incrementCommand,
  NO_MEMBERS,
  openSessionCommand,
  putCommand,
  Refusal,
  readCommand,
  StateMachine,
  type StateWrites,
  tickCommand,
  truncateCommand,
  type WriteId,
} from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import type { Entry } from "@quorate/services/raft";
import type { StateStore } from "@quorate/services/replica";
import { utf8Encode } from "@quorate/services/std";
import type { AnswerEvent, ReadEvent, ReadRefusedEvent } from "../clients/events";
import { Acknowledged, Answers } from "./answers";
import { EqualState } from "./equal-state";
import { expectBroken } from "./expect-broken";
import { Reference } from "./reference";
import { ReadChecks } from "./stale-reads";

const PLACE = { namespaceId: 1, generation: 1 };

function source(requestId: WriteId | null): CommandSource {
  return { namespace: "", requestId, wallTimeMs: 0 };
}

function put(key: string, value: string, requestId: WriteId | null = null): Command {
  const bytes = { key: utf8Encode(key), value: utf8Encode(value) };
  return putCommand(source(requestId), {
    ...bytes,
    leaseId: 0n,
    returnPrevious: false,
    expectedModRevision: null,
  });
}

function increment(key: string, requestId: WriteId | null = null): Command {
  return incrementCommand(source(requestId), utf8Encode(key), 1n);
}

/** One entry each; null for the empty one of a new leader. */
function entries(...commands: readonly (Command | null)[]): Entry[] {
  return commands.map((command, at) => ({
    term: 1,
    index: at + 1,
    kind: "normal",
    data: command === null ? new Uint8Array(0) : encodeCommand(command),
  }));
}

/** A member that applies entries as the product does, in batches of its own. */
class Applying {
  readonly disk = new MemoryStateDisk();
  private readonly store: StateStore = openMemoryStateStore(this.disk);
  private readonly machine = new StateMachine(this.store.opened.resident);

  async apply(batch: readonly Entry[], tamper = (writes: StateWrites): StateWrites => writes) {
    const commands = batch.filter(({ data }) => data.length > 0).map(({ data }) => readCommand(data));
    const keys = commands.flatMap((command) => this.machine.reads(command).keys);
    const ranges = commands.flatMap((command) => this.machine.reads(command).ranges);
    const { writes } = this.machine.apply(commands, await this.store.read({ keys, ranges }));
    const { term, index } = batch.at(-1) as Entry;
    const written = { applied: { term, index }, writes: tamper(writes) };
    await this.store.write(written);
    return written;
  }
}

const REQUEST: WriteId = { clientId: 1, sequence: 1, firstUnanswered: 1 };
const HISTORY = entries(
  null,
  openSessionCommand(source(null), 5_000),
  put("a", "1", REQUEST),
  increment("n"),
  put("a", "2"),
  tickCommand(1_000, 0),
  increment("n", { clientId: 1, sequence: 2, firstUnanswered: 2 }),
  truncateCommand(source(null)),
  put("b", "3"),
);

describe("the check of states", () => {
  let reference: Reference;
  let equal: EqualState;

  beforeEach(() => {
    reference = new Reference();
    for (const entry of HISTORY) reference.apply(entry);
    equal = new EqualState(reference, (index) => HISTORY[index - 1]);
  });

  it("K3: finds nothing at any index, however a member cuts its batches, restarts, or falls back", async () => {
    for (const size of [1, 2, 3, HISTORY.length]) {
      const member = new Applying();
      equal.started("n1", member.disk);
      for (let from = 0; from < HISTORY.length; from += size) {
        equal.written("n1", await member.apply(HISTORY.slice(from, from + size)));
        equal.started("n1", member.disk);
      }
      equal.ended("n1", member.disk);
      member.disk.crash({ batchesLost: 1 });
      equal.started("n1", member.disk);
    }
  });

  it.each<[string, string, (writes: StateWrites) => StateWrites]>([
    ["record", "record 1/1/a", (writes) => ({ ...writes, changes: [] })],
    ["record's version", "record 1/1/a", withVersion],
    ["session", "session 1", (writes) => ({ ...writes, sessions: [] })],
    ["kept answer", "answer 1/1", (writes) => ({ ...writes, answers: [] })],
    ["replicated time", "meta", (writes) => ({ ...writes, meta: { ...writes.meta, timeMs: 7 } })],
    ["count of keys", "namespace 1", (writes) => ({ ...writes, namespaces: [] })],
    [
      "member's store",
      "membership",
      (writes) => ({ ...writes, membership: { ...NO_MEMBERS, retiredStores: ["x"] } }),
    ],
  ])("K3: finds a %s that differs at one member, and names it", async (_, item, tamper) => {
    const member = new Applying();
    equal.started("n2", member.disk);
    const written = await member.apply(HISTORY.slice(0, 3), tamper);
    expectBroken(
      "equal state",
      `n2 is in another state than the committed log gives at index 3: ${item}`,
      () => equal.written("n2", written),
    );
    expectBroken("equal state", item, () => equal.started("n2", member.disk));
    expectBroken("equal state", "n2 ends in another state", () => equal.ended("n2", member.disk));
  });

  it("K3: finds a state at an index that nothing is committed at", async () => {
    const member = new Applying();
    equal.started("n2", member.disk);
    const written = await member.apply([
      ...HISTORY,
      ...entries(increment("n")).map((entry) => ({ ...entry, index: 10 })),
    ]);
    expectBroken("equal state", "n2 is at applied index 10, but only 9 entries are committed", () =>
      equal.written("n2", written),
    );
  });
});

describe("the check of answers", () => {
  let reference: Reference;
  let answers: Answers;

  beforeEach(() => {
    reference = new Reference();
    answers = new Answers(reference);
  });

  const commit = (commands: readonly Entry[], tamper: (step: Step) => Step = (step) => step): void => {
    for (const entry of commands) {
      const step = reference.apply(entry);
      if (step !== null) answers.committed(tamper(step));
    }
  };
  type Step = Parameters<Answers["committed"]>[0];
  const answered = (index: number, answer = reference.answerAt(index)): AnswerEvent => ({
    client: "c1",
    member: "n2",
    command: HISTORY[index - 1]?.data as Uint8Array,
    entry: { term: 1, index },
    answer: answer as AnswerEvent["answer"],
  });

  it("finds nothing where the product and the naive model agree, retries and expiry included", () => {
    const retry = { clientId: 1, sequence: 2, firstUnanswered: 2 };
    const all = entries(
      ...HISTORY.map(({ data }) => (data.length === 0 ? null : decodeCommand(data))),
      increment("n", retry),
      increment("n", REQUEST),
      tickCommand(2_000, 0),
      tickCommand(4_999, 0),
      increment("n", retry),
      tickCommand(9_000, 0),
      tickCommand(9_000, 0),
      increment("n", retry),
    );
    commit(all);
    const results = [10, 11, 14, 17].map((index) => reference.answerAt(index)?.result);
    expect(
      results.map((result) => (result?.$case === "refused" ? Refusal[result.value.refusal] : "done")),
    ).toEqual(["done", "ANSWER_DROPPED", "done", "SESSION_EXPIRED"]);
    for (const index of [2, 3, 10]) answers.answered(answered(index));
  });

  it("finds an answer that the contract does not give", () => {
    const tamper = (step: Step): Step => ({ ...step, answer: { ...step.answer, revision: 9n } });
    expectBroken(
      "the same answer",
      "entry 1 (increment) is to be answered with revision 1 (value 1), but is with 9 (value 1)",
      () => commit(entries(increment("n")), tamper),
    );
    const refusal = {
      $case: "refused",
      value: { refusal: Refusal.SESSION_EXPIRED, message: "", oldestRevision: 0n },
    } as const;
    expectBroken("the same answer", "value 2, but is with SESSION_EXPIRED", () =>
      commit(entries(null, increment("n")).slice(1), (step) => ({
        ...step,
        answer: { ...step.answer, result: refusal },
      })),
    );
  });

  it("finds a request that is carried out twice, by what it changes", () => {
    const twice = entries(openSessionCommand(source(null), 5_000), increment("n", REQUEST));
    commit(twice);
    const retried = reference.apply({ ...(twice[1] as Entry), index: 3 }) as Step;
    const [change] = (reference.apply({ ...(twice[1] as Entry), index: 4 }) as Step).writes.changes;
    expect(change).toBeUndefined();
    const origin = { cause: "delete", wallTimeMs: 0, requestId: REQUEST } as const;
    const changes = [
      { kind: "delete", ...PLACE, revision: 2, ordinal: 0, key: utf8Encode("n"), origin } as const,
    ];
    expectBroken("applied once", "the request 1/1 changed records by entry 2 and again by entry 3", () =>
      answers.committed({ ...retried, writes: { ...retried.writes, changes } }),
    );
  });

  it("finds a member that tells a client something else", () => {
    commit(HISTORY);
    expectBroken("the same answer", "n2 answered c1", () =>
      answers.answered(answered(3, reference.answerAt(4))),
    );
    expectBroken("the same answer", "for entry 1, where no command is committed", () =>
      answers.answered(answered(1, reference.answerAt(4))),
    );
  });

  it("K4: finds an acknowledged write that is not in the committed log, or not as it was acknowledged", () => {
    commit(HISTORY);
    const acknowledged = new Acknowledged((index) => HISTORY[index - 1]);
    acknowledged.answered(answered(3));
    acknowledged.answered(answered(5));
    expect(acknowledged.lastIndex).toBe(5);
    const name = "acknowledged writes survive";
    expectBroken(name, "n2 told c1 that 1/12 is applied, but nothing is committed there", () =>
      acknowledged.answered({ ...answered(5), entry: { term: 1, index: 12 } }),
    );
    expectBroken(name, "n2 told c1 that 2/5 is applied, but 1/5 is committed there", () =>
      acknowledged.answered({ ...answered(5), entry: { term: 2, index: 5 } }),
    );
    expectBroken(name, "its command is applied as 1/5, which holds another one", () =>
      acknowledged.answered({ ...answered(5), command: answered(4).command }),
    );
  });
});

describe("the check of reads", () => {
  let reference: Reference;
  let reads: ReadChecks;

  beforeEach(() => {
    reference = new Reference();
    // Revisions 1, 2 and 3.
    for (const entry of entries(put("a", "1"), put("a", "2"), null, put("a", "3"))) reference.apply(entry);
    reads = new ReadChecks(reference);
  });

  const request = {
    namespace: "",
    consistency: "stale",
    minRevision: 0,
    maxStalenessMs: 0,
    revision: 0,
  } as const;
  const read = (index: number, revision: number, changes: Partial<ReadEvent> = {}): ReadEvent => ({
    client: "c1",
    member: "n2",
    key: utf8Encode("a"),
    request,
    arrivedMs: 5_000,
    point: { kind: "ready", revision, term: 1, appliedIndex: index, ...PLACE },
    record: reference.recordAt(PLACE, utf8Encode("a"), revision),
    ...changes,
  });

  it("finds nothing in reads of any real prefix, within their bounds", () => {
    for (const [index, revision] of [
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 3],
    ] as const)
      reads.read(read(index, revision));
    reads.wrote(3, [{ id: "n2", monotonicMs: 4_000 }]);
    const bounded = {
      ...request,
      consistency: "linearizable",
      maxStalenessMs: 1_000,
      minRevision: 2,
    } as const;
    reads.read(read(2, 2, { request: bounded }));
  });

  it("finds a state that never was", () => {
    const name = "a stale read is some real prefix";
    expectBroken(
      name,
      "n2 answers c1 at revision 2 and index 4, where the committed log is at revision 3",
      () => reads.read(read(4, 2)),
    );
    expectBroken(
      name,
      "with nothing for the key 61 at revision 2, where the committed log has 32@1/2/2",
      () => reads.read(read(2, 2, { record: null })),
    );
    expectBroken(name, "with 33@1/3/3 for the key 61 at revision 2", () =>
      reads.read(read(2, 2, { record: reference.recordAt(PLACE, utf8Encode("a"), 3) })),
    );
  });

  it("finds a bounded read that is older than its bound by the member's own clock", () => {
    reads.wrote(3, [
      { id: "n1", monotonicMs: 9_000 },
      { id: "n2", monotonicMs: 3_999 },
    ]);
    const bounded = { ...request, consistency: "linearizable", maxStalenessMs: 1_000 } as const;
    reads.read(read(2, 2, { request: bounded, member: "n1" }));
    expectBroken(
      "a bounded read keeps its bound",
      "n2 answers c1 at revision 2 with max_staleness_ms 1000, but revision 3 was acknowledged 1001 ms before by its clock",
      () => reads.read(read(2, 2, { request: bounded })),
    );
  });

  it("finds a past revision that is refused though it is there, or was told of before", () => {
    reads.wrote(3, [{ id: "n2", monotonicMs: 4_000 }]);
    const { point: _, record: __, ...call } = read(4, 3);
    const refused = (revision: number, outcome: ReadRefusedEvent["outcome"]): void =>
      reads.refused({ ...call, request: { ...request, consistency: "linearizable", revision }, outcome });
    refused(4, { kind: "future_revision", revision: 3 });
    const name = "history is there until it is given up";
    expectBroken(name, "that the oldest is 2, where no more than 0 was ever given up", () =>
      refused(1, { kind: "compacted", oldestRevision: 2 }),
    );
    expectBroken(name, "that the last is 2, but 3 was acknowledged before", () =>
      refused(3, { kind: "future_revision", revision: 2 }),
    );
  });

  it("finds a past revision that is answered with what was there at another", () => {
    const past = { ...request, revision: 1 };
    reads.read(read(4, 1, { request: past }));
    const wrong = { request: past, record: reference.recordAt(PLACE, utf8Encode("a"), 2) };
    expectBroken(
      "a stale read is some real prefix",
      "at revision 1, where the committed log has 31@1/1/1",
      () => reads.read(read(4, 1, wrong)),
    );
  });

  it("finds a session that goes back", () => {
    expectBroken("a session never goes back", "n2 answers c1 at revision 2, which has seen 3", () =>
      reads.read(read(2, 2, { request: { ...request, minRevision: 3 } })),
    );
  });
});

function withVersion(writes: StateWrites): StateWrites {
  const changes = writes.changes.map((change) =>
    change.kind === "put" ? { ...change, record: { ...change.record, version: 9 } } : change,
  );
  return { ...writes, changes };
}
