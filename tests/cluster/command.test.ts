import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { LocalCluster, type PortReservation, reservePorts } from "@quorate/services/launcher";
import { Workplace } from "../support";
import { type CapturedRun, quorate as run } from "../unit/cli/captured-terminal";
import { inTime, patientTests } from "./patient";

patientTests();

let ports: PortReservation;
let workplace: Workplace;
let dataDir: string;

/** One run of `quorate` against the cluster of this file. */
function quorate(...argv: readonly string[]): Promise<CapturedRun> {
  const patiently = ["--deadline", "60", ...argv];
  return run(patiently, { QUORATE_ENDPOINTS: `127.0.0.1:${ports.basePort}` }, "from the input");
}

async function json(...argv: readonly string[]): Promise<unknown> {
  const { out } = await quorate(...argv, "--json");
  return JSON.parse(out);
}

beforeAll(async () => {
  workplace = new Workplace();
  ports = await reservePorts(3);
  dataDir = workplace.at("data");
  const port = String(ports.basePort);
  const started = await quorate(
    "cluster",
    "start",
    "--data-dir",
    dataDir,
    "--base-port",
    port,
    "--profile",
    "fast",
  );
  expect(started).toMatchObject({ exitCode: 0, err: "", out: expect.stringContaining("leader") });
  for (const { pid } of LocalCluster.open(dataDir)?.processes() ?? []) workplace.enter(pid as number);
});

afterAll(async () => {
  await LocalCluster.open(dataDir)?.stop();
  await workplace?.remove();
  await ports?.release();
});

