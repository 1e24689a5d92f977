import { expect, test } from "@jest/globals";
import { Consistency, ErrorReason } from "@quorate/client/generated";
import { type BareEndpoint, bytes, PeerLinks, text, withCluster } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

const { STALE } = Consistency;
const key = bytes("c7");

interface Seen {
  readonly memberId: string;
  readonly revision: bigint;
  readonly value: string;
}

async function read(endpoint: BareEndpoint, fields: object, deadlineMs = 10_000): Promise<Seen> {
  const { header, record } = await endpoint.kv.call("get", { key, ...fields }, { deadlineMs });
  return {
    memberId: header?.memberId ?? "",
    revision: header?.revision ?? 0n,
    value: text(record?.value ?? bytes("")),
  };
}

test("C7: reads of a follower that is cut off: stale ones are answered, none that may lag more than it said", async () => {
  const links = await PeerLinks.open(3);
  try {
    await withCluster({ nodes: 3, peerAddress: links.peerAddress }, async (c) => {
      const leader = await c.leader();
      const [follower] = (await c.followers()) as [number, ...number[]];
      const own = c.node(follower);
      const first = await c.node(leader).kv.call("put", { key, value: bytes("first") });
      const revision = first.header?.revision ?? 0n;

      // Connected: what is asked of it is answered here, and min_revision is waited for.
      expect(await read(own, { consistency: STALE, minRevision: revision })).toEqual({
        memberId: `n${follower}`,
        revision,
        value: "first",
      });
      expect(await read(own, {})).toMatchObject({ memberId: `n${follower}`, value: "first" });
      const fresh = await read(own, { maxStalenessMs: 60_000n });
      expect(fresh).toMatchObject({ memberId: `n${follower}`, value: "first" });

      const last = (await c.status(follower)).revision;
      await links.isolate(follower);
      const writer = c.client(c.numbers.filter((node) => node !== follower)).kv;
      const second = (await writer.put(key, "second", { deadlineMs: 60_000 })).revision;

      // Cut off: its own state as it was, with the revision that it is at.
      for (const fields of [{ consistency: STALE }, { consistency: STALE, minRevision: revision }]) {
        expect(await read(own, fields)).toEqual({
          memberId: `n${follower}`,
          revision: BigInt(last),
          value: "first",
        });
      }
      // It was fresh a moment ago, and a minute is allowed.
      expect(await read(own, { maxStalenessMs: 60_000n })).toMatchObject({ value: "first" });

      // What it does not have it waits for, and says so at the deadline.
      const waitInVain = () =>
        own.kv.attempt("get", { key, consistency: STALE, minRevision: BigInt(second) }, { deadlineMs: 700 });
      // The node answers a few milliseconds before the deadline: on a busy machine the caller's own may come first.
      const waited = await inTime("the node says so before the caller gives up", async () => {
        const reply = await waitInVain();
        return reply.ok || reply.detail !== null ? reply : null;
      });
      expect(waited).toMatchObject({
        ok: false,
        code: "DEADLINE_EXCEEDED",
        detail: { reason: ErrorReason.DEADLINE_EXCEEDED, retryable: true },
      });
      // Nothing that must be fresher than it can know is answered from here.
      for (const fields of [{}, { maxStalenessMs: 1n }, { minRevision: BigInt(second) }]) {
        const reply = await own.kv.attempt("get", { key, ...fields }, { deadlineMs: 1500 });
        expect(reply).toMatchObject({ ok: false, detail: { retryable: true } });
        if (!reply.ok) {
          expect([ErrorReason.NO_LEADER, ErrorReason.DEADLINE_EXCEEDED]).toContain(reply.detail?.reason);
        }
      }
      // The more time passes the older is what it has: a second is too much at last.
      await inTime("its state is older than a second", async () => {
        const reply = await own.kv.attempt("get", { key, maxStalenessMs: 1000n }, { deadlineMs: 500 });
        if (reply.ok) expect(text(reply.response.record?.value ?? bytes(""))).toBe("first");
        return !reply.ok;
      });

      // A read that waits for a revision is answered once it comes.
      const waiting = read(own, { consistency: STALE, minRevision: BigInt(second) }, 60_000);
      await links.heal();
      expect(await waiting).toMatchObject({ memberId: `n${follower}`, value: "second" });
      await inTime("it serves all again", async () => (await read(own, {})).value === "second");
      expect(await read(own, { maxStalenessMs: 1000n })).toMatchObject({
        memberId: `n${follower}`,
        value: "second",
      });
    });
  } finally {
    await links.close();
  }
});

test("C7: the reads of a session are never behind what the client has seen, through whatever node", async () => {
  const links = await PeerLinks.open(3);
  try {
    await withCluster({ nodes: 3, peerAddress: links.peerAddress }, async (c) => {
      const leader = await c.leader();
      const [follower] = (await c.followers()) as [number, ...number[]];
      const client = c.client([follower, leader], { deadlineMs: 60_000 });
      for (let at = 0; at < 30; at += 1) {
        await client.kv.put("c7-session", String(at));
        expect(await client.kv.getText("c7-session", { consistency: "session" })).toBe(String(at));
      }
      // Another client wrote, and this one has heard of it.
      await links.isolate(follower);
      const others = c.numbers.filter((node) => node !== follower);
      const { revision } = await c.client(others).kv.put("c7-session", "by another", { deadlineMs: 60_000 });
      const own = c.client(follower).kv;
      expect(await own.getText("c7-session", { consistency: "stale" })).toBe("29");
      await expect(
        own.getText("c7-session", { consistency: "session", minRevision: revision, deadlineMs: 700 }),
      ).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", retryable: true });
      const waiting = own.getText("c7-session", {
        consistency: "session",
        minRevision: revision,
        deadlineMs: 60_000,
      });
      await links.heal();
      expect(await waiting).toBe("by another");
    });
  } finally {
    await links.close();
  }
});
