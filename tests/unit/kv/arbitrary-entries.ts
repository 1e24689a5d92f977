import {
  appendCommand,
  type Command,
  type CommandSource,
  type ConfigurationState,
  changeMembershipCommand,
  closeSessionCommand,
  compactAllCommand,
  compactCommand,
  createNamespaceCommand,
  deleteCommand,
  deleteNamespaceCommand,
  deleteRangeCommand,
  encodeCommand,
  grantLeaseCommand,
  incrementCommand,
  type MemberInfo,
  openSessionCommand,
  putCommand,
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
import { utf8Encode } from "@quorate/services/std";
import fc from "fast-check";
import { arbitraryTxn } from "./arbitrary-txn";

/** Few keys, so that commands meet; some at the ends of the order. */
const key = fc
  .constantFrom([0x00], [0x61], [0x61, 0x00], [0x61, 0x62], [0x62], [0xff], [0xff, 0xff], [])
  .map((bytes) => Uint8Array.from(bytes));

const value = fc.oneof(
  fc
    .constantFrom("", "0", "7", "-12", "007", "-0", "9223372036854775807", "-9223372036854775808", "nine")
    .map(utf8Encode),
  fc.uint8Array({ maxLength: 6 }),
);

const delta = fc.oneof(fc.bigInt(-20n, 20n), fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n)));

/** Sequences near each other and near the end of the window. */
const requestId = fc
  .record({
    clientId: fc.integer({ min: 1, max: 4 }),
    sequence: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1020, max: 1032 })),
    behind: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 8 }) },
      { weight: 2, arbitrary: fc.integer({ min: 1016, max: 1032 }) },
      { weight: 1, arbitrary: fc.constant(-1) },
    ),
    follows: fc.oneof(
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 4 }) },
      { weight: 1, arbitrary: fc.constantFrom(0, 1040) },
    ),
  })
  .map(({ clientId, sequence, behind, follows }) => ({
    clientId,
    sequence,
    firstUnanswered: Math.max(0, sequence - behind),
    ...(follows === null ? {} : { follows: Math.max(0, sequence - follows) }),
  }));

const source: fc.Arbitrary<CommandSource> = fc.record({
  namespace: fc.oneof(
    { weight: 24, arbitrary: fc.constantFrom("", "default") },
    { weight: 8, arbitrary: fc.constantFrom("a", "a", "b") },
    { weight: 1, arbitrary: fc.constant("nowhere") },
  ),
  requestId: fc.option(requestId, { freq: 2 }),
  wallTimeMs: fc.integer({ min: 0, max: 9 }),
});

const expected = fc.oneof(
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.bigInt(-1n, 12n) },
);
const leaseId = fc.bigInt(1n, 4n);
const lease = fc.oneof({ weight: 1, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: leaseId });
const name = fc.constantFrom("a", "b", "default", "not a name");
const quota = fc.record({
  keysMax: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 3 }),
  bytesMax: fc.option(fc.integer({ min: 1, max: 40 }), { freq: 3 }),
});
const revision = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 24 }) },
);

