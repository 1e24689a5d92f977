import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect } from "@jest/globals";
import { Child, clusterOfFile, eventually, type TestCluster, Workplace } from "../support";
import { type CapturedRun, quorate as run } from "../unit/cli/captured-terminal";
import { inTime, patientTests } from "./patient";

patientTests();

const COMMAND = resolve(__dirname, "../../clients/cli/bin/quorate.js");

const cluster = clusterOfFile({ nodes: 3, gateways: 1 });
const { test } = cluster;

let workplace: Workplace;

beforeAll(() => {
  workplace = new Workplace();
});

afterAll(() => workplace.remove());

/** One run of `quorate` inside this process. */
function quorate(c: TestCluster, ...argv: readonly string[]): Promise<CapturedRun> {
  return run(["--deadline", "60", ...argv], { QUORATE_ENDPOINTS: c.gateway().address });
}

async function json<T>(c: TestCluster, ...argv: readonly string[]): Promise<T> {
  const { exitCode, out, err } = await quorate(c, ...argv, "--json");
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
  return JSON.parse(out) as T;
}

/** `quorate` as a process of its own, to be interrupted. */
function spawned(c: TestCluster, name: string, ...argv: readonly string[]): Child {
  const patiently = ["--endpoints", c.gateway().address, "--deadline", "60"];
  return new Child(workplace, name, [COMMAND, ...patiently, ...argv]);
}

test("A21: txn carries out one of two lists, and says which", async (c) => {
  const argv = ["txn", "--if", "version cfg = 0", "--do", "put cfg 'v 1'", "--else", "get cfg"];
  expect(await quorate(c, ...argv)).toEqual({ exitCode: 0, out: "succeeded\nok\n", err: "" });
  expect(await quorate(c, ...argv)).toEqual({
    exitCode: 3,
    out: "a comparison does not hold\nv 1\n",
    err: "",
  });
  const all = await json<{ revision: number; results: unknown[] }>(
    c,
    ...["txn", "--do", "incr t/n -9007199254740993", "--do", "append t/w b", "--do", "prepend t/w a"],
    ...[
      "--do",
      "get t/w",
      "--do",
      "scan t/ 1",
      "--do",
      "count t/",
      "--do",
      "del t/w",
      "--do",
      "del-prefix t/",
    ],
    ...["--do", "get t/w"],
  );
  expect(all).toMatchObject({ succeeded: true });
  const [n, appended, prepended, got, scanned, ...rest] = all.results;
  expect(n).toBe("-9007199254740993");
  expect([appended, prepended, got]).toMatchObject([
    { value: "b" },
    { value: "ab" },
    { value: "ab", version: 1 },
  ]);
  expect(scanned).toMatchObject({ records: [{ key: "t/n" }], more: true });
  expect(rest).toEqual([2, { deleted: true }, 1, null]);
  const compared = [
    "value cfg = 'v 1'",
    "created cfg > 0",
    "modified cfg < 1000000",
    "lease cfg = 0",
    "version cfg != 2",
  ];
  expect(await quorate(c, "txn", ...compared.flatMap((one) => ["--if", one]))).toMatchObject({ exitCode: 0 });
  expect(await quorate(c, "txn", "--if", "version none/* > 100")).toMatchObject({ exitCode: 0 });
  expect(await quorate(c, "txn", "--do", "put t/word x", "--do", "incr t/word")).toMatchObject({
    exitCode: 1,
    err: expect.stringMatching(/^FAILED_PRECONDITION \(NOT_AN_INTEGER\): .*\n$/),
  });
  expect(await quorate(c, "get", "t/word")).toMatchObject({ exitCode: 3 });
});

