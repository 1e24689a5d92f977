import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type Command,
  checkedCommand,
  createNamespaceCommand,
  encodeCommand,
  grantLeaseCommand,
  INITIAL_STATE,
  LEASE_KEYS_MAX,
  LEASES_MAX,
  openSessionCommand,
  Refusal,
  renewLeasesCommand,
  revokeLeaseCommand,
  StateMachine,
  tickCommand,
  truncateCommand,
} from "@quorate/services/kv";
import { AssertionError, utf8Decode, utf8Encode } from "@quorate/services/std";
import { ANYONE, Harness, request } from "./harness";
import { append, doneOf, expectRefused, increment, put, refusedOf, remove, removeRange } from "./samples";

const TTL_MS = 1000;

let it: Harness;

beforeEach(() => {
  it = new Harness();
});

const grant = (ttlMs = TTL_MS): Command => grantLeaseCommand(ANYONE, ttlMs);
const revoke = (leaseId: bigint): Command => revokeLeaseCommand(ANYONE, leaseId);
const renew = (...leaseIds: bigint[]): Command => renewLeasesCommand(ANYONE, leaseIds);
const tick = (elapsedMs: number): Command => tickCommand(elapsedMs, 0);
const held = (key: string, leaseId = 1n): Command => put(key, "v", { leaseId });
const within = (namespace: string, command: Command): Command => ({ ...command, namespace });

const keys = (): string[] => it.store.contents().map(({ key }) => utf8Decode(key) ?? "");
const attached = (leaseId: number): string[] =>
  it.machine.leaseKeys(leaseId).map((key) => utf8Decode(key) ?? "");
const leaseIds = (): number[] => it.machine.leasesOf(1).map((lease) => lease.leaseId);
const changes = (since: number) => it.store.changes.filter(({ revision }) => revision > since);

function apply(...commands: readonly Command[]): void {
  for (const command of commands) doneOf(it.apply(command));
}

describe("GrantLease", () => {
  test("gives ids that rise and are never used again, and makes no revision", () => {
    expect(doneOf(it.apply(grant(5000)))).toMatchObject({ leaseId: 1n, ttlMs: 5000n });
    apply(revoke(1n));
    it.restart();
    const answer = it.apply(grant());
    expect([doneOf(answer).leaseId, answer.revision]).toEqual([2n, 0n]);
    expect(it.machine.leaseCount).toBe(1);
  });

  test("a repeated request grants one lease", () => {
    apply(openSessionCommand(ANYONE, TTL_MS));
    const first = it.apply(grantLeaseCommand(request(1, 1), TTL_MS));
    expect(it.apply(grantLeaseCommand(request(1, 1), TTL_MS))).toEqual(first);
    expect(leaseIds()).toEqual([1]);
  });

  test.each([
    { ttlMs: 0, message: "ttl_ms is 0, not in 1 to 281474976710656" },
    { ttlMs: 2 ** 48 + 1, message: "ttl_ms is 281474976710657, not in 1 to 281474976710656" },
  ])("refuses the time to live $ttlMs", ({ ttlMs, message }) => {
    expectRefused(it, grant(ttlMs), Refusal.UNKNOWN_COMMAND, message);
  });

  test("there are no more than the limit", () => {
    const leases = Array.from({ length: LEASES_MAX }, (_, at) => ({
      leaseId: at + 1,
      namespaceId: 1,
      ttlMs: TTL_MS,
      deadlineMs: null,
    }));
    const meta = { ...INITIAL_STATE.meta, nextLeaseId: LEASES_MAX + 1 };
    const machine = new StateMachine({ ...INITIAL_STATE, meta, leases });
    const { answers } = machine.apply(
      [checkedCommand(grant()), checkedCommand(revoke(7n)), checkedCommand(grant())],
      it.store.read([]),
    );
    expect(answers.map(({ result }) => result?.$case)).toEqual(["refused", "done", "done"]);
    expect(refusedOf(answers[0]!)).toEqual({
      refusal: Refusal.TOO_MANY_LEASES,
      message: "there are 100000 leases, the limit of a cluster is 100000",
      oldestRevision: 0n,
    });
  });
});

