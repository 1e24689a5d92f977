import { describe, expect, test } from "@jest/globals";
import {
  type Answer,
  appendCommand,
  type Command,
  changeMembershipCommand,
  closeSessionCommand,
  compactAllCommand,
  compactCommand,
  createNamespaceCommand,
  decodeAnswer,
  decodeCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeAnswer,
  encodeCommand,
  grantLeaseCommand,
  incrementCommand,
  openSessionCommand,
  putCommand,
  Refusal,
  recordStoreCommand,
  renewLeasesCommand,
  revokeLeaseCommand,
  setQuotaCommand,
  tickCommand,
  truncateCommand,
  txnCommand,
  updateMemberCommand,
  verifyCommand,
} from "@quorate/services/kv";
import { hexDecode, hexEncode, utf8Encode } from "@quorate/services/std";
import { Harness } from "./harness";
import { naiveDone } from "./naive-txn";
import {
  compare,
  compareRange,
  EQUAL,
  GREATER,
  HOLDS,
  LESS,
  NOT_EQUAL,
  nested,
  op,
  toValue,
  toVersion,
  txnOf,
} from "./txn-samples";

const SOURCE = {
  namespace: "ns",
  requestId: { clientId: 7, sequence: 300, firstUnanswered: 2 },
  wallTimeMs: 5,
};
const CLUSTER = { namespace: "", requestId: null, wallTimeMs: 5 };
const key = utf8Encode("k");
const value = utf8Encode("v");

/** The bytes of the source's fields, which come first: wall_time_ms, request_id, namespace. */
const SOURCE_HEX = "0805" + "12070807" + "10ac02" + "1802" + "1a026e73";

const MEMBER = {
  memberId: "n3",
  clientAddress: "c:1",
  peerAddress: "p:2",
  priority: 100,
  promoteWhenCaughtUp: true,
  replaces: "n2",
};

