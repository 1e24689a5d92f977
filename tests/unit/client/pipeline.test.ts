import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import type { QuorateError } from "@quorate/client";
import { type ErrorDetail, ErrorReason, Outcome } from "@quorate/client/generated";
import * as fc from "fast-check";
import { eventually } from "../../support/eventually";
import { onceArrived } from "../forward/serving";
import {
  bytes,
  connection,
  connectionTo,
  detailed,
  echo,
  failureOf,
  GET,
  options,
  PUT,
  put,
  server,
  text,
  warm,
} from "./pipeline-rig";

describe("calls on a stream", () => {
  test("of one turn leave in one frame, and each gets its own answer whatever the order", async () => {
    await warm();
    server.onFrame = (stream, { calls }) => {
      for (const { id, body } of [...calls].reverse()) stream.answer({ id, body });
    };
    const before = server.stream.frames.length;
    const answers = await Promise.all(["a", "b", "c"].map((body) => text(put(body))));
    expect(answers).toEqual(["a", "b", "c"]);
    expect(server.stream.frames.slice(before).map(({ calls }) => calls.length)).toEqual([3]);
    expect(server.streams).toHaveLength(1);
    expect(server.loneCalls).toHaveLength(0);
  });

  test("of later microtasks of the turn leave with the others", async () => {
    await warm();
    server.onFrame = echo;
    const later = Promise.resolve().then(async () => {
      await null;
      return text(put("later"));
    });
    expect(await Promise.all([text(put("first")), later])).toEqual(["first", "later"]);
    expect(server.stream.frames.at(-1)?.calls).toHaveLength(2);
  });

  test("leave at once while no other is open, and else with all others of their turn", async () => {
    await warm();
    server.onFrame = echo;
    const before = server.stream.frames.length;
    const answers = ["a", "b", "c"].map(
      (body) => new Promise<string>((resolve) => setImmediate(() => resolve(text(put(body))))),
    );
    expect(await Promise.all(answers)).toEqual(["a", "b", "c"]);
    expect(server.stream.frames.slice(before).map(({ calls }) => calls.length)).toEqual([1, 2]);
  });

  test("bring along what the metadata of a unary call has, and the time that is left", async () => {
    server.onFrame = echo;
    const metadata = {
      "quorate-request-id": "42/7/5",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "quorate-member": "n2",
      "quorate-forward": "off",
    };
    await connection.unary(GET, Buffer.from("x"), { ...options, metadata, timeoutMs: 90_000 });
    const [call] = server.stream.calls;
    expect(call).toMatchObject({
      method: "/quorate.kv.v1.KvService/Get",
      requestId: "42/7/5",
      traceparent: metadata.traceparent,
      member: "n2",
      forward: "off",
      hops: 0,
    });
    expect(call!.deadlineMs).toBeGreaterThan(0);
    expect(call!.deadlineMs).toBeLessThanOrEqual(90_000);
  });

  test("thousands from many callers are answered as they were asked, in whatever frames the answers come", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 7 }),
        async (lengths, together) => {
          const kept: { id: number; body: Uint8Array }[] = [];
          server.onFrame = (stream, { calls }) => {
            kept.push(...calls);
            while (kept.length > 0) {
              stream.answer(...kept.splice(-together).map(({ id, body }) => ({ id, body })));
            }
          };
          const bodies = lengths.map((length, at) => `${at}/`.padEnd(length, "."));
          expect(await Promise.all(bodies.map((body) => text(put(body))))).toEqual(bodies);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("a call that fails on a stream", () => {
  const leader = { memberId: "n2", address: "127.0.0.1:9" };
  const rows: [string, status, string, Partial<ErrorDetail> | null][] = [
    [
      "with a detail",
      status.UNAVAILABLE,
      "n2 is",
      { reason: ErrorReason.NOT_LEADER, retryable: true, outcome: Outcome.NOT_APPLIED, leader },
    ],
    [
      "with an old revision",
      status.OUT_OF_RANGE,
      "gone",
      { reason: ErrorReason.COMPACTED, oldestRevision: 3n },
    ],
    [
      "in doubt",
      status.UNKNOWN,
      "who knows",
      { reason: ErrorReason.LEADERSHIP_LOST, retryable: true, outcome: Outcome.UNKNOWN },
    ],
    ["without a detail", status.UNAVAILABLE, "not now", null],
    ["late, without a detail", status.DEADLINE_EXCEEDED, "late", null],
    ["for no reason that is told", status.PERMISSION_DENIED, "no", null],
    ["with a code of its own", 77 as status, "what?", null],
  ];
  test.each(rows)("%s is the error that a unary call fails with", async (_, code, message, fields) => {
    const statusDetails = fields === null ? Buffer.alloc(0) : detailed(code, message, fields);
    server.onFrame = (stream, { calls }) => {
      for (const { id } of calls) stream.answer({ id, code, message, statusDetails });
    };
    server.onLoneCall = (_call, end) => {
      const metadata = new Metadata();
      if (fields !== null) metadata.set("grpc-status-details-bin", statusDetails);
      end({ code, details: message, metadata });
    };
    const seen = (error: QuorateError) => ({ ...error, name: error.name, message: error.message });
    const alone = await failureOf(
      connectionTo(server.address, "unary").unary(PUT, Buffer.from("x"), options),
    );
    expect(seen(await failureOf(put("x")))).toEqual(seen(alone));
    expect([server.streams.length, server.loneCalls.length]).toEqual([1, 1]);
  });

  test("does not disturb the others", async () => {
    server.onFrame = (stream, { calls }) => {
      for (const { id, body } of calls) {
        stream.answer(body[0] === 0x21 ? { id, code: status.NOT_FOUND, message: "no" } : { id, body });
      }
    };
    const [good, bad, better] = await Promise.allSettled([put("a"), put("!"), put("b")]);
    expect([good.status, bad.status, better.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("by an answer that cannot be read fails alone", async () => {
    server.onFrame = echo;
    const unreadable = {
      ...PUT,
      responseType: {
        ...bytes,
        decode: (): Uint8Array => {
          throw new RangeError("what is this?");
        },
      },
    };
    const calls = [put("a"), failureOf(connection.unary(unreadable, Buffer.from("b"), options))] as const;
    const [answer, failure] = await Promise.all(calls);
    expect(Buffer.from(answer).toString()).toBe("a");
    expect(failure).toMatchObject({ name: "QuorateError", code: "INTERNAL", retryable: false });
  });
});

describe("a call that is given up", () => {
  test("fails at once, and the server is told", async () => {
    await warm();
    const leaving = new AbortController();
    const failure = failureOf(put("a", { signal: leaving.signal }));
    const other = put("b");
    const arrived = await eventually(
      "both have arrived",
      () => server.stream.calls.length === 3 && server.stream.calls,
    );
    leaving.abort();
    expect(await failure).toMatchObject({ code: "CANCELLED", outcome: null, retryable: false });
    await eventually("it is told", () => server.stream.cancelled.length > 0);
    expect(server.stream.cancelled).toEqual([arrived[1]!.id]);
    // An answer that was on its way is nobody's.
    server.stream.answer(
      { id: arrived[1]!.id, body: Buffer.from("a") },
      { id: arrived[2]!.id, body: Buffer.from("b") },
    );
    expect(await text(other)).toBe("b");
  });

  test("before it has left never leaves, and was not applied", async () => {
    await warm();
    const leaving = new AbortController();
    const failure = failureOf(put("a", { signal: leaving.signal }));
    server.onFrame = echo;
    const other = put("b");
    leaving.abort();
    expect(await failure).toMatchObject({ code: "CANCELLED", outcome: "not_applied" });
    await other;
    expect(server.stream.calls.map(({ body }) => Buffer.from(body).toString())).toEqual(["warm", "b"]);
    expect(server.stream.cancelled).toEqual([]);
  });

  test("before it was made fails so too", async () => {
    await warm();
    expect(await failureOf(put("a", { signal: AbortSignal.abort() }))).toMatchObject({
      code: "CANCELLED",
      reason: "CANCELLED",
      outcome: "not_applied",
    });
    expect(server.stream.calls).toHaveLength(1);
  });

  test("leaves nothing at its signal once it is answered", async () => {
    server.onFrame = echo;
    let listeners = 0;
    const signal = {
      aborted: false,
      addEventListener: () => {
        listeners += 1;
      },
      removeEventListener: () => {
        listeners -= 1;
      },
    } as unknown as AbortSignal;
    await put("a", { signal });
    expect(listeners).toBe(0);
  });
});

describe("deadlines", () => {
  test("a call that is not answered in time fails in doubt, and the server is told", async () => {
    await warm();
    const failure = await onceArrived(
      (timeoutMs) => failureOf(put("a", { timeoutMs })),
      () => server.stream.calls.length > 1,
    );
    expect(failure).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      reason: "DEADLINE_EXCEEDED",
      retryable: true,
      outcome: null,
    });
    await eventually("it is told", () => server.stream.cancelled.includes(server.stream.calls.at(-1)!.id));
  });

  test("each call has its own, whatever came before it", async () => {
    await warm();
    const patient = put("a");
    const hasty = put("b", { timeoutMs: 20 });
    const halting = put("c", { timeoutMs: 10 });
    for (const call of [hasty, halting]) expect((await failureOf(call)).code).toBe("DEADLINE_EXCEEDED");
    await eventually("the patient one has arrived", () => server.stream.calls.length > 1);
    server.stream.answer({ id: server.stream.calls[1]!.id, body: Buffer.from("a") });
    expect(await text(patient)).toBe("a");
  });
});
