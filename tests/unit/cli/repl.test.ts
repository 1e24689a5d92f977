import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { connect, type Quorate } from "@quorate/client";
import { startCluster, type TestCluster } from "@quorate/testing";
import { type ReplContext, replCommands } from "../../../clients/cli/src/repl/commands";
import { complete } from "../../../clients/cli/src/repl/completion";
import { evaluate } from "../../../clients/cli/src/repl/evaluate";
import { HistoryFile } from "../../../clients/cli/src/repl/history-file";
import { eventually } from "../../support/eventually";

let cluster: TestCluster;
let client: Quorate;
let namespace = "default";
const ran: (readonly string[])[] = [];

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  client = cluster.client();
});

afterAll(async () => {
  await cluster.close();
});

const context: ReplContext = {
  get client() {
    return client;
  },
  get kv() {
    return client.namespace(namespace);
  },
  get namespace() {
    return namespace;
  },
  use(name) {
    namespace = name;
  },
  programNames: ["txn", "get", "lease"],
  async runProgram(argv) {
    ran.push(argv);
  },
};

async function shown(line: string): Promise<string> {
  const outcome = await evaluate(context, line);
  return outcome.kind === "quit" ? "(quit)" : outcome.text;
}

describe("L2: the commands of the REPL, in whatever case", () => {
  test.each<[string, string]>([
    ["SET a 1", "OK"],
    ["get a", '"1"'],
    ["Get nobody", "(nil)"],
    ["INCR a", "(integer) 2"],
    ["incr a 40", "(integer) 42"],
    ["DECR a 2", "(integer) 40"],
    ["dec a", "(integer) 39"],
    ["inc fresh", "(integer) 1"],
    ["append word lo", "(integer) 2"],
    ["prepend word hel", "(integer) 5"],
    ["get word", '"hello"'],
    ["mset k1 v1 k2 v2", "OK"],
    ["mget k1 k3 k2", '1) "v1"\n2) (nil)\n3) "v2"'],
    ["exists k1 k1 k3", "(integer) 2"],
    ["scan k", '1) "k1" "v1"\n2) "k2" "v2"'],
    ["scan k 1", '1) "k1" "v1"'],
    ["keys k", '1) "k1"\n2) "k2"'],
    ["keys *2", '1) "k2"'],
    ["keys w?rd", '1) "word"'],
    ["keys nothing", "(empty)"],
    ["dbsize", "(integer) 5"],
    ['set "two words" "a\\nb"', "OK"],
    ['get "two words"', '"a\\nb"'],
    ['set bytes "\\xff\\x00"', "OK"],
    ["get bytes", "0xff00"],
    ["delete k1 k2 k3", "(integer) 2"],
    ["del k1", "(integer) 0"],
    ["echo hello world", '"hello" "world"'],
    ["ping me", '"me"'],
    ["truncate", "(integer) 5"],
    ["DBSIZE", "(integer) 0"],
    ["", ""],
    ["quit", "(quit)"],
    ["EXIT", "(quit)"],
  ])("%j", async (line, text) => {
    expect(await shown(line)).toBe(text);
  });

  test("hash, ping, stats, info, client list, status and help say what they should", async () => {
    await shown("set a 1");
    expect(await shown("hash")).toMatch(/^[0-9a-f]{64}\n1 keys at revision \d+$/);
    expect(await shown("ping")).toMatch(/^PONG from n1 in \d+\.\d ms$/);
    expect(await shown("stats")).toMatch(/KvService\/Put +\d+/);
    expect(await shown("info")).toMatch(/role +leader/);
    expect(await shown("client list")).toBe("(empty)");
    expect(await shown("status")).toContain("leader");
    const help = await shown("help");
    for (const name of Object.keys(replCommands)) expect(help).toContain(name);
    expect(await shown("help incr")).toMatch(/^incr key \[by\] \(also: inc\)/);
    expect(await shown("help client list")).toContain("connections");
  });

  test("what only the command line knows, or what has flags, is run as there", async () => {
    for (const line of ['txn --do "put a 1"', "LEASE grant 30s", 'get "a b" --revision 3', "get a"]) {
      await shown(line);
    }
    expect(ran.splice(0)).toEqual([
      ["txn", "--do", "put a 1"],
      ["lease", "grant", "30s"],
      ["get", "a b", "--revision", "3"],
    ]);
    expect(await shown("delete --all")).toBe("(integer) 0");
  });

  test("another namespace is worked in until the next use", async () => {
    await client.namespaces.create("other");
    expect(await shown("use nowhere")).toBe('(error) there is no namespace "nowhere"');
    expect(await shown("use other")).toBe("OK");
    expect(await shown("set only here")).toBe("OK");
    expect(await shown("use default")).toBe("OK");
    expect(await shown("get only")).toBe("(nil)");
  });
});