const COMMANDS: readonly { name: string; command: Command; hex: string }[] = [
  {
    name: "Put",
    command: putCommand(SOURCE, { key, value, leaseId: 3n, returnPrevious: true, expectedModRevision: 0n }),
    hex: `${SOURCE_HEX}520c0a016b120176180320012800`,
  },
  {
    name: "Put of no lease that follows none",
    command: putCommand(
      { ...SOURCE, requestId: { clientId: 7, sequence: 300, firstUnanswered: 2, follows: 0 } },
      { key, value, leaseId: 0n, returnPrevious: false, expectedModRevision: null },
    ),
    hex: "08051209080710ac02180220001a026e7352060a016b120176",
  },
  {
    name: "Put without options",
    command: putCommand(CLUSTER, {
      key,
      value,
      leaseId: 0n,
      returnPrevious: false,
      expectedModRevision: null,
    }),
    hex: "080552060a016b120176",
  },
  {
    name: "Delete",
    command: deleteCommand(SOURCE, { key, returnPrevious: true, expectedModRevision: 9n }),
    hex: `${SOURCE_HEX}5a070a016b10011809`,
  },
  {
    name: "DeleteRange",
    command: deleteRangeCommand(SOURCE, { start: key, end: value }, 10_000),
    hex: `${SOURCE_HEX}62090a016b12017618904e`,
  },
  {
    name: "DeleteRange without an end",
    command: deleteRangeCommand(CLUSTER, { start: key, end: null }, 1),
    hex: "080562050a016b1801",
  },
  {
    name: "Increment",
    command: incrementCommand(SOURCE, key, -1n),
    hex: `${SOURCE_HEX}6a0e0a016b10ffffffffffffffffff01`,
  },
  {
    name: "Append",
    command: appendCommand(CLUSTER, { key, value, atStart: false, valueBytesMax: 16 }),
    hex: "080572080a016b1201762010",
  },
  {
    name: "Prepend",
    command: appendCommand(CLUSTER, { key, value, atStart: true, valueBytesMax: 16 }),
    hex: "0805720a0a016b12017618012010",
  },
  { name: "Truncate", command: truncateCommand(SOURCE), hex: `${SOURCE_HEX}7a00` },
  { name: "OpenSession", command: openSessionCommand(CLUSTER, 60_000), hex: "080582010408e0d403" },
  { name: "CloseSession", command: closeSessionCommand(CLUSTER, 7n), hex: "08058a01020807" },
  { name: "Tick", command: tickCommand(100, 5), hex: "08059201020864" },
  { name: "RecordStore", command: recordStoreCommand("n1", "s", 5), hex: "08059a01070a026e31120173" },
  {
    name: "ChangeMembership",
    command: changeMembershipCommand(
      {
        voters: ["n1"],
        votersOutgoing: ["n1", "n2"],
        learners: ["n3"],
        learnersNext: ["n2"],
        autoLeave: true,
      },
      [MEMBER],
      5,
    ),
    hex: "0805e201300a160a026e3112026e3112026e321a026e3322026e32280112160a026e331203633a311a03703a32286430013a026e32",
  },
  {
    name: "UpdateMember",
    command: updateMemberCommand(MEMBER, 5),
    hex: "0805ea01180a160a026e331203633a311a03703a32286430013a026e32",
  },
  { name: "Verify", command: verifyCommand(5), hex: "0805f20100" },
  { name: "CreateNamespace", command: createNamespaceCommand(CLUSTER, "a"), hex: "0805a201030a0161" },
  {
    name: "CreateNamespace with a quota",
    command: createNamespaceCommand(CLUSTER, "a", { keysMax: 2, bytesMax: 300 }),
    hex: "0805a201080a01611002" + "18ac02",
  },
  { name: "GrantLease", command: grantLeaseCommand(SOURCE, 300), hex: `${SOURCE_HEX}aa010308ac02` },
  { name: "RevokeLease", command: revokeLeaseCommand(SOURCE, 7n), hex: `${SOURCE_HEX}b201020807` },
  { name: "RenewLeases", command: renewLeasesCommand(CLUSTER, [7n, 300n]), hex: "0805ba01050a0307ac02" },
  { name: "Compact", command: compactCommand(SOURCE, 300), hex: `${SOURCE_HEX}ca010308ac02` },
  { name: "Compact in all namespaces", command: compactAllCommand(300, 5), hex: "0805ca010508ac021001" },
  { name: "DeleteNamespace", command: deleteNamespaceCommand(CLUSTER, "a"), hex: "0805d201030a0161" },
  {
    name: "SetQuota",
    command: setQuotaCommand(CLUSTER, "a", { keysMax: null, bytesMax: 300 }),
    hex: "0805da01060a016118ac02",
  },
  {
    name: "Txn",
    command: txnCommand(
      SOURCE,
      txnOf({
        compares: [
          compare("k", EQUAL, toValue("v")),
          compare("k", NOT_EQUAL, toVersion(1n)),
          compare("k", LESS, { $case: "createRevision", value: 2n }),
          compareRange("a", "b", GREATER, { $case: "modRevision", value: 3n }),
          compareRange("", "", EQUAL, { $case: "leaseId", value: 0n }),
        ],
        success: [
          op.put("k", "v", { leaseId: 3n, previous: true, expected: 0n }),
          op.delete("k", { previous: true, expected: 9n }),
          op.deleteRange("k", "v"),
          op.increment("k", -1n),
          op.append("k", "v", 16n),
        ],
        failure: [
          op.prepend("k", "v", 16n),
          op.get("k"),
          op.scan("k", "v", 7n),
          op.keys("k", "", 7n),
          op.count("", "", 7n),
          nested({ compares: [HOLDS], success: [op.get("k")], answerBytesMax: 0n }),
        ],
        answerBytesMax: 300n,
      }),
    ),
    hex:
      `${SOURCE_HEX}c201cb01` +
      "0a080a016b20012a0176" +
      "0a070a016b20023001" +
      "0a070a016b20033802" +
      "0a0a1201611a016220044003" +
      "0a0420014800" +
      "120e0a0c0a016b120176180320012800" +
      "120912070a016b10011809" +
      "120b1a090a016b12017618904e" +
      "1210220e0a016b10ffffffffffffffffff01" +
      "120a2a080a016b1201762010" +
      "1a0c2a0a0a016b12017618012010" +
      "1a0532030a016b" +
      "1a0a3a080a016b1201761807" +
      "1a093a070a016b18072001" +
      "1a083a06180720012801" +
      "1a1c421a0a110a0b6e6f2073756368206b657920013000120532030a016b" +
      "20ac02",
  },
];

