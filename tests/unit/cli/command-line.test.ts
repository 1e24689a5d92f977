import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { EXIT } from "@quorate/cli";
import { quorate } from "./captured-terminal";

const NOBODY = ["--endpoints", "127.0.0.1:1", "--deadline", "0.2"];

describe("wrong usage is one line that names it, exit code 2", () => {
  test.each<[readonly string[], string]>([
    [["bogus"], "bogus"],
    [["get"], "key"],
    [["get", "a", "b"], "argument"],
    [["get", "a", "--wrong"], "--wrong"],
    [["put", "a"], "--file"],
    [["put", "a", "b", "--file", "c"], "--file"],
    [["put", "a", "b", "--if-revision", "-1"], "--if-revision"],
    [["incr", "a", "x"], "by"],
    [["incr", "a", "9223372036854775808"], "64 bits"],
    [["scan", "--limit", "0"], "--limit"],
    [["scan", "a", "--start", "b"], "--start"],
    [["del", "--prefix", ""], "empty prefix"],
    [["get", "a", "--deadline", "soon"], "--deadline"],
    [["import", "x", "--format", "xml"], "--format"],
    [["export", "--state", "x"], "--state"],
    [["put", "a", "b", "--lease", "x"], "--lease"],
    [["txn"], "--do"],
    [["txn", "--if", "version a"], "version a"],
    [["txn", "--if", "version a = many"], "version a = many"],
    [["txn", "--if", "size a = 1"], "size"],
    [["txn", "--if", "version a ~ 1"], "the operator is"],
    [["txn", "--if", "value 'a = 1"], "not closed"],
    [["txn", "--do", "put a"], "put a"],
    [["txn", "--do", "fly a"], "fly a"],
    [["txn", "--else", "incr a much"], "incr a much"],
    [["txn", "--do", "scan a 0"], "scan a 0"],
    [["watch", "a", "--count", "0"], "--count"],
    [["watch", "a", "--only", "renames"], "--only"],
    [["watch", "--prefix"], "--prefix"],
    [["watch", "a", "--current", "--from", "3"], "--current"],
    [["lease", "grant"], "ttl"],
    [["lease", "grant", "soon"], "30s"],
    [["lease", "ttl", "x"], "id"],
    [["lease", "renew", "1"], "renew"],
    [["lock"], "name"],
    [["lock", "a", "--ttl", "x"], "--ttl"],
    [["elect"], "name"],
    [["elect", "a", "b", "--observe"], "--observe"],
    [["compact"], "revision"],
    [["compact", "0"], "revision"],
    [["namespace", "create"], "name"],
    [["namespace", "create", "a", "--keys-max", "0"], "--keys-max"],
    [["namespace", "rename", "a"], "rename"],
    [["demo", "magic"], "magic"],
    [["cluster", "start", "--nodes", "0"], "--nodes"],
    [["cluster", "start", "--base-port", "x"], "--base-port"],
    [["cluster", "explode"], "explode"],
    [["cluster", "transfer"], "id"],
    [["cluster", "log-level", "loud"], "loud"],
    [["cluster", "drop-client"], "address"],
    [["member", "add", "n4"], "--client"],
    [["member", "add", "n4", "--client", "h:1"], "--peer"],
    [["member", "add", "n4", "--client", "h", "--peer", "h:1"], "--client"],
    [["member", "add", "n4", "--client", "h:1", "--peer", "h:66000"], "--peer"],
    [["member", "replace", "n1"], "new"],
    [["member", "replace", "n1", "n4", "--client", "h:1", "--peer", "h:2", "--wait", "long"], "--wait"],
    [["member", "update", "n1"], "--priority"],
    [["member", "update", "n1", "--priority", "1001"], "--priority"],
    [["member", "change"], "change"],
    [["member", "change", "n4"], "voter:ID"],
    [["member", "change", "remove:n4=h:1/h:2"], "voter:ID"],
    [["member", "change", "voter:n4=h:1"], "voter:ID"],
    [["status", "--count", "2"], "--watch"],
    [["status", "--interval", "2s"], "--watch"],
    [["backup", "save"], "file"],
    [["backup", "restore", "f", "--nodes", "0"], "--nodes"],
    [["completion", "tcsh"], "tcsh"],
    [["check", "speed"], "speed"],
    [["check", "perf", "--load", "xxl"], "--load"],
    [["check", "perf", "--duration", "0s"], "--duration"],
    [["check", "perf", "--prefix", ""], "--prefix"],
    [["check", "perf", "--prefix", "a".repeat(225)], "--prefix"],
  ])("%p", async (argv, name) => {
    const { exitCode, out, err } = await quorate([...argv, ...NOBODY.slice(0, 2)]);
    expect({ exitCode, out }).toEqual({ exitCode: EXIT.usage, out: "" });
    expect(err).toContain(name);
    expect(err.trimEnd()).not.toContain("\n");
  });
});