describe("A key and its lease", () => {
  beforeEach(() => {
    apply(grant(), grant());
  });

  test.each<{
    what: string;
    commands: readonly Command[];
    first: string[];
    second: string[];
    leaseId: number;
  }>([
    { what: "a put with a lease attaches it", commands: [held("k")], first: ["k"], second: [], leaseId: 1 },
    {
      what: "so does one over a key without",
      commands: [put("k", "v"), held("k")],
      first: ["k"],
      second: [],
      leaseId: 1,
    },
    {
      what: "a put with another lease moves it",
      commands: [held("k"), held("k", 2n)],
      first: [],
      second: ["k"],
      leaseId: 2,
    },
    {
      what: "a put without detaches it",
      commands: [held("k"), put("k", "w")],
      first: [],
      second: [],
      leaseId: 0,
    },
    {
      what: "an increment keeps it",
      commands: [put("k", "1", { leaseId: 1n }), increment("k", 1n)],
      first: ["k"],
      second: [],
      leaseId: 1,
    },
    {
      what: "an append keeps it",
      commands: [held("k"), append("k", "w")],
      first: ["k"],
      second: [],
      leaseId: 1,
    },
    {
      what: "the same lease again keeps it",
      commands: [held("k"), held("k")],
      first: ["k"],
      second: [],
      leaseId: 1,
    },
  ])("$what", ({ commands, first, second, leaseId }) => {
    apply(...commands);
    expect([attached(1), attached(2)]).toEqual([first, second]);
    expect(it.get("k")?.leaseId).toBe(leaseId);
    it.restart();
    expect([attached(1), attached(2)]).toEqual([first, second]);
  });

  test.each<{ what: string; commands: readonly Command[] }>([
    { what: "a delete", commands: [remove("k")] },
    { what: "a range", commands: [removeRange("a", null)] },
    { what: "a truncation", commands: [truncateCommand(ANYONE)] },
  ])("$what detaches what it deletes, and the lease ends alone", ({ commands }) => {
    apply(held("k"), ...commands);
    const { revision } = it.machine.meta;
    expect(attached(1)).toEqual([]);
    expect(it.apply(revoke(1n))).toMatchObject({ revision: BigInt(revision) });
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("a key that was deleted and came back without a lease outlives it", () => {
    apply(held("k"), remove("k"), put("k", "w"), revoke(1n));
    expect(keys()).toEqual(["k"]);
  });

  test.each([
    { leaseId: 3n, of: "no lease" },
    { leaseId: -1n, of: "no lease" },
    { leaseId: 2n ** 63n - 1n, of: "no lease" },
  ])("a put with the unknown lease $leaseId is refused", ({ leaseId }) => {
    apply(held("k"));
    const message = `there is no lease with lease_id ${leaseId}`;
    expectRefused(it, put("k", "w", { leaseId }), Refusal.UNKNOWN_LEASE, message);
  });

  test("a lease of another namespace is none: not to put with, to renew or to revoke", () => {
    apply(createNamespaceCommand(ANYONE, "orders"), within("orders", grant()));
    const message = "there is no lease with lease_id 3";
    expectRefused(it, held("k", 3n), Refusal.UNKNOWN_LEASE, message);
    expectRefused(it, revoke(3n), Refusal.UNKNOWN_LEASE, message);
    expect(doneOf(it.apply(renew(3n))).renewals).toEqual([{ leaseId: 3n, ttlMs: 0n }]);
    expect(it.machine.leasesOf(2).map((lease) => lease.leaseId)).toEqual([3]);
  });

  test("a lease has no more keys than the limit, but those that it has may be written", () => {
    const puts = Array.from({ length: LEASE_KEYS_MAX }, (_, at) => encodeCommand(held(`k${at}`)));
    it.applyEntries(puts, []);
    const message = "lease 1 has 10000 keys, the most that a lease may have";
    expectRefused(it, held("one-more"), Refusal.TOO_LARGE, message);
    apply(held("k0"), put("k1", "v"), held("one-more"));
    expect(it.machine.lease(1)?.keyCount).toBe(LEASE_KEYS_MAX);
  });
});

describe("RevokeLease", () => {
  test("A22: deletes the keys of the lease together, with one revision, and says how many", () => {
    apply(grant(), grant(), held("b"), held("a"), held("c", 2n), put("d", "v"));
    const answer = it.apply(revoke(1n));
    expect([answer.revision, doneOf(answer).deleted]).toEqual([5n, 2n]);
    expect(keys()).toEqual(["c", "d"]);
    expect(changes(4)).toEqual([
      {
        kind: "delete",
        revision: 5,
        ordinal: 0,
        key: utf8Encode("a"),
        namespaceId: 1,
        generation: 1,
        origin: {
          cause: "lease_ended",
          wallTimeMs: ANYONE.wallTimeMs,
          requestId: null,
        },
      },
      {
        kind: "delete",
        revision: 5,
        ordinal: 1,
        key: utf8Encode("b"),
        namespaceId: 1,
        generation: 1,
        origin: {
          cause: "lease_ended",
          wallTimeMs: ANYONE.wallTimeMs,
          requestId: null,
        },
      },
    ]);
    expect(it.machine.namespace("")).toMatchObject({ keyCount: 2, byteCount: 4 });
    expect(leaseIds()).toEqual([2]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("of a lease without keys makes no revision, and a second one is refused", () => {
    apply(grant(), put("k", "v"));
    expect(it.apply(revoke(1n)).revision).toBe(1n);
    expectRefused(it, revoke(1n), Refusal.UNKNOWN_LEASE, "there is no lease with lease_id 1");
  });

  test("sent again under its request id is answered alike", () => {
    apply(openSessionCommand(ANYONE, TTL_MS), grant(), held("k"));
    const first = it.apply(revokeLeaseCommand(request(1, 1), 1n));
    expect(it.machine.reads(checkedCommand(revokeLeaseCommand(request(1, 1), 1n))).keys).toEqual([]);
    expect(it.apply(revokeLeaseCommand(request(1, 1), 1n))).toEqual(first);
    expect(changes(1)[0]?.origin.requestId).toEqual({ clientId: 1, sequence: 1 });
  });

  test("reads its keys without their values", () => {
    apply(grant(), held("a"), held("b"));
    expect(it.machine.reads(checkedCommand(revoke(1n)))).toEqual({
      keys: ["a", "b"].map((key) => ({
        namespaceId: 1,
        generation: 1,
        key: utf8Encode(key),
        withValue: false,
      })),
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expect(it.machine.reads(checkedCommand(revoke(2n)))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
  });

  test("within the batch that made the lease and its keys deletes what is attached by then", () => {
    apply(put("old", "v"));
    const commands = [grant(), held("a"), held("old"), held("b"), put("a", "w"), remove("b"), revoke(1n)];
    const answers = it.applyEntries(commands.map(encodeCommand), []);
    expect(doneOf(answers[6]!).deleted).toBe(1n);
    expect(keys()).toEqual(["a"]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });
});

describe("The time of a lease", () => {
  test("A22: it ends with its keys at the Tick that reaches its deadline, and never before", () => {
    apply(grant(), held("k"));
    // It was granted at some moment before this Tick, so its time is counted from there.
    apply(tick(TTL_MS * 5));
    apply(tick(TTL_MS - 1));
    expect(keys()).toEqual(["k"]);
    expect(it.machine.lease(1)?.remainingMs).toBe(1);
    apply(tick(1));
    expect(keys()).toEqual([]);
    expect(it.machine.lease(1)).toBeNull();
    expect(changes(1)).toMatchObject([
      { kind: "delete", revision: 2, ordinal: 0, origin: { cause: "lease_ended", requestId: null } },
    ]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });

  test("A22: what remains of it is neither reset nor lost by leaders that change and nodes that start again", () => {
    apply(grant(), held("k"), tick(0), tick(400));
    for (const leader of ["second", "third", "fourth"]) {
      it.restart();
      // The first Tick of a term.
      apply(tick(0));
      expect([leader, it.machine.lease(1)?.remainingMs]).toEqual([leader, 600]);
    }
    apply(tick(599));
    expect(keys()).toEqual(["k"]);
    apply(tick(1));
    expect(keys()).toEqual([]);
  });

  test("A22: renewing gives it its whole time again, and says how long", () => {
    apply(grant(), held("k"), tick(0), tick(TTL_MS - 1));
    expect(doneOf(it.apply(renew(1n, 9n, 1n))).renewals).toEqual([
      { leaseId: 1n, ttlMs: 1000n },
      { leaseId: 9n, ttlMs: 0n },
      { leaseId: 1n, ttlMs: 1000n },
    ]);
    expect(it.machine.lease(1)).toMatchObject({ deadlineMs: null, remainingMs: TTL_MS });
    apply(tick(TTL_MS), tick(TTL_MS - 1));
    expect(keys()).toEqual(["k"]);
    apply(tick(1));
    expect(keys()).toEqual([]);
  });

  test("nothing that is done to its keys renews it", () => {
    apply(grant(), tick(0), held("k"), increment("n", 1n), held("k"), tick(TTL_MS));
    expect(keys()).toEqual(["n"]);
  });

  test("leases whose time is up end in the order of deadline and id, each with a revision of its own", () => {
    apply(grant(300), grant(200), grant(200), grant(5000), grant(100));
    apply(held("a", 1n), held("b", 2n), held("c", 3n), held("d", 4n), tick(0), tick(1000));
    expect(changes(4).map(({ revision, kind, ...change }) => [revision, kind, change])).toMatchObject(
      ["b", "c", "a"].map((key, at) => [5 + at, "delete", { key: utf8Encode(key), ordinal: 0 }]),
    );
    expect(leaseIds()).toEqual([4]);
    expect(it.machine.meta.revision).toBe(7);
  });

  test("a Tick deletes no more keys than its bound, and the next go on with what is left", () => {
    const half = LEASE_KEYS_MAX / 2;
    apply(grant(1), grant(2), grant(3), grant(3));
    const puts = [
      ...Array.from({ length: half }, (_, at) => held(`a${at}`, 1n)),
      ...Array.from({ length: half + 1 }, (_, at) => held(`b${at}`, 2n)),
      held("c", 3n),
      held("d", 4n),
    ];
    it.applyEntries(puts.map(encodeCommand), []);
    apply(tick(0), tick(10));
    // The second would have passed the bound, and those behind it wait for their turn.
    expect([leaseIds(), keys().length]).toEqual([[2, 3, 4], half + 3]);
    expect(it.machine.lease(2)?.remainingMs).toBe(0);
    apply(tick(0));
    expect([leaseIds(), keys().length]).toEqual([[], 0]);
  });

  test("leases without keys count in that bound too", () => {
    const grants = Array.from({ length: LEASE_KEYS_MAX + 5 }, () => encodeCommand(grant(1)));
    it.applyEntries(grants, []);
    apply(tick(0), tick(1));
    expect(leaseIds()).toEqual([10_001, 10_002, 10_003, 10_004, 10_005]);
    apply(tick(0));
    expect(leaseIds()).toEqual([]);
  });

  test("a lease that waits for its turn to end may be renewed", () => {
    apply(grant(1), grant(2));
    const puts = Array.from({ length: LEASE_KEYS_MAX }, (_, at) => held(`a${at}`, 1n));
    it.applyEntries([...puts, held("b", 2n)].map(encodeCommand), []);
    apply(tick(0), tick(10), renew(2n), tick(10));
    expect([leaseIds(), keys()]).toEqual([[2], ["b"]]);
  });

  test("a Tick reads the keys of the leases that end with it, and starts a batch where there is any lease", () => {
    expect(it.machine.reads(checkedCommand(tick(10))).startsBatch).toBe(false);
    apply(grant(10), grant(20), held("a", 1n), held("b", 2n), tick(0));
    expect(it.machine.reads(checkedCommand(tick(9)))).toEqual({
      keys: [],
      ranges: [],
      startsBatch: true,
      endsBatch: false,
    });
    expect(it.machine.reads(checkedCommand(tick(10)))).toEqual({
      keys: [{ namespaceId: 1, generation: 1, key: utf8Encode("a"), withValue: false }],
      ranges: [],
      startsBatch: true,
      endsBatch: false,
    });
  });

  test("a lease may be granted, be filled and end within one batch", () => {
    const commands = [
      grant(5),
      held("a"),
      tick(0),
      held("b"),
      tick(4),
      put("a", "w"),
      tick(1),
      put("c", "v"),
    ];
    const one = new Harness();
    one.applyEntries(commands.map(encodeCommand), [1]);
    it.applyEntries(commands.map(encodeCommand), []);
    expect(keys()).toEqual(["a", "c"]);
    expect(it.store.resident()).toEqual(one.store.resident());
    expect(it.store.changes).toEqual(one.store.changes);
  });

  test("keys that a truncation took are not missed when their lease ends", () => {
    apply(grant(), held("a"), truncateCommand(ANYONE), held("b"), tick(0));
    it.restart();
    expect(attached(1)).toEqual(["b"]);
    apply(tick(TTL_MS));
    expect(keys()).toEqual([]);
    expect(it.store.resident()).toEqual(it.machine.resident());
  });
});

describe("what is told of leases", () => {
  test("state, remaining time and keys, sorted", () => {
    apply(grant(500), grant(300), held("b"), held("a"), tick(100), tick(50));
    expect(it.machine.leasesOf(1)).toEqual([
      { leaseId: 1, namespaceId: 1, ttlMs: 500, deadlineMs: 600, remainingMs: 450, keyCount: 2 },
      { leaseId: 2, namespaceId: 1, ttlMs: 300, deadlineMs: 400, remainingMs: 250, keyCount: 0 },
    ]);
    expect(attached(1)).toEqual(["a", "b"]);
    expect(it.machine.leasesOf(2)).toEqual([]);
    expect(it.machine.leaseKeys(9)).toEqual([]);
  });
});

describe("the memory of an attached key", () => {
  test("is its own, not that of the entry that attached it and of the frame that brought the entry", () => {
    apply(grant());
    it.applyEntries([encodeCommand(put("k", "v".repeat(10_000), { leaseId: 1n }))], []);
    const [key] = it.machine.leaseKeys(1);
    expect(key?.buffer.byteLength).toBe(1);
  });
});

describe("a resident state that contradicts itself is not loaded", () => {
  const lease = { leaseId: 1, namespaceId: 1, ttlMs: 1, deadlineMs: null };
  const leaseKey = { leaseId: 1, namespaceId: 1, generation: 1, key: utf8Encode("k") };

  test.each([
    { what: "a lease twice", leases: [lease, lease], leaseKeys: [] },
    { what: "a key of no lease", leases: [], leaseKeys: [leaseKey] },
    { what: "a key of another namespace", leases: [lease], leaseKeys: [{ ...leaseKey, namespaceId: 2 }] },
    { what: "a key twice", leases: [lease], leaseKeys: [leaseKey, leaseKey] },
  ])("$what", ({ leases, leaseKeys }) => {
    expect(() => new StateMachine({ ...INITIAL_STATE, leases, leaseKeys })).toThrow(AssertionError);
  });
});