describe("the bytes of a log entry", () => {
  test.each(COMMANDS)("$name is stored as it always was", ({ command, hex }) => {
    expect(hexEncode(encodeCommand(command))).toBe(hex);
    expect(decodeCommand(hexDecode(hex) as Uint8Array)).toEqual(command);
  });

  test("each kind of operation has its stored bytes here", () => {
    const kinds = new Set(COMMANDS.map(({ command }) => command.operation?.$case));
    expect([...kinds]).toEqual([
      "put",
      "delete",
      "deleteRange",
      "increment",
      "append",
      "truncate",
      "openSession",
      "closeSession",
      "tick",
      "recordStore",
      "changeMembership",
      "updateMember",
      "verify",
      "createNamespace",
      "grantLease",
      "revokeLease",
      "renewLeases",
      "compact",
      "deleteNamespace",
      "setQuota",
      "txn",
    ]);
  });

  test.each([
    { what: "nothing", hex: "" },
    { what: "no operation", hex: "0805" },
    { what: "an operation of a later version", hex: "0805a2060408011002" },
    { what: "a cut message", hex: "080552060a016b" },
    { what: "a cut varint", hex: "08ff" },
    { what: "an invalid wire type", hex: "0f" },
    { what: "an end of a group that never began", hex: "0c" },
    { what: "field number 0", hex: "0000" },
  ])("$what decodes to null, and is refused alike by each machine", ({ hex }) => {
    const entry = hexDecode(hex) as Uint8Array;
    expect(decodeCommand(entry)).toBeNull();
    const harness = new Harness();
    expect(harness.machine.reads(null)).toEqual({
      keys: [],
      ranges: [],
      startsBatch: false,
      endsBatch: false,
    });
    expect(harness.applyEntries([entry], [])).toEqual([
      {
        revision: 0n,
        result: {
          $case: "refused",
          value: {
            refusal: Refusal.UNKNOWN_COMMAND,
            message: "the command is malformed or of no known kind",
            oldestRevision: 0n,
          },
        },
      },
    ]);
  });

  test("one that cannot be encoded throws, and leaves nothing in the bytes of the next", () => {
    const { command, hex } = COMMANDS[0] as (typeof COMMANDS)[number];
    const tooLarge = incrementCommand(SOURCE, key, 2n ** 63n);
    expect(() => encodeCommand(tooLarge)).toThrow("int64");
    expect(hexEncode(encodeCommand(command))).toBe(hex);
  });

  test("the bytes of one command are not those of the next", () => {
    const first = encodeCommand(tickCommand(1, 1));
    const before = hexEncode(first);
    encodeCommand(tickCommand(2, 2));
    expect(hexEncode(first)).toBe(before);
  });

  test("fields of a later version are ignored", () => {
    const { command, hex } = COMMANDS[0] as (typeof COMMANDS)[number];
    expect(decodeCommand(hexDecode(`${hex}a2060408011002`) as Uint8Array)).toEqual(command);
  });
});

describe("the bytes of a kept answer", () => {
  const record = { key, value, createRevision: 1n, modRevision: 2n, version: 3n, leaseId: 0n };
  const done = {
    previous: undefined,
    record: undefined,
    deleted: 0n,
    value: 0n,
    clientId: 0n,
    ttlMs: 0n,
    namespaceId: 0n,
    leaseId: 0n,
    renewals: [],
    txn: undefined,
    records: [],
    more: false,
    count: 0n,
  };

  test.each<{ name: string; answer: Answer; hex: string }>([
    { name: "done", answer: { revision: 4n, result: { $case: "done", value: done } }, hex: "08041200" },
    {
      name: "records and numbers",
      answer: {
        revision: 4n,
        result: { $case: "done", value: { ...done, previous: record, record, deleted: 1n, value: -1n } },
      },
      hex: "080412290a0c0a016b120176180120022803120c0a016b120176180120022803180120ffffffffffffffffff01",
    },
    {
      name: "what a Txn did",
      answer: {
        revision: 4n,
        result: {
          $case: "done",
          value: naiveDone({
            txn: {
              succeeded: true,
              results: [
                naiveDone({}),
                naiveDone({ records: [record], more: true }),
                naiveDone({ count: 300n }),
                naiveDone({ txn: { succeeded: false, results: [naiveDone({ record })] } }),
              ],
            },
          }),
        },
      },
      hex:
        "08041231522f0801120012105a0c0a016b1201761801200228036001120368ac02" +
        "12125210120e120c0a016b120176180120022803",
    },
    {
      name: "refused",
      answer: {
        revision: 4n,
        result: {
          $case: "refused",
          value: { refusal: Refusal.CONDITION_FAILED, message: "m", oldestRevision: 0n },
        },
      },
      hex: "08041a05080612016d",
    },
  ])("$name is kept as it always was", ({ answer, hex }) => {
    expect(hexEncode(encodeAnswer(answer))).toBe(hex);
    expect(decodeAnswer(hexDecode(hex) as Uint8Array)).toEqual(answer);
  });
});
