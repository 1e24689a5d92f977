import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  INITIAL_STATE,
  type LeaseKey,
  type LeaseState,
  type MembershipState,
  type SessionState,
} from "@quorate/services/kv";
import type { StateStore } from "@quorate/services/replica";
import { batch, bytes, meta, namespace, truncate } from "./state-samples";
import type { StateRig } from "./state-store";

const member = {
  memberId: "n10",
  clientAddress: "ö:1",
  peerAddress: "",
  priority: 1000,
  promoteWhenCaughtUp: true,
  replaces: "n2",
  storeId: "aa",
};

const membership: MembershipState = {
  epoch: 2 ** 40,
  configuration: {
    voters: ["n2", "n3"],
    votersOutgoing: ["n3", "n4"],
    learners: ["n10"],
    learnersNext: ["n4"],
    autoLeave: true,
  },
  members: [member, { ...member, memberId: "n2", storeId: null, promoteWhenCaughtUp: false, replaces: "" }],
  retiredStores: ["bb", "cc"],
};

/** How every StateStore must keep what the state machine has in memory, whatever it writes to. */
export function stateResidentCompliance(name: string, create: () => Promise<StateRig>): void {
  describe(`resident state on ${name}`, () => {
    let rig: StateRig;
    let state: StateStore;

    beforeEach(async () => {
      rig = await create();
      state = await rig.open();
    });

    afterEach(async () => {
      await state.close();
      await rig.dispose();
    });

    async function reopen(): Promise<void> {
      await rig.kill();
      state = await rig.open();
    }

    it("starts as the state machine does", () => {
      const founding = state.opened.resident.membership;
      expect(state.opened).toEqual({
        resident: { ...INITIAL_STATE, membership: founding },
        applied: { term: 0, index: 0 },
      });
      expect(state.checkpointIndex).toBe(0);
    });

    it("E6: applied entry, counters, namespaces, sessions, answers and members survive a restart", async () => {
      const session = (clientId: number, deadlineMs: number | null, firstUnanswered = 2): SessionState => ({
        clientId,
        namespaceId: 1,
        ttlMs: 5000,
        deadlineMs,
        firstUnanswered,
      });
      const answer = (clientId: number, sequence: number) => ({
        clientId,
        sequence,
        answer: Uint8Array.of(clientId, sequence),
      });
      await state.write({
        applied: { term: 3, index: 8 },
        writes: {
          meta: meta(2 ** 40, {
            timeMs: 2 ** 45,
            nextClientId: 12,
            nextNamespaceId: 3,
            verifyRound: 2 ** 33,
          }),
          namespaces: [
            namespace({ keyCount: 2, byteCount: 2 ** 33, oldestRevision: 1 }),
            namespace({ id: 2, name: "ö" }),
          ],
          sessions: [session(9, 5000), session(10, null), session(11, 1)],
          sessionsEnded: [],
          answers: [answer(9, 2), answer(9, 3), answer(10, 2), answer(11, 7)],
          answersDropped: [],
          membership,
          namespacesDeleted: [],
          leases: [],
          leasesEnded: [],
          leaseKeysDetached: [],
          leaseKeysAttached: [],
          changes: [],
        },
      });
      await state.write(
        batch(9, [], {
          meta: meta(5),
          answersDropped: [{ clientId: 9, sequence: 2 }],
          sessionsEnded: [11],
          sessions: [session(9, 5000, 3), session(10, 77)],
        }),
      );
      await reopen();
      expect(state.opened.applied).toEqual({ term: 1, index: 9 });
      expect(state.opened.resident).toEqual({
        meta: meta(5),
        namespaces: [
          namespace({ keyCount: 2, byteCount: 2 ** 33, oldestRevision: 1 }),
          namespace({ id: 2, name: "ö" }),
        ],
        sessions: [session(9, 5000, 3), session(10, 77)],
        answers: [answer(9, 3), answer(10, 2)],
        membership,
        leases: [],
        leaseKeys: [],
      });
    });

    it("takes the answers of a session that ends, those of earlier batches and of before a restart too", async () => {
      const answer = (sequence: number) => ({ clientId: 4, sequence, answer: Uint8Array.of(1) });
      await state.write(batch(1, [], { answers: [answer(1)] }));
      await reopen();
      await state.write(batch(2, [], { answers: [answer(2)] }));
      await state.write(batch(3, [], { answers: [answer(3)], sessionsEnded: [4] }));
      await reopen();
      expect(state.opened.resident.answers).toEqual([]);
    });

    it("keeps the counters, floors and quotas of namespaces, and forgets the namespaces that were deleted", async () => {
      const quota = { keysMax: 0, bytesMax: 2 ** 45 };
      const floors = { oldestRevision: 2 ** 33, firstEventRevision: 2 ** 33 + 1 };
      const counters = meta(2 ** 41, {
        nextLeaseId: 2 ** 35,
        compactedRevision: 2 ** 34,
        nextNamespaceId: 5,
      });
      const namespaces = [2, 3, 4].map((id) => namespace({ id, name: `n${id}`, ...quota, ...floors }));
      await state.write(batch(1, [], { meta: counters, namespaces }));
      const gone = { namespacesDeleted: [{ id: 3, generation: 1 }] };
      const unbound = namespace({ id: 4, name: "n4", keysMax: null, bytesMax: 7 });
      await state.write(batch(2, [], { meta: counters, namespaces: [unbound], ...gone }));
      for (const round of ["killed", "settled and killed"]) {
        if (round.startsWith("settled")) await rig.settle();
        await reopen();
        expect(state.opened.resident).toEqual({
          ...INITIAL_STATE,
          membership: state.opened.resident.membership,
          meta: counters,
          namespaces: [namespace(), namespaces[0], unbound],
        });
      }
    });

    it("keeps leases and their keys, those of present generations alone", async () => {
      const lease = (leaseId: number, deadlineMs: number | null, namespaceId = 1): LeaseState => ({
        leaseId,
        namespaceId,
        ttlMs: 2 ** 46,
        deadlineMs,
      });
      const key = (leaseId: number, name: string, more: Partial<LeaseKey> = {}): LeaseKey => ({
        leaseId,
        namespaceId: 1,
        generation: 1,
        key: bytes(name),
        ...more,
      });
      await state.write(
        batch(1, [], {
          namespaces: [namespace({ id: 2, name: "two" })],
          leases: [lease(9, null), lease(2 ** 40, 5), lease(3, 0), lease(4, 1, 2)],
          leaseKeysAttached: [
            key(9, "b"),
            key(9, ""),
            key(9, "a\0"),
            key(3, "z"),
            key(2 ** 40, "c"),
            key(4, "t", { namespaceId: 2 }),
          ],
        }),
      );
      await state.write(
        batch(2, [], {
          leases: [lease(9, 77)],
          leasesEnded: [3],
          leaseKeysDetached: [key(9, "b"), key(3, "z"), key(2 ** 40, "c")],
          leaseKeysAttached: [key(2 ** 40, "b"), key(2 ** 40, "c")],
        }),
      );
      await reopen();
      expect(state.opened.resident.leases).toEqual([lease(4, 1, 2), lease(9, 77), lease(2 ** 40, 5)]);
      expect(state.opened.resident.leaseKeys).toEqual([
        key(9, ""),
        key(9, "a\0"),
        key(2 ** 40, "b"),
        key(2 ** 40, "c"),
        key(4, "t", { namespaceId: 2 }),
      ]);
      const floors = { oldestRevision: 1, firstEventRevision: 1 };
      await state.write(
        batch(3, [truncate(1)], {
          namespaces: [namespace({ generation: 2, ...floors })],
          leaseKeysAttached: [key(9, "late"), key(9, "new", { generation: 2 })],
        }),
      );
      for (const round of ["killed", "settled and killed"]) {
        if (round.startsWith("settled")) await rig.settle();
        await reopen();
        expect(state.opened.resident.leaseKeys).toEqual([
          key(9, "new", { generation: 2 }),
          key(4, "t", { namespaceId: 2 }),
        ]);
      }
    });
  });
}
