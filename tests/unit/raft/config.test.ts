import { describe, expect, test } from "@jest/globals";
import {
  configurationFault,
  configurationOf,
  Raft,
  type RaftConfig,
  raftConfigFault,
} from "@quorate/services/raft";
import { configOf, logOf } from "./group";
import { leaseOf, TestClock } from "./lease-terms";

describe("a config", () => {
  test("as the tests use it has no fault", () => {
    expect(raftConfigFault(configOf("n1", ["n1", "n2", "n3"]))).toBeNull();
  });

  const rows: readonly [keyof RaftConfig, Partial<RaftConfig>][] = [
    ["id", { id: "" }],
    ["configuration", { configuration: configurationOf([]), log: logOf(1), appliedIndex: 1 }],
    ["heartbeatTicks", { heartbeatTicks: 0 }],
    ["electionTicks", { electionTicks: 1.5 }],
    ["electionTicks", { electionTicks: 3, heartbeatTicks: 3 }],
    ["inflightMessagesMax", { inflightMessagesMax: 0 }],
    ["appendBytesMax", { appendBytesMax: -1 }],
    ["inflightBytesMax", { inflightBytesMax: Number.NaN }],
    ["inflightBytesMax", { inflightBytesMax: 10, appendBytesMax: 11 }],
    ["committedBytesPerReadyMax", { committedBytesPerReadyMax: 0 }],
    ["uncommittedBytesMax", { uncommittedBytesMax: 0 }],
    ["waitingReadsMax", { waitingReadsMax: 0 }],
    ["lease", { lease: leaseOf(new TestClock()) }],
    ["lease", { checkQuorum: true, lease: leaseOf(new TestClock(), { pledgeMs: 0 }) }],
    ["lease", { checkQuorum: true, lease: leaseOf(new TestClock(), { leaseMs: 0 }) }],
    ["lease", { checkQuorum: true, lease: leaseOf(new TestClock(), { leaseMs: 101 }) }],
    ["lease", { checkQuorum: true, lease: leaseOf(new TestClock(), { pledgedMs: -1 }) }],
    ["hardState", { hardState: { term: -1, vote: null, commit: 0 } }],
    ["hardState", { log: logOf(1, 1), hardState: { term: 1, vote: null, commit: 3 } }],
    ["appliedIndex", { log: logOf(1, 1), appliedIndex: 3 }],
    ["appliedIndex", { log: logOf(1, 1, 1).compactedTo({ term: 1, index: 2 }), appliedIndex: 1 }],
  ];

  test.each(rows)("with a wrong %s is named: %j", (field, changes) => {
    const config = { ...configOf("n1", ["n1", "n2", "n3"]), ...changes };
    expect(raftConfigFault(config)?.field).toBe(field);
    expect(() => new Raft(config)).toThrow(field);
  });

  test("starts where the state machine is restored, also when the stored commit index lags behind it", () => {
    const config = configOf("n1", ["n1", "n2", "n3"], {
      log: logOf(1, 1, 2, 2),
      hardState: { term: 2, vote: "n2", commit: 1 },
      appliedIndex: 3,
    });
    expect(new Raft(config).status()).toMatchObject({
      term: 2,
      vote: "n2",
      commit: 3,
      applied: 3,
      last: { index: 4 },
    });
  });
});

describe("a configuration", () => {
  const sound = configurationOf(["n1", "n2"]);
  test.each([
    [sound, null],
    [
      { ...sound, votersOutgoing: ["n1", "n3"], learnersNext: ["n3"], autoLeave: true, learners: ["n4"] },
      null,
    ],
    [configurationOf([]), "no voter"],
    [configurationOf(["n1", ""]), "empty"],
    [configurationOf(["n1", "n1"]), "twice"],
    [{ ...sound, learners: ["n2"] }, "also a voter"],
    [{ ...sound, learnersNext: ["n2"] }, "outgoing"],
    [{ ...sound, autoLeave: true }, "joint"],
  ])("%j: %s", (configuration, fault) => {
    expect(configurationFault(configuration) ?? "").toContain(fault ?? "");
    expect(configurationFault(configuration) === null).toBe(fault === null);
  });
});