describe("watch", () => {
  test("I1: watch --count ends after so many, from the past and with what was before", async (c) => {
    const { revision } = await json<{ revision: number }>(c, "put", "w/a", "1");
    await quorate(c, "incr", "w/a");
    await quorate(c, "del", "w/a");
    await quorate(c, "put", "w/b", "tab\t");
    const from = ["--from", String(revision)];
    expect((await quorate(c, "watch", "w/a", ...from, "--previous", "--count", "3")).out).toBe(
      `${revision}\tput\tw/a\t1\n${revision + 1}\tincrement\tw/a\t2\twas 1\n${revision + 2}\tdelete\tw/a\twas 2\n`,
    );
    expect(
      (await quorate(c, "watch", "w/", "--prefix", ...from, "--only", "deletes", "--count", "1")).out,
    ).toBe(`${revision + 2}\tdelete\tw/a\n`);
    expect((await quorate(c, "watch", "w/", "--prefix", "--current", "--count", "2")).out).toMatch(
      /^=\tw\/b\ttab\\t\n--\tat revision \d+; changes follow\n$/,
    );
    expect(await json(c, "watch", "w/b", ...from, "--count", "1")).toMatchObject({
      kind: "put",
      cause: "put",
      key: "w/b",
      revision: revision + 3,
      requestId: expect.stringMatching(/^\d+\/\d+$/),
    });
    expect(await quorate(c, "watch", "w/a", "-n", "nowhere")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("UNKNOWN_NAMESPACE"),
    });
  });

  test("I5: a watch goes on when the leader is killed, and Ctrl-C ends it with 0", async (c) => {
    const child = spawned(c, "watch", "watch", "alive/", "--prefix", "--current");
    await inTime("it has begun", () => child.log().includes("changes follow"));
    await quorate(c, "put", "alive/1", "x");
    const leader = await c.leader();
    await c.kill(leader);
    expect((await quorate(c, "put", "alive/2", "x")).exitCode).toBe(0);
    await inTime("it tells both", () => child.log().includes("alive/2"));
    expect(child.log().match(/alive\/\d/g)).toEqual(["alive/1", "alive/2"]);
    child.signal("SIGINT");
    expect(await child.ended).toEqual({ code: 0, signal: null });
    await c.restart(leader);
  });
});

test("A22: leases are granted, looked at, kept alive and revoked", async (c) => {
  const { out } = await quorate(c, "lease", "grant", "60s");
  const id = out.trimEnd();
  expect(id).toMatch(/^\d+$/);
  expect(await quorate(c, "put", "leased", "x", "--lease", id)).toMatchObject({ exitCode: 0 });
  expect(await json(c, "get", "leased")).toMatchObject({ leaseId: id });
  expect((await quorate(c, "lease", "ttl", id, "--keys")).out).toMatch(
    /^\d+ of 60000 ms left, 1 key\nleased\n$/,
  );
  expect(await json(c, "lease", "ttl", id)).toMatchObject({ id, ttlMs: 60_000, keyCount: 1 });
  expect((await quorate(c, "lease", "list")).out).toMatch(new RegExp(`│ ${id} +│ 60000 +│ \\d+ +│ 1 +│`));
  expect(await quorate(c, "lease", "revoke", id)).toMatchObject({ out: "revoked, 1 key deleted\n" });
  expect(await quorate(c, "lease", "revoke", id)).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("UNKNOWN_LEASE"),
  });
  expect(await quorate(c, "get", "leased")).toMatchObject({ exitCode: 3 });

  const { id: kept } = await json<{ id: string }>(c, "lease", "grant", "10s");
  const child = spawned(c, "keeper", "lease", "keep-alive", kept);
  await inTime("it is kept alive", () => child.log().includes("kept alive"));
  let leftMs = Number.POSITIVE_INFINITY;
  await inTime(
    "it is kept alive again: what is left of its time grows",
    async () => {
      const lease = await json<{ remainingMs: number }>(c, "lease", "ttl", kept);
      const hasGrown = lease.remainingMs > leftMs;
      leftMs = lease.remainingMs;
      return hasGrown;
    },
    { intervalMs: 300 },
  );
  await quorate(c, "lease", "revoke", kept);
  expect(await child.ended).toEqual({ code: 1, signal: null });
  expect(child.log()).toContain(`lease ${kept} is lost: `);
});

