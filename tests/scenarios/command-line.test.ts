import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { runCommandLine } from "./command-line";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quorate-scenario-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function script(...lines: readonly string[]): string {
  const file = join(directory, "story.txt");
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

function run(...words: readonly string[]) {
  const printed: string[] = [];
  const complaints: string[] = [];
  const exitCode = runCommandLine(words, {
    print: (line) => printed.push(line),
    complain: (line) => complaints.push(line),
  });
  return { exitCode, printed, complaints };
}

/** What `--json` prints after each directive of a script. */
function records(...lines: readonly string[]) {
  const { exitCode, printed, complaints } = run(script(...lines), "--json");
  expect({ exitCode, complaints }).toEqual({ exitCode: 0, complaints: [] });
  return printed.map((line) => JSON.parse(line));
}

describe("--json", () => {
  test("prints a line after each directive, whatever text is expected", () => {
    const printed = records(
      "add-nodes 1 voters=(1) index=2",
      "----",
      "nonsense",
      "",
      "campaign 1",
      "----",
      "",
      "stabilize",
    );
    expect(printed.map(({ directive }) => directive)).toEqual([
      "add-nodes 1 voters=(1) index=2",
      "campaign 1",
      "stabilize",
    ]);
    expect(printed[0].file).toBe(join(directory, "story.txt"));
  });

  test("tells all of a node, ids as integers and data in base64", () => {
    const last = records(
      "add-nodes 3 voters=(1,2) learners=(3) index=10",
      "campaign 1",
      "stabilize",
      "propose 1 foo",
      "stabilize",
    ).at(-1);
    expect(last.nodes).toHaveLength(3);
    expect(last.nodes[0]).toEqual({
      id: 1,
      role: "StateLeader",
      term: 1,
      vote: 1,
      lead: 1,
      commit: 12,
      applied: 12,
      voters: [1, 2],
      outgoing: [],
      learners: [3],
      learnersNext: [],
      log: [
        { index: 11, term: 1, type: "EntryNormal", data: "" },
        { index: 12, term: 1, type: "EntryNormal", data: "Zm9v" },
      ],
      progress: {
        1: { match: 12, next: 13, state: "StateReplicate" },
        2: { match: 12, next: 13, state: "StateReplicate" },
        3: { match: 12, next: 13, state: "StateReplicate" },
      },
    });
    expect(last.nodes[1]).toMatchObject({ id: 2, role: "StateFollower", vote: 1, lead: 1, progress: {} });
    expect(last.messages).toEqual([]);
  });

  test("tells a log with what is not stored yet, and nobody as 0", () => {
    const printed = records("add-nodes 1 voters=(1) index=2", "campaign 1", "process-ready 1", "propose 1 x");
    expect(printed[0].nodes[0]).toMatchObject({ term: 0, vote: 0, lead: 0, commit: 2, applied: 2, log: [] });
    expect(printed[3].nodes[0].log).toEqual([
      { index: 3, term: 1, type: "EntryNormal", data: "" },
      { index: 4, term: 1, type: "EntryNormal", data: "eA==" },
    ]);
  });

  test("tells messages in flight in the order in which they were sent", () => {
    const printed = records(
      "add-nodes 3 voters=(1,2,3) index=2",
      "set-log 1 terms=(1,2) term=2",
      "set-log 2 terms=(1,1) term=2",
      "set-log 3 terms=(1,1) term=2",
      "campaign 1",
      "process-ready 1",
      "deliver-msgs 2 drop=(3)",
      "process-ready 2",
      "deliver-msgs 1",
      "propose 2 lost",
      "process-ready 1",
      "deliver-msgs 2 drop=(3)",
      "propose 2 foo",
      "process-ready 2",
    );
    const blank = { logTerm: 0, index: 0, commit: 0, reject: false, hint: 0, entries: [] };
    expect(printed[5].messages).toEqual([
      { ...blank, type: "MsgVote", from: 1, to: 2, term: 3, logTerm: 2, index: 4 },
      { ...blank, type: "MsgVote", from: 1, to: 3, term: 3, logTerm: 2, index: 4 },
    ]);
    const entry = { index: 5, term: 3, type: "EntryNormal", data: "" };
    const append = { ...blank, type: "MsgApp", from: 1, term: 3, logTerm: 2, index: 4, commit: 2 };
    expect(printed[10].messages).toEqual([
      { ...append, to: 2, entries: [entry] },
      { ...append, to: 3, entries: [entry] },
    ]);
    expect(printed[13].messages).toEqual([
      {
        ...blank,
        type: "MsgProp",
        from: 2,
        to: 1,
        term: 0,
        entries: [{ index: 0, term: 0, type: "EntryNormal", data: "Zm9v" }],
      },
      {
        ...blank,
        type: "MsgAppResp",
        from: 2,
        to: 1,
        term: 3,
        logTerm: 1,
        index: 4,
        reject: true,
        hint: 4,
      },
    ]);
  });
});

describe("without a flag", () => {
  test("a script that prints what it expects passes", () => {
    const { exitCode, printed } = run(script("log-level none", "----", "ok"));
    expect({ exitCode, printed }).toEqual({
      exitCode: 0,
      printed: [`${join(directory, "story.txt")}: 1 directives, ok`],
    });
  });

  test("a difference is shown line by line, and is exit code 1", () => {
    const file = script(
      "log-level none",
      "----",
      "fine",
      "",
      "add-nodes 1 voters=(1) index=2",
      "",
      "campaign 1",
      "----",
      "ok",
    );
    expect(run(file)).toEqual({
      exitCode: 1,
      complaints: [],
      printed: [`${file}:1: log-level none`, "  - fine", "  + ok", `${file}: 3 directives, 1 differ`],
    });
  });

  test("--rewrite writes what is printed, and then it is as expected", () => {
    const file = script("# a story", "log-level none", "add-nodes 1 voters=(1) index=2");
    expect(run(file, "--rewrite").exitCode).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(
      "# a story\nlog-level none\n----\nok\n\nadd-nodes 1 voters=(1) index=2\n----\nok\n",
    );
    expect(run(file).exitCode).toBe(0);
  });
});

describe("bad input is exit code 2 and one line that names it", () => {
  const three = "add-nodes 3 voters=(1,2,3) index=2";

  test.each([
    ["an unknown directive", ["fly 1"], ":1: unknown directive fly"],
    [
      "a foreign directive",
      [three, "process-append-thread 1"],
      ":2: directive process-append-thread is not supported: storage",
    ],
    ["a change of nothing", [three, "propose-conf-change 1", "x4"], "changes read v4, l4 or r4"],
    ["a cut of what is not applied", [three, "compact 1 5"], ":2: compact: the log can be cut at 2 to 2"],
    [
      "a directive with input for a node that is not there",
      ["propose-conf-change 1", "v4", "----"],
      ":1: propose-conf-change: there is no node 1",
    ],
    [
      "an unknown argument",
      ["add-nodes 1 voters=(1) index=2 colour=red"],
      ":1: add-nodes: unknown argument colour",
    ],
    ["nodes without an index", ["add-nodes 1 voters=(1)"], ":1: add-nodes: argument index"],
    ["nodes without voters", ["add-nodes 1 index=2"], ":1: add-nodes: arguments voters and learners"],
    [
      "a flag that is none",
      ["add-nodes 1 voters=(1) index=2 prevote=maybe"],
      "argument prevote is true or false",
    ],
    [
      "asynchronous storage",
      ["add-nodes 1 voters=(1) index=2 async-storage-writes=true"],
      "async-storage-writes",
    ],
    [
      "lease reads alone",
      ["add-nodes 1 voters=(1) index=2 read-only=lease-based"],
      "lease needs checkQuorum",
    ],
    [
      "a number that is none",
      [three, "campaign one"],
      ':2: campaign: argument one: "one" is not a whole number',
    ],
    ["a node that is missing", [three, "campaign 4"], ":2: campaign: there is no node 4, only 3 were added"],
    ["no node", [three, "campaign"], ':2: campaign: takes <node>, got ""'],
    ["a proposal without data", [three, "propose 1"], ":2: propose: takes <node> <data>"],
    [
      "a transfer to nobody",
      [three, "transfer-leadership from=1"],
      ":2: transfer-leadership: needs the argument to=",
    ],
    ["an unknown message type", [three, "deliver-msgs 1 type=MsgLove"], "unknown kind of message MsgLove"],
    ["delivering and dropping", [three, "deliver-msgs 1 drop=(1)"], "either delivered or dropped"],
    ["an unknown level", ["log-level loud"], 'not "loud"'],
    [
      "a timeout of 0",
      [three, "set-randomized-election-timeout 1 timeout=0"],
      "argument timeout: must be at least 1",
    ],
    ["a log whose terms fall", [three, "set-log 1 terms=(2,1)"], "terms never fall along a log"],
    ["a term before the log's", [three, "set-log 1 terms=(2) term=1"], "already has an entry of term 2"],
  ])("%s", (_name, lines, complaint) => {
    const { exitCode, complaints } = run(script(...lines));
    expect(exitCode).toBe(2);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
    expect(complaints[0]).toContain("story.txt:");
  });

  test.each([
    ["no script", [], "no script is named"],
    ["an unknown flag", ["story.txt", "--yaml"], "unknown flag --yaml"],
    ["two modes", ["story.txt", "--json", "--rewrite"], "exclude each other"],
    ["two others", ["story.txt", "--trace", "--json"], "exclude each other"],
    ["a missing file", ["/nowhere/story.txt"], "/nowhere/story.txt: cannot be read or written (ENOENT)"],
  ])("%s", (_name, words, complaint) => {
    const { exitCode, complaints } = run(...words);
    expect(exitCode).toBe(2);
    expect(complaints).toEqual([expect.stringContaining(complaint)]);
  });

  test("delivering to a node that was not added is refused, dropping is not", () => {
    const two = ["add-nodes 2 voters=(1,2,3) index=2", "campaign 1", "process-ready 1"];
    expect(run(script(...two, "deliver-msgs drop=(3)")).exitCode).toBe(0);
    expect(run(script(...two, "deliver-msgs 3"))).toMatchObject({
      exitCode: 2,
      complaints: [expect.stringContaining("there is no node 3")],
    });
  });
});
