import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { BackupOptions, QuorateError } from "@quorate/client";
import { Consistency, ErrorReason, Role } from "@quorate/client/generated";
import { verifyBackupFile } from "@quorate/services/launcher";
import {
  type BareEndpoint,
  bytes,
  PeerLinks,
  type Reply,
  startTestCluster,
  type TestCluster,
  text,
} from "#support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

let links: PeerLinks;
let c: TestCluster;

beforeAll(async () => {
  links = await PeerLinks.open(3);
  c = await startTestCluster({ peerAddress: links.peerAddress });
});

afterAll(async () => {
  await c?.stop();
  await links?.close();
});

const { STALE } = Consistency;
const key = bytes("c7");

interface Seen {
  readonly memberId: string;
  readonly revision: bigint;
  readonly value: string;
}

async function read(endpoint: BareEndpoint, fields: object, deadlineMs = 60_000): Promise<Seen> {
  const { header, record } = await endpoint.kv.call("get", { key, ...fields }, { deadlineMs });
  return {
    memberId: header?.memberId ?? "",
    revision: header?.revision ?? 0n,
    value: text(record?.value ?? bytes("")),
  };
}

/** The node answers a few milliseconds before the deadline: on a busy machine the caller's own may come first. */
function answered(endpoint: BareEndpoint, fields: object, deadlineMs: number): Promise<Reply<unknown>> {
  return inTime("the node says so before the caller gives up", async () => {
    const reply = await endpoint.kv.attempt("get", { key, ...fields }, { deadlineMs });
    return reply.ok || reply.detail !== null ? reply : null;
  });
}

test("C7: reads of a follower that is cut off: stale ones are answered, none that may lag more than it said", async () => {
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
  const waited = await answered(own, { consistency: STALE, minRevision: BigInt(second) }, 700);
  expect(waited).toMatchObject({
    ok: false,
    code: "DEADLINE_EXCEEDED",
    detail: { reason: ErrorReason.DEADLINE_EXCEEDED, retryable: true },
  });
  // Nothing that must be fresher than it can know is answered from here.
  for (const fields of [{}, { maxStalenessMs: 1n }, { minRevision: BigInt(second) }]) {
    const reply = await answered(own, fields, 1500);
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

test("F6: a follower saves a backup with all that was acknowledged; cut off, only what it has, and only when told to", async () => {
  const [follower] = (await c.followers()) as [number, ...number[]];
  const member = `n${follower}`;
  const file = c.scratch("follower");
  const { cluster } = c.client([follower]);
  const save = async (options: BackupOptions): Promise<bigint> => {
    const parts: Uint8Array[] = [];
    for await (const part of cluster.backup({ member, deadlineMs: 60_000, ...options })) parts.push(part);
    writeFileSync(file, Buffer.concat(parts));
    const { isSound, line } = await verifyBackupFile(file);
    expect([isSound, line]).toEqual([true, expect.stringContaining("is sound")]);
    return BigInt(/at revision (\d+)/.exec(line)?.[1] ?? "-1");
  };
  const { kv } = c.client(c.numbers.filter((node) => node !== follower));
  for (let round = 0; round < 20; round += 1) {
    const { revision } = await kv.put(key, `before ${round}`, { deadlineMs: 60_000 });
    expect(await save({})).toBeGreaterThanOrEqual(BigInt(revision));
  }
  const last = BigInt((await c.status(follower)).revision);
  await links.isolate(follower);
  await kv.put(key, "which it does not hear of", { deadlineMs: 60_000 });
  const refused = await save({ deadlineMs: 1500 }).catch((failure: unknown) => failure);
  expect(["NO_LEADER", "DEADLINE_EXCEEDED"]).toContain((refused as QuorateError).reason);
  expect(await save({ stale: true })).toBe(last);
  await links.heal();
});

test("C7: the reads of a session are never behind what the client has seen, through whatever node", async () => {
  const leader = await c.leader();
  const [follower] = (await c.followers()) as [number, ...number[]];
  const client = c.client([follower, leader], { deadlineMs: 60_000 });
  for (let at = 0; at < 10; at += 1) {
    await client.kv.put("c7-session", String(at));
    expect(await client.kv.getText("c7-session", { consistency: "session" })).toBe(String(at));
  }
  // Another client wrote, and this one has heard of it.
  await links.isolate(follower);
  const others = c.numbers.filter((node) => node !== follower);
  const { revision } = await c.client(others).kv.put("c7-session", "by another", { deadlineMs: 60_000 });
  const own = c.client(follower).kv;
  expect(await own.getText("c7-session", { consistency: "stale" })).toBe("9");
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

test("D3: a leader that is cut off steps down, and commits nothing meanwhile", async () => {
  const old = await c.leader();
  const { term } = await c.status(old);
  await links.isolate(old);
  const alone = c
    .node(old)
    .kv.attempt(
      "put",
      { key: Buffer.from("d3-cut-off"), value: Buffer.from("from the old leader") },
      { deadlineMs: 60_000, metadata: { "quorate-forward": "off" } },
    );
  const others = c.numbers.filter((node) => node !== old);
  const elected = await inTime("the others elect a leader", async () => {
    const statuses = await Promise.all(others.map((node) => c.status(node)));
    return statuses.find(({ role, term: later }) => role === Role.LEADER && later > term)?.memberId;
  });
  await inTime("the old leader steps down", async () => (await c.status(old)).role !== Role.LEADER);
  expect((await alone).ok).toBe(false);
  const kv = patientKv(c, others);
  await kv.put("d3-cut-off", "from the new leader");
  await links.heal();
  await c.agree();
  expect(elected).not.toBe(`n${old}`);
  expect(await patientKv(c).getText("d3-cut-off")).toBe("from the new leader");
});
