import { type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect } from "@jest/globals";
import { op, QuorateError } from "@quorate/client";
import { ErrorReason, Outcome, ScanRequest, ScanResponse } from "@quorate/client/generated";
import { bytes, clusterOfFile, failedReply, noise, unaryBytes } from "#support";
import { BATCH_RECORDS_MAX } from "./error-row";
import { errorRows } from "./error-rows";
import { failed } from "./failed";
import { malformedMessages } from "./malformed-messages";
import { compactedNamespace } from "./own-namespaces";
import { patientKv, patientTests } from "./patient";
import { watchErrors } from "./watch-errors";

patientTests();

// An election would be another reason to be refused: with this timing not even a busy machine brings about one.
const cluster = clusterOfFile({
  nodes: 3,
  gateways: 1,
  profile: "wan",
  nodeArgs: () => ["--batch-records-max", String(BATCH_RECORDS_MAX)],
});
const { test } = cluster;

async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  const thrown = await call.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof QuorateError)) throw new Error(`not a QuorateError: ${String(thrown)}`);
  return thrown;
}

malformedMessages(cluster);

describe("the table of errors", () => {
  for (const { what, code, reason, message = /./, isRead, provoke } of errorRows) {
    test(`B7: ${what} is ${code}, ${reason}`, async (c) => {
      const reply = failed(await provoke(c));
      expect(reply).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(reply.detail?.reason).toBe(ErrorReason[reason]);
      // A write whose answer was dropped had one: what it was nobody knows any more.
      const ofWrite = reason === "ANSWER_DROPPED" ? Outcome.UNKNOWN : Outcome.NOT_APPLIED;
      expect(reply.detail?.outcome).toBe(isRead ? Outcome.UNSPECIFIED : ofWrite);
    });
  }

  test("B7: an unknown method is UNIMPLEMENTED", async (c) => {
    for (const endpoint of [c.node(1), c.gateway()]) {
      const reply = await unaryBytes(endpoint.client(), "/quorate.kv.v1.KvService/Nonsense", bytes(""));
      expect(reply).toMatchObject({ ok: false, code: "UNIMPLEMENTED" });
    }
  });

  test("B7: the configured limits are the reported ones, and a refused range deletion deletes nothing", async (c) => {
    for (const node of c.numbers) {
      expect((await c.status(node)).limits).toEqual({
        keyBytesMax: 4096n,
        valueBytesMax: 1_048_576n,
        requestBytesMax: 2_097_152n,
        txnOperationsMax: 128n,
        batchRecordsMax: BigInt(BATCH_RECORDS_MAX),
        sessionWindowMax: 1024n,
      });
    }
    const { kv } = c.node(2);
    const keys = Array.from({ length: BATCH_RECORDS_MAX + 1 }, (_, at) => bytes(`b7/limit/${at}`));
    const patient = patientKv(c);
    await Promise.all(keys.map((key) => patient.put(key, "")));
    expect((await kv.attempt("deleteRange", { prefix: bytes("b7/limit/") })).ok).toBe(false);
    expect((await kv.call("count", { prefix: bytes("b7/limit/") })).count).toBe(BigInt(keys.length));
    await kv.call("delete", { key: keys[0] as Uint8Array });
    expect((await kv.call("deleteRange", { prefix: bytes("b7/limit/") })).deleted).toBe(
      BigInt(BATCH_RECORDS_MAX),
    );
  });

  /** More than what is on its way of a scan that nobody takes up. */
  const CUT_RECORDS = 40;

  test("B7: a scan whose keys are truncated away is complete, or ABORTED, but never quietly short", async (c) => {
    const { kv } = c.node(1);
    const value = noise(256 * 1024, 1);
    const patient = patientKv(c);
    await Promise.all(Array.from({ length: CUT_RECORDS }, (_, at) => patient.put(`b7/cut/${at}`, value)));
    const scan = c
      .node(2)
      .client()
      .makeServerStreamRequest(
        "/quorate.kv.v1.KvService/Scan",
        Buffer.from,
        (raw: Buffer) => ScanResponse.decode(raw),
        ScanRequest.encode({ ...ScanRequest.decode(new Uint8Array()), prefix: bytes("b7/cut/") }).finish(),
      );
    const ended = new Promise<ServiceError | null>((resolve) => {
      scan.once("error", resolve);
      scan.once("end", () => resolve(null));
    });
    let records = 0;
    // The first message says that it has begun; the rest is left to wait until everything is gone.
    await new Promise<void>((begun) => {
      scan.on("data", (part: ScanResponse) => {
        records += part.records.length;
        if (records > part.records.length) return;
        scan.pause();
        begun();
      });
    });
    await kv.call("truncate", {});
    await c.agree();
    scan.resume();
    const failure = await ended;
    const isCut =
      failure?.code === status.ABORTED && failedReply(failure).detail?.reason === ErrorReason.SCAN_CUT;
    const isWhole = failure === null && records === CUT_RECORDS;
    expect({ failure, records, isSound: isWhole || isCut }).toMatchObject({ isSound: true });
  });

  test("B7: a refusal names the leader, the oldest revision, and what became of the write", async (c) => {
    const leader = await c.leader();
    const [follower] = (await c.followers()) as [number];
    const metadata = { "quorate-forward": "off" };
    const refused = failed(await c.node(follower).kv.attempt("put", { key: bytes("k") }, { metadata }));
    expect(refused.detail).toMatchObject({
      retryable: true,
      outcome: Outcome.NOT_APPLIED,
      leader: { memberId: `n${leader}`, address: c.address(leader) },
    });
    const { header } = await c.node(1).kv.call("put", { key: bytes("b7/t") });
    const { header: truncation } = await c.node(1).kv.call("truncate", {});
    const compacted = failed(
      await c.node(2).kv.attempt("get", { key: bytes("b7/t"), revision: header?.revision ?? 0n }),
    );
    expect(compacted.detail?.oldestRevision).toBe(truncation?.revision);
  });

  test("B7: what is compacted is refused with the oldest revision that is kept", async (c) => {
    const { namespace, first, second } = await compactedNamespace(c, "b7-oldest");
    for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
      const past = { namespace, revision: first };
      for (const reply of [
        await endpoint.kv.attempt("get", { ...past, key: bytes("k"), minRevision: second }),
        await endpoint.kv.attempt("batchGet", { ...past, keys: [bytes("k")], minRevision: second }),
        await endpoint.kv.attempt("count", { ...past, minRevision: second }),
        await endpoint.kv.attempt("compact", past),
      ]) {
        expect(failed(reply)).toMatchObject({
          code: "OUT_OF_RANGE",
          message: expect.stringContaining(String(second)),
          detail: { reason: ErrorReason.COMPACTED, retryable: false, oldestRevision: second },
        });
      }
      const kept = await endpoint.kv.call("get", { namespace, key: bytes("k"), revision: second });
      expect(kept.record?.modRevision).toBe(second);
    }
  });
});