describe("lock", () => {
  const SHOW = "console.log(process.env.QUORATE_LOCK_KEY, process.env.QUORATE_LOCK_TOKEN); process.exit(7)";

  test("a command runs under the lock with its key and token, and its exit code is passed on", async (c) => {
    const child = spawned(c, "lock-run", "lock", "nightly", "--", process.execPath, "-e", SHOW);
    expect(await child.ended).toEqual({ code: 7, signal: null });
    expect(child.log()).toMatch(/^_quorate\/lock\/nightly\/\w+ \d+\n$/);
    // It was let go of.
    const { out } = await quorate(c, "scan", "_quorate/lock/nightly/", "--keys-only");
    expect(out).toBe("");
    const missing = spawned(c, "lock-missing", "lock", "nightly", "--", "/no/such/program");
    expect(await missing.ended).toEqual({ code: 1, signal: null });
    expect(missing.log()).toMatch(/\/no\/such\/program.*ENOENT\n$/);
  });

  test("who waits too long is told, and the next one has it with a higher token", async (c) => {
    const held = await c.client(c.gateway().address, { deadlineMs: 60_000 }).lock("held", { ttlMs: 60_000 });
    expect(await quorate(c, "lock", "held", "--wait", "300ms")).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining("DEADLINE_EXCEEDED"),
    });
    const next = spawned(c, "lock-next", "lock", "held", "--json", "--wait", "60s");
    await held.release();
    await inTime("the next one has it", () => next.log().includes("token"));
    expect((JSON.parse(next.log()) as { token: number }).token).toBeGreaterThan(held.token);
    next.signal("SIGTERM");
    expect(await next.ended).toEqual({ code: 0, signal: null });
  });

  test("a lost lock ends its command and is exit code 1", async (c) => {
    const WAIT =
      "process.on('SIGTERM', () => { console.log('told to end'); process.exit(0); }); console.log('runs'); setInterval(() => {}, 1000)";
    const child = spawned(c, "lock-lost", "lock", "lost", "--", process.execPath, "-e", WAIT);
    await inTime("the command runs", () => child.log().includes("runs"));
    const { leases } = c.client(c.numbers, { deadlineMs: 60_000 });
    for (const { id } of await leases.list()) await leases.revoke(id);
    expect(await child.ended).toEqual({ code: 1, signal: null });
    expect(child.log()).toContain("told to end");
    expect(child.log()).toContain("it was lost: ");
  });
});

test("elect: one leads, others are told who, and each new one is observed", async (c) => {
  expect(await quorate(c, "elect", "boss")).toEqual({ exitCode: 3, out: "nobody leads\n", err: "" });
  const observer = spawned(c, "observer", "elect", "boss", "--observe");
  const election = c.client(c.gateway().address, { deadlineMs: 60_000 }).election("boss");
  const first = await election.campaign("first", { ttlMs: 60_000 });
  expect((await quorate(c, "elect", "boss")).out).toMatch(/^first\t\d+\n$/);
  const second = spawned(c, "elect-second", "elect", "boss", "second", "--wait", "60s");
  await inTime("the first is observed", () => observer.log().includes("first\t"));
  await first.resign();
  await inTime("the second leads", () => second.log().includes("second leads boss"));
  await inTime("the second is observed", () => observer.log().includes("second\t"));
  for (const child of [second, observer]) {
    child.signal("SIGINT");
    expect(await child.ended).toEqual({ code: 0, signal: null });
  }
});

test("whoever answers at once to what is told of Ctrl-C is heard", async (c) => {
  const lease = await json<{ id: string }>(c, "lease", "grant", "60s");
  for (const argv of [
    ["lock", "heard"],
    ["elect", "heard", "me"],
    ["lease", "keep-alive", lease.id],
  ]) {
    const told: boolean[] = [];
    const out = async (): Promise<void> => {
      told.push(process.emit("SIGINT"));
    };
    const environment = { QUORATE_ENDPOINTS: c.gateway().address };
    const { exitCode, err } = await run(["--deadline", "60", ...argv], environment, "", { out });
    expect({ argv, told, exitCode, err }).toEqual({ argv, told: [true], exitCode: 0, err: "" });
  }
  expect((await quorate(c, "elect", "heard")).out).toBe("nobody leads\n");
  expect((await quorate(c, "scan", "_quorate/lock/heard/", "--keys-only")).out).toBe("");
});