describe("L2: bad input is told, and ends nothing", () => {
  test.each<[string, RegExp]>([
    ["bogus", /^\(error\) there is no command "bogus"; try help$/],
    ["set a", /^\(error\) write it so: set key value$/],
    ["get", /^\(error\) write it so: get key$/],
    ["dbsize now", /^\(error\) write it so: dbsize$/],
    ['set "a', /^\(error\) the quote at column 5 is not closed$/],
    ["incr a x", /^\(error\) by must be a whole number, not "x"$/],
    ["scan a 0", /^\(error\) count must be at least 1$/],
    ["mset a", /^\(error\) write it so/],
    ["mset a 1 b", /^\(error\) the last key has no value$/],
    ["help bogus", /^\(error\) there is no command "bogus"$/],
    ["client", /^\(error\) there is no command "client"/],
    ['set "" x', /^\(error\) INVALID_ARGUMENT: key must not be empty$/],
  ])("%j", async (line, text) => {
    expect(await shown(line)).toMatch(text);
    expect(await shown("echo still here")).toBe('"still" "here"');
  });

  test("a value that is no number stays as it is", async () => {
    await shown("set word hello");
    expect(await shown("incr word")).toMatch(/NOT_AN_INTEGER/);
    expect(await shown("get word")).toBe('"hello"');
  });
});

describe("L2: completion", () => {
  test("of commands", async () => {
    expect(await complete(context.kv, "de")).toEqual({
      candidates: ["dec ", "decr ", "del ", "delete "],
      typed: "de",
    });
    expect((await complete(context.kv, "CL")).candidates).toEqual(["client list "]);
    expect((await complete(context.kv, "le", ["lease", "lock"])).candidates).toEqual(["lease "]);
  });

  test("of keys, where the command takes one", async () => {
    await shown('mset user/ada 1 user/bob 2 "user/has space" 3');
    const keys = ["user/ada", "user/bob"];
    // It waits for the keys but a moment, which may not be enough.
    const offered = (line: string) =>
      eventually("something is offered", async () => {
        const completion = await complete(context.kv, line);
        return completion.candidates.length > 0 && completion;
      });
    expect(await offered("get user/")).toEqual({ candidates: keys, typed: "user/" });
    expect((await offered("mget x user/")).candidates).toEqual(keys);
    expect((await offered("mset user/ada 1 user/b")).candidates).toEqual(["user/bob"]);
    expect((await complete(context.kv, "set user/ada us")).candidates).toEqual([]);
    expect((await complete(context.kv, "echo us")).candidates).toEqual([]);
  });

  test("offers nothing where nobody answers", async () => {
    const nobody = connect({ endpoints: "127.0.0.1:1", connectTimeoutMs: 50 });
    expect(await complete(nobody.kv, "get us")).toEqual({ candidates: [], typed: "" });
    await nobody.close();
  });
});

describe("L2: history", () => {
  test("is kept from one run to the next, without repetitions, for its owner alone", () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-history-"));
    try {
      const path = join(directory, "lines");
      const first = HistoryFile.open({ QUORATE_HISTORY: path });
      for (const line of ["set a 1", "set a 1", " ", "get a"]) first.add(line);
      expect(HistoryFile.open({ QUORATE_HISTORY: path }).lines).toEqual(["set a 1", "get a"]);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      writeFileSync(path, `${Array.from({ length: 2500 }, (_, at) => `echo ${at}`).join("\n")}\n`);
      expect(HistoryFile.open({ QUORATE_HISTORY: path }).lines).toHaveLength(1000);
      expect(readFileSync(path, "utf8").split("\n").at(-2)).toBe("echo 2499");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("is kept nowhere where that is wanted", () => {
    const none = HistoryFile.open({ QUORATE_HISTORY: "", HOME: "/nowhere" });
    none.add("set secret 1");
    expect(none.lines).toEqual(["set secret 1"]);
  });
});