describe("the typed client", () => {
  test("B8: failures arrive as typed errors", async (c) => {
    const { kv } = c.client([1, 2, 3]);
    await kv.put("b8/word", "word");
    const notApplied = { retryable: false, outcome: "not_applied", leader: null };
    expect(await failureOf(kv.put("", "x"))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ARGUMENT",
      ...notApplied,
    });
    expect(await failureOf(kv.put("b8/big", new Uint8Array(1_048_577)))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "TOO_LARGE",
      ...notApplied,
    });
    expect(await failureOf(kv.increment("b8/word"))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "NOT_AN_INTEGER",
      ...notApplied,
    });
    expect(await failureOf(kv.put("b8/word", "x", { expectedModRevision: 0 }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "CONDITION_FAILED",
      ...notApplied,
    });
    expect(await failureOf(kv.put("b8/x", "x", { namespace: "nowhere" }))).toMatchObject({
      code: "NOT_FOUND",
      reason: "UNKNOWN_NAMESPACE",
      ...notApplied,
    });
    expect(await failureOf(kv.get("b8/x", { revision: 10 ** 12 }))).toMatchObject({
      code: "OUT_OF_RANGE",
      reason: "FUTURE_REVISION",
    });
    expect(await kv.getText("b8/word")).toBe("word");
  });

  test("B8: failures of transactions, leases, namespaces, history and watches arrive as typed errors", async (c) => {
    const client = c.client([1, 2, 3], { deadlineMs: 60_000 });
    const { kv, leases, namespaces } = client;
    const { namespace, first, second } = await compactedNamespace(c, "b8-compacted");
    await namespaces.create("b8-quota", { keysMax: 1 });
    await client.namespace("b8-quota").put("a", "x");
    await kv.put("b8/text", "word");
    const past = { namespace, revision: Number(first) };
    const refused: readonly [string, Promise<unknown>, object][] = [
      ["QUOTA_EXCEEDED", client.namespace("b8-quota").put("b", "x"), { code: "RESOURCE_EXHAUSTED" }],
      ["NAMESPACE_EXISTS", namespaces.create("b8-quota"), { code: "ALREADY_EXISTS" }],
      ["PERMANENT_NAMESPACE", namespaces.delete("default"), { code: "FAILED_PRECONDITION" }],
      ["UNKNOWN_NAMESPACE", namespaces.setQuota("nowhere", {}), { code: "NOT_FOUND" }],
      ["UNKNOWN_LEASE", leases.revoke(7n), { code: "NOT_FOUND" }],
      ["UNKNOWN_LEASE", kv.put("b8/leased", "x", { leaseId: 7n }), { code: "NOT_FOUND" }],
      ["NOT_AN_INTEGER", kv.txn().do(op.increment("b8/text")).commit(), { code: "FAILED_PRECONDITION" }],
      [
        "CONDITION_FAILED",
        kv
          .txn()
          .do(op.put("b8/text", "x", { expectedModRevision: 0 }))
          .commit(),
        { code: "FAILED_PRECONDITION" },
      ],
      [
        "COMPACTED",
        client.namespace(namespace).compact(Number(first)),
        { code: "OUT_OF_RANGE", oldestRevision: Number(second) },
      ],
      ["FUTURE_REVISION", kv.compact(10 ** 12), { code: "OUT_OF_RANGE" }],
    ];
    for (const [reason, call, fields] of refused) {
      const error = await failureOf(call);
      expect(error).toMatchObject({ reason, retryable: false, outcome: "not_applied", ...fields });
      expect(error.message).not.toBe("");
    }
    const unread: readonly [string, Promise<unknown>, object][] = [
      ["COMPACTED", kv.get("k", past), { oldestRevision: Number(second) }],
      ["FUTURE_REVISION", kv.get("k", { minRevision: 10 ** 12 }), {}],
      [
        "COMPACTED",
        kv.watch("k", { namespace, fromRevision: Number(first) }).next(),
        { oldestRevision: Number(second) + 1 },
      ],
      ["FUTURE_REVISION", kv.watch("k", { fromRevision: 10 ** 12 }).next(), {}],
    ];
    for (const [reason, call, fields] of unread) {
      expect(await failureOf(call)).toMatchObject({
        code: "OUT_OF_RANGE",
        reason,
        retryable: false,
        ...fields,
      });
    }
    expect(await failureOf(kv.watch("k", { namespace: "nowhere" }).next())).toMatchObject({
      code: "NOT_FOUND",
      reason: "UNKNOWN_NAMESPACE",
    });
    expect(await failureOf(leases.timeToLive(7n))).toMatchObject({
      code: "NOT_FOUND",
      reason: "UNKNOWN_LEASE",
    });
  });
});

watchErrors(cluster);