describe("help", () => {
  const COMMANDS = [
    "put",
    "get",
    "del",
    "exists",
    "scan",
    "count",
    "incr",
    "decr",
    "append",
    "prepend",
    "txn",
    "watch",
    "lease",
    "lock",
    "elect",
    "compact",
    "namespace",
    "status",
    "member",
    "verify",
    "check",
    "backup",
    "completion",
    "repl",
    "demo",
    "import",
    "export",
    "cluster",
  ];

  test("lists each command and the exit codes", async () => {
    const { exitCode, out } = await quorate(["--help"]);
    expect(exitCode).toBe(EXIT.ok);
    const [, list = ""] = out.split("\nCommands:\n");
    const listed = [...(list.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual([...COMMANDS, "help"].toSorted());
    expect(out).toContain(
      "Exit codes: 0 done, 1 a call failed, 2 wrong usage, 3 no such key, 4 the replicas differ, 5 a node is not well.",
    );
  });

  test.each(COMMANDS)("of %s has an example and the global options", async (command) => {
    const { exitCode, out } = await quorate([command, "--help"]);
    expect(exitCode).toBe(EXIT.ok);
    expect(out).toMatch(/\nExamples?\n {2}quorate /);
    expect(out).toContain("--endpoints");
  });

  const GROUPS: Readonly<Record<string, readonly string[]>> = {
    lease: ["grant", "keep-alive", "revoke", "ttl", "list"],
    namespace: ["create", "quota", "delete", "list"],
    member: ["list", "add", "promote", "remove", "replace", "update", "change"],
    backup: ["save", "verify", "restore"],
    check: ["perf"],
    cluster: [
      ...["start", "stop", "status", "kill", "restart", "add", "forget", "force-new"],
      ...["transfer", "step-down", "snapshot", "log-level", "clients", "drop-client", "stats"],
    ],
  };

  test.each(Object.entries(GROUPS))(
    "of %s has its commands, and each of them has help",
    async (group, commands) => {
      const { out } = await quorate([group, "--help"]);
      for (const command of commands) {
        expect(out).toContain(`\n  ${command} `);
        const below = await quorate([group, command, "--help"]);
        expect([below.exitCode, below.out.startsWith(`Usage: quorate ${group} ${command}`)]).toEqual([
          0,
          true,
        ]);
      }
    },
  );

  const readme = readFileSync(resolve(__dirname, "../../../README.md"), "utf8");

  test("and the README list the same commands", () => {
    const [, list = ""] = /lists all commands: ([\s\S]*?)`--json`/.exec(readme) ?? [];
    const named: string[] = [];
    for (const [, words = ""] of list.matchAll(/`([^`]*)`/g)) {
      const [name = "", below = ""] = words.split(" ");
      if (GROUPS[name] === undefined) named.push(...words.split(/\s+/));
      else {
        named.push(name);
        expect([name, ...below.split("|")]).toEqual([name, ...(GROUPS[name] ?? [])]);
      }
    }
    expect(named.toSorted()).toEqual(COMMANDS.toSorted());
  });

  test("each line of quorate in the README is one that the program takes", async () => {
    const lines = [...readme.matchAll(/^npx quorate ([a-z]+)/gm)].map(([, name]) => name);
    expect(lines.length).toBeGreaterThan(5);
    for (const name of lines) expect(COMMANDS).toContain(name);
  });

  test("without a command is shown, with exit code 2", async () => {
    const { exitCode, out } = await quorate([]);
    expect([exitCode, out.startsWith("Usage: quorate")]).toEqual([EXIT.usage, true]);
  });
});

describe("a cluster that cannot be reached", () => {
  test("is one line with a way out, exit code 1", async () => {
    const { exitCode, err } = await quorate(["get", "a", ...NOBODY]);
    expect(exitCode).toBe(EXIT.failed);
    expect(err).toMatch(/^UNAVAILABLE: cannot reach 127\.0\.0\.1:1: .*quorate cluster start\n$/);
  });

  test("is an object for programs", async () => {
    const { exitCode, err } = await quorate(["put", "a", "b", "--json", ...NOBODY]);
    expect(exitCode).toBe(EXIT.failed);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "UNAVAILABLE", outcome: "not_applied" } });
  });

  test("is looked for where the environment says", async () => {
    const { err } = await quorate(["get", "a", "--deadline", "0.2"], { QUORATE_ENDPOINTS: "127.0.0.1:2" });
    expect(err).toContain("127.0.0.1:2");
  });

  test("a cluster that was never started is named by its directory", async () => {
    const { exitCode, err } = await quorate(["cluster", "status", "--data-dir", "no/such/place"]);
    expect([exitCode, err]).toEqual([
      EXIT.failed,
      "there is no cluster in no/such/place: name another with --data-dir, or start one\n",
    ]);
  });
});