describe("quorate", () => {
  test("A1: put, get and del say what they did, with exit codes to match", async () => {
    expect(await quorate("put", "greeting", "hello")).toMatchObject({ exitCode: 0, out: "ok, revision 1\n" });
    expect(await quorate("get", "greeting")).toMatchObject({ exitCode: 0, out: "hello\n" });
    expect(await quorate("get", "greeting", "--no-newline", "--stale")).toMatchObject({ exitCode: 0 });
    expect(await json("get", "greeting")).toEqual({
      key: "greeting",
      value: "hello",
      createRevision: 1,
      modRevision: 1,
      version: 1,
    });
    expect(await quorate("put", "piped", "-")).toMatchObject({ exitCode: 0 });
    expect(await quorate("get", "piped")).toMatchObject({ out: "from the input\n" });
    expect(await quorate("put", "greeting", "x", "--if-revision", "99")).toMatchObject({
      exitCode: 1,
      err: expect.stringMatching(/^FAILED_PRECONDITION \(CONDITION_FAILED\): .*\n$/),
    });
    expect(await json("exists", "greeting", "piped", "greeting", "none")).toEqual({ count: 3 });
    expect(await quorate("del", "piped", "none")).toMatchObject({ exitCode: 0, out: "deleted 1\n" });
    expect(await quorate("del", "piped")).toMatchObject({ exitCode: 3, out: "deleted 0\n" });
    expect(await quorate("get", "piped")).toEqual({ exitCode: 3, out: "", err: "there is no key piped\n" });
  });

  test("A8 A12: numbers and extensions", async () => {
    expect((await quorate("incr", "n")).out).toBe("1\n");
    expect((await quorate("incr", "n", "-5")).out).toBe("-4\n");
    expect(await json("decr", "n", "6")).toEqual({ value: "-10" });
    expect((await quorate("append", "log", "b")).out).toBe("ok, 1 bytes\n");
    expect(await json("prepend", "log", "a")).toMatchObject({ value: "ab", version: 2 });
    expect((await quorate("incr", "log")).err).toContain("NOT_AN_INTEGER");
  });

  test("A17: scan and count, by prefix and by range", async () => {
    for (const key of ["s/1", "s/2", "s/3"]) await quorate("put", key, "tab\tin");
    expect((await quorate("scan", "s/", "--limit", "2")).out).toBe("s/1\ttab\\tin\ns/2\ttab\\tin\n");
    expect((await quorate("scan", "s/", "--reverse", "--keys-only")).out).toBe("s/3\ns/2\ns/1\n");
    expect((await quorate("scan", "--start", "s/2", "--end", "s/3", "--keys-only")).out).toBe("s/2\n");
    expect(await json("count", "s/")).toEqual({ count: 3 });
    expect((await quorate("del", "--prefix", "s/")).out).toBe("deleted 3\n");
  });

  test.each(["csv", "jsonl"])(
    "an import and an export in %s give the same records, and leave no note",
    async (format) => {
      const [input, output] = [workplace.at(`in.${format}`), workplace.at(`out.${format}`)];
      const lines =
        format === "csv"
          ? ["key,value,encoding", 'i/1,"a ""b""",""', "aS8=,/w==,base64"]
          : ['{"key":"i/1","value":{"a":[1]}}', '{"key":"aS8=","value":"/w==","encoding":"base64"}'];
      writeFileSync(input, `${lines.join("\n")}\n`);
      expect(await quorate("import", input)).toMatchObject({
        exitCode: 0,
        out: "imported 2 records, 0 failed\n",
      });
      expect(await quorate("export", output, "--prefix", "i/")).toMatchObject({ exitCode: 0 });
      expect(readFileSync(output, "utf8").trimEnd().split("\n").toSorted()).toEqual(lines.toSorted());
      expect(await json("import", input)).toEqual({ imported: 2, skipped: 0, failed: 0, abandoned: false });
      await quorate("del", "--prefix", "i/");
    },
  );

  test("an import with bad records names them, and goes on at the first of them when it is run again", async () => {
    const input = workplace.at("bad.jsonl");
    const good = Array.from({ length: 20 }, (_, at) => `{"key":"j/${at}","value":""}`);
    writeFileSync(input, [...good, "not json", '{"key":"","value":"v"}'].join("\n"));
    const first = await quorate("import", input);
    expect(first).toMatchObject({ exitCode: 1, out: "imported 20 records, 2 failed\n" });
    expect(first.err).toContain("record 21: ");
    expect(first.err).toContain("record 22: INVALID_ARGUMENT: key must not be empty");
    expect((await quorate("import", input)).out).toBe("imported 0 records, 20 by an earlier run, 2 failed\n");
    expect((await quorate("import", input, "--restart")).out).toBe("imported 20 records, 2 failed\n");
  });

  test("L4: status shows each node, also while one is down", async () => {
    const kill = await quorate("cluster", "kill", "n1", "--data-dir", dataDir);
    expect(kill).toMatchObject({ exitCode: 0, out: "killed n1\n" });
    await inTime("two are healthy", async () => {
      const { exitCode, out } = await quorate("status");
      expect(exitCode).toBe(5);
      expect(out).toMatch(/n1 .*unreachable/);
      expect(await json("cluster", "status", "--data-dir", dataDir)).toMatchObject({
        processes: [
          { name: "gateway" },
          { name: "n1", pid: null },
          { name: "n2", health: "healthy" },
          { name: "n3", health: "healthy" },
        ],
      });
      return true;
    });
  });

  test("E3: nodes that were all killed are restarted one by one, and what they held is there", async () => {
    for (const node of ["n2", "n3"]) await quorate("cluster", "kill", node, "--data-dir", dataDir);
    const answers: string[] = [];
    for (const [at, node] of ["n1", "n2", "n3"].entries()) {
      const { exitCode, out } = await quorate("cluster", "restart", node, "--data-dir", dataDir);
      workplace.enter(LocalCluster.open(dataDir)?.processes()[at + 1]?.pid as number);
      expect(exitCode).toBe(0);
      answers.push(out);
    }
    expect(answers).toEqual([
      "restarted n1; nothing is served until a majority of the nodes runs\n",
      "restarted n2\n",
      "restarted n3\n",
    ]);
    expect((await quorate("get", "greeting")).out).toBe("hello\n");
    await inTime("all are healthy", async () => {
      expect(await json("status")).toMatchObject({
        members: [{ memberId: "n1" }, { memberId: "n2" }, { memberId: "n3" }].map((member) => ({
          ...member,
          failure: null,
          status: { health: "healthy" },
        })),
      });
      return true;
    });
  });

  test("L1: a cluster that was stopped comes back with its data", async () => {
    expect(await quorate("cluster", "stop", "--data-dir", dataDir)).toMatchObject({
      exitCode: 0,
      out: "stopped all\n",
    });
    expect(
      LocalCluster.open(dataDir)
        ?.processes()
        .filter(({ pid }) => pid !== null),
    ).toEqual([]);
    expect(await quorate("cluster", "start", "--data-dir", dataDir)).toMatchObject({ exitCode: 0 });
    for (const { pid } of LocalCluster.open(dataDir)?.processes() ?? []) workplace.enter(pid as number);
    expect((await quorate("get", "greeting")).out).toBe("hello\n");
  });
});

test("A23: namespace create and list", async () => {
  expect(await quorate("namespace", "create", "made-by-hand")).toMatchObject({
    exitCode: 0,
    out: "created made-by-hand\n",
  });
  await quorate("-n", "made-by-hand", "put", "k", "there");
  expect(await quorate("get", "k", "-n", "made-by-hand")).toMatchObject({ exitCode: 0, out: "there\n" });
  expect((await quorate("namespace", "list")).out).toMatch(/made-by-hand │ 1 +│ +│ 6/);
  const again = await quorate("namespace", "create", "made-by-hand");
  expect(again).toMatchObject({ exitCode: 1, err: expect.stringMatching(/^ALREADY_EXISTS .*made-by-hand/) });
});
