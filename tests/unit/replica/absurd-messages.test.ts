import { expect, test } from "@jest/globals";
import type { Message } from "@quorate/services/raft";
import fc from "fast-check";
import { appliedAnswer, put, ReplicaRig } from "./replica-rig";

const MAX = Number.MAX_SAFE_INTEGER;
const BROKEN = "n2";

const index = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 12, 100, 2 ** 31, 2 ** 32, MAX - 1, MAX);
const term = fc.constantFrom(0, 1, 2, 3, 10, 2 ** 20, 2 ** 32, 2 ** 40, MAX - 1, MAX);
const entryId = fc.record({ term: fc.constantFrom(0, 1, 2, 3, MAX), index });
const proposals = fc.array(
  fc.record({
    term: fc.constantFrom(0, 1, 2, 3),
    kind: fc.constantFrom("normal" as const, "conf_change" as const),
    data: fc.constantFrom(new Uint8Array(0), put("k", "x")),
  }),
  { maxLength: 3 },
);
const flag = fc.boolean();

/** Whatever a broken member may say, but that more is committed than there is: a member stops at that, for it may have lost it. */
const message: fc.Arbitrary<Message> = fc.tuple(fc.constantFrom("n1", "n3"), term).chain(([to, itsTerm]) => {
  const envelope = { from: BROKEN, to, term: itsTerm };
  return fc.oneof(
    fc.tuple(entryId, proposals, index).map(([previous, those, commit]): Message => {
      const entries = those.map((one, at) => ({ ...one, index: previous.index + 1 + at }));
      return { kind: "append", ...envelope, previous, commit, entries };
    }),
    fc
      .tuple(index, fc.option(entryId))
      .map(([at, hint]): Message => ({ kind: "append_response", ...envelope, index: at, hint })),
    entryId.map((last): Message => ({ kind: "pre_vote", ...envelope, last })),
    fc
      .tuple(entryId, flag)
      .map(([last, transfer]): Message => ({ kind: "vote", ...envelope, last, transfer })),
    fc
      .tuple(fc.constantFrom("vote_response" as const, "pre_vote_response" as const), entryId, flag)
      .map(([kind, committed, rejected]): Message => ({ kind, ...envelope, rejected, committed })),
    fc
      .tuple(fc.constantFrom(0, 1), index)
      .map(([commit, readSequence]): Message => ({ kind: "heartbeat", ...envelope, commit, readSequence })),
    fc.tuple(index, flag).map(
      ([readSequence, lowOnSpace]): Message => ({
        ...{ kind: "heartbeat_response", ...envelope, readSequence, lowOnSpace },
      }),
    ),
    entryId.map((last): Message => ({ kind: "snapshot", ...envelope, last })),
    fc.constant<Message>({ kind: "read_index", ...envelope, term: 0, context: "r" }),
    index.map((at): Message => ({ kind: "read_index_response", ...envelope, index: at, context: "1" })),
    fc.constant<Message>({ kind: "transfer_leadership", ...envelope }),
    fc.constant<Message>({ kind: "timeout_now", ...envelope }),
  );
});

test("whatever a broken member says, the others go on once it is silent", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 5 }), async (messages) => {
      const rig = new ReplicaRig(3);
      const leader = await rig.elect();
      const before = leader.submit(put("a", "1"));
      await rig.settle();
      appliedAnswer(await before);
      for (const said of messages) {
        rig.replica(said.to).receive([said]);
        await rig.settle();
      }
      rig.isolate(BROKEN);
      await rig.tick(20);
      const next = await rig.elect([BROKEN]);
      const after = next.submit(put("b", "2"));
      await rig.tick(3);
      appliedAnswer(await after);
    }),
    { numRuns: 30 },
  );
});

test.each([2 ** 40, MAX - 1, MAX])(
  "a term of %d, which none can come after, is not taken over",
  async (absurd) => {
    const rig = new ReplicaRig(3);
    const leader = await rig.elect();
    const refused: string[] = [];
    leader.subscribe({ messageRefused: (by, fault) => refused.push(`${by}: ${fault}`) });
    const from = leader.id === "n1" ? "n2" : "n1";
    const said = { from, to: leader.id, term: absurd };
    leader.receive([
      { kind: "heartbeat", ...said, commit: 0, readSequence: 0 },
      { kind: "vote", ...said, last: { term: 1, index: 1 }, transfer: true },
      { kind: "append_response", ...said, index: 1, hint: null },
    ]);
    await rig.tick(3);
    expect(refused).toHaveLength(3);
    expect(leader.isLeader).toBe(true);
  },
);

test("a member does not hear itself from outside", async () => {
  const rig = new ReplicaRig(3);
  const leader = await rig.elect();
  const said = { from: leader.id, to: leader.id, term: leader.status().raft.term + 1 };
  leader.receive([{ kind: "heartbeat", ...said, commit: 0, readSequence: 0 }]);
  await rig.tick(3);
  expect(leader.isLeader).toBe(true);
});