test("check perf writes for a while, judges by its gates, and leaves nothing behind", async (c) => {
  const argv = ["check", "perf", "--duration", "1s"];
  const { exitCode, out, err } = await quorate(c, ...argv, "--json");
  const result = JSON.parse(out);
  expect(err).toBe("");
  expect(result).toMatchObject({
    load: "s",
    writesPerSecond: expect.any(Number),
    failed: 0,
    interrupted: false,
  });
  expect(result.written).toBeGreaterThan(0);
  expect(result.deleted).toBe(result.written);
  // Whether it keeps up is the machine's business.
  expect(exitCode).toBe(result.passed ? 0 : 1);
  expect(result.passed).toBe(result.gates.every(({ passed }: { readonly passed: boolean }) => passed));
  expect((await quorate(c, "count", "_check/")).out).toBe("0\n");

  await quorate(c, "put", "mine/1", "x");
  expect(await quorate(c, ...argv, "--prefix", "mine/")).toMatchObject({
    exitCode: 2,
    err: expect.stringContaining("1 key under mine/"),
  });
  expect(await quorate(c, ...argv, "--prefix", "mine/", "--clean")).toMatchObject({
    exitCode: 0,
    out: "1 key deleted\n",
  });
  const shown = await quorate(c, ...argv);
  expect(shown.out).toMatch(
    /^writing 150\/s for 1 s under _check\/perf\/, 50 at a time\n(?:(?:PASS|FAIL): .+\n){4}\d+ keys deleted again\n(?:PASS|FAIL)\n$/,
  );
});

test("an interrupted check perf deletes what it wrote", async (c) => {
  const child = spawned(c, "check", "check", "perf");
  await eventually("it writes", async () => (await quorate(c, "count", "_check/")).out !== "0\n");
  process.kill(child.pid, "SIGINT");
  expect(await child.ended).toEqual({ code: 1, signal: null });
  expect(child.log()).toMatch(/\ninterrupted\n$/);
  expect((await quorate(c, "count", "_check/")).out).toBe("0\n");
});

test("A23: compact, namespaces and their quotas", async (c) => {
  const { revision: first } = await json<{ revision: number }>(c, "put", "past", "1");
  const { revision: second } = await json<{ revision: number }>(c, "put", "past", "2");
  expect(await quorate(c, "get", "past", "--revision", String(first))).toMatchObject({ out: "1\n" });
  expect(await quorate(c, "compact", String(second))).toMatchObject({
    exitCode: 0,
    out: `compacted up to revision ${second}\n`,
  });
  for (const argv of [
    ["get", "past", "--revision", String(first)],
    ["compact", String(first)],
    ["watch", "past", "--from", String(first)],
  ]) {
    expect(await quorate(c, ...argv)).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/^OUT_OF_RANGE \(COMPACTED\): .*\n$/),
    });
  }
  expect(await quorate(c, "compact", "1000000000")).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("FUTURE_REVISION"),
  });

  expect(await json(c, "namespace", "create", "shop", "--keys-max", "1")).toMatchObject({
    name: "shop",
    keysMax: 1,
  });
  await quorate(c, "-n", "shop", "put", "a", "1");
  expect(await quorate(c, "-n", "shop", "put", "b", "1")).toMatchObject({
    exitCode: 1,
    err: expect.stringMatching(/^RESOURCE_EXHAUSTED \(QUOTA_EXCEEDED\): /),
  });
  expect(await quorate(c, "namespace", "quota", "shop", "--bytes-max", "100")).toMatchObject({ exitCode: 0 });
  expect(await quorate(c, "-n", "shop", "put", "b", "1")).toMatchObject({ exitCode: 0 });
  expect((await quorate(c, "namespace", "list")).out).toMatch(/shop +│ 2 +│ +│ 4 +│ 100/);
  expect(await quorate(c, "namespace", "delete", "shop")).toMatchObject({
    out: "deleted shop with 2 keys\n",
  });
  expect(await quorate(c, "-n", "shop", "get", "a")).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("UNKNOWN_NAMESPACE"),
  });
  expect(await quorate(c, "namespace", "delete", "default")).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining("PERMANENT_NAMESPACE"),
  });
});