const memberIds = fc.subarray(["n1", "n2", "n3"]);
const configuration: fc.Arbitrary<ConfigurationState> = fc.record({
  voters: fc.subarray(["n1", "n2", "n3"], { minLength: 1 }),
  votersOutgoing: memberIds,
  learners: memberIds,
  learnersNext: fc.constant([]),
  autoLeave: fc.boolean(),
});
const member: fc.Arbitrary<MemberInfo> = fc.record({
  memberId: fc.constantFrom("n1", "n2", "n3"),
  clientAddress: fc.constantFrom("a:1", "b:1"),
  peerAddress: fc.constantFrom("a:2", "b:2"),
  priority: fc.integer({ min: 0, max: 3 }),
  promoteWhenCaughtUp: fc.boolean(),
  replaces: fc.constantFrom("", "n1"),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        source,
        fc.record({
          key,
          value,
          leaseId: lease,
          returnPrevious: fc.boolean(),
          expectedModRevision: expected,
        }),
      )
      .map(([from, put]) => putCommand(from, put)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(source, fc.record({ key, returnPrevious: fc.boolean(), expectedModRevision: expected }))
      .map(([from, deletion]) => deleteCommand(from, deletion)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, key, key, fc.integer({ min: 0, max: 5 }))
      .map(([from, start, end, max]) =>
        deleteRangeCommand(from, { start, end: end.length === 0 ? null : end }, max),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(source, key, delta).map(([from, at, by]) => incrementCommand(from, at, by)),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        source,
        fc.record({ key, value, atStart: fc.boolean(), valueBytesMax: fc.integer({ min: 0, max: 24 }) }),
      )
      .map(([from, append]) => appendCommand(from, append)),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(source, arbitraryTxn({ key, value, delta, leaseId: lease, expectedModRevision: expected }))
      .map(([from, txn]) => txnCommand(from, txn)),
  },
  { weight: 1, arbitrary: source.map(truncateCommand) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, name, quota)
      .map(([from, created, bounds]) => createNamespaceCommand(from, created, bounds)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(source, name).map(([from, gone]) => deleteNamespaceCommand(from, gone)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(source, name, quota).map(([from, of, bounds]) => setQuotaCommand(from, of, bounds)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, fc.integer({ min: 1, max: 30 }))
      .map(([from, ttlMs]) => grantLeaseCommand(from, ttlMs)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(source, leaseId).map(([from, revoked]) => revokeLeaseCommand(from, revoked)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(source, fc.array(leaseId, { maxLength: 3 }))
      .map(([from, renewed]) => renewLeasesCommand(from, renewed)),
  },
  { weight: 2, arbitrary: fc.tuple(source, revision).map(([from, at]) => compactCommand(from, at)) },
  { weight: 1, arbitrary: revision.map((at) => compactAllCommand(at, 0)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(source, fc.integer({ min: 1, max: 30 }))
      .map(([from, ttlMs]) => openSessionCommand(from, ttlMs)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(source, fc.bigInt(0n, 4n))
      .map(([from, clientId]) => closeSessionCommand(from, clientId)),
  },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }).map((elapsedMs) => tickCommand(elapsedMs, 0)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("n1", "n2"), fc.constantFrom("s1", "s2"))
      .map(([memberId, storeId]) => recordStoreCommand(memberId, storeId, 0)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(configuration, fc.uniqueArray(member, { maxLength: 2, selector: ({ memberId }) => memberId }))
      .map(([next, members]) => changeMembershipCommand(next, members, 0)),
  },
  { weight: 1, arbitrary: member.map((of) => updateMemberCommand(of, 0)) },
  { weight: 1, arbitrary: fc.constant(verifyCommand(0)) },
);

const entry = fc.oneof(
  { weight: 40, arbitrary: command.map(encodeCommand) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 8 }) },
);

const FROM_NOBODY: CommandSource = { namespace: "", requestId: null, wallTimeMs: 0 };

/** Sessions, leases and another namespace are there from the start in most runs, or few commands would meet one. */
const beginning = fc.record({
  namespaces: fc.constantFrom([], ["a"], ["a"], ["b", "a"]),
  sessions: fc.integer({ min: 0, max: 3 }),
  leases: fc.integer({ min: 0, max: 3 }),
});

export const entries: fc.Arbitrary<Uint8Array[]> = fc
  .tuple(beginning, fc.array(entry, { maxLength: 60, size: "max" }))
  .map(([{ namespaces, sessions, leases }, list]) => [
    ...namespaces.map((created) => encodeCommand(createNamespaceCommand(FROM_NOBODY, created))),
    ...Array.from({ length: sessions }, () => encodeCommand(openSessionCommand(FROM_NOBODY, 25))),
    ...Array.from({ length: leases }, (_, at) => encodeCommand(grantLeaseCommand(FROM_NOBODY, 15 + 5 * at))),
    ...list,
  ]);

/** How a list of entries is cut into batches. */
export const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 30, size: "max" });
