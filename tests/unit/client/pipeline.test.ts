import { spawn } from "node:child_process";
import { setMaxListeners } from "node:events";
import { Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  type AttemptOptions,
  type CallTransport,
  GrpcConnection,
  type Method,
  type QuorateError,
} from "@quorate/client";
import { ErrorDetail, ErrorReason, Outcome, RpcStatus } from "@quorate/client/generated";
import * as fc from "fast-check";
import { eventually } from "../../support/eventually";
import { onceArrived } from "../forward/serving";
import { FakePipelineServer, type ServedStream } from "./fake-pipeline";

const bytes = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (message: Uint8Array) => message,
};
const PUT: Method<Uint8Array, Uint8Array> = {
  path: "/quorate.kv.v1.KvService/Put",
  requestType: bytes,
  responseType: bytes,
};
const GET = { ...PUT, path: "/quorate.kv.v1.KvService/Get" };
const options: AttemptOptions = { metadata: {}, timeoutMs: 600_000, signal: undefined };

let server: FakePipelineServer;
let connection: GrpcConnection;

beforeEach(async () => {
  server = await FakePipelineServer.open();
  connection = connectionTo(server.address);
});

const closing: { close(): void }[] = [];

afterEach(() => {
  for (const open of closing.splice(0)) open.close();
  server.stop();
});

function connectionTo(address: string, transport?: CallTransport): GrpcConnection {
  const made = new GrpcConnection(address, 60_000, transport);
  closing.push(made);
  return made;
}

/** A server that echoes each call at once. */
function echo(
  stream: ServedStream,
  { calls }: { readonly calls: readonly { id: number; body: Uint8Array }[] },
): void {
  if (calls.length > 0) stream.answer(...calls.map(({ id, body }) => ({ id, body })));
}

async function text(call: Promise<Uint8Array>): Promise<string> {
  return Buffer.from(await call).toString();
}

async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: QuorateError) => error,
  );
}

function put(body: string | Uint8Array, given: Partial<AttemptOptions> = {}): Promise<Uint8Array> {
  return connection.unary(PUT, Buffer.from(body), { ...options, ...given });
}

/** A connection whose stream is open, so that what comes next is all in one frame. */
async function warm(): Promise<void> {
  const { onFrame } = server;
  server.onFrame = echo;
  await put("warm");
  server.onFrame = onFrame;
}

function detailed(code: status, message: string, fields: Partial<ErrorDetail>) {
  const value = ErrorDetail.encode({
    reason: ErrorReason.INTERNAL,
    retryable: false,
    outcome: Outcome.UNSPECIFIED,
    leader: undefined,
    oldestRevision: 0n,
    ...fields,
  }).finish();
  const details = [{ typeUrl: "type.googleapis.com/quorate.kv.v1.ErrorDetail", value }];
  return Buffer.from(RpcStatus.encode({ code, message, details }).finish());
}

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

describe("where a server does not know pipelines", () => {
  test("calls go by themselves, with nothing lost, and later ones at once", async () => {
    server.stop();
    server = await FakePipelineServer.open(false);
    connection = connectionTo(server.address);
    const metadata = { "quorate-request-id": "1/1/1" };
    const calls = ["a", "b"].map((body) => text(put(body, { metadata })));
    expect(await Promise.all(calls)).toEqual(["a", "b"]);
    expect(await text(put("c"))).toBe("c");
    expect(server.loneCalls.map(({ body }) => body.toString()).sort()).toEqual(["a", "b", "c"]);
    expect(server.loneCalls[0]!.metadata.get("quorate-request-id")).toEqual(["1/1/1"]);
  });

  test("UNIMPLEMENTED for one call of a stream is about that call", async () => {
    server.onFrame = (stream, { calls }) => {
      for (const { id } of calls)
        stream.answer({ id, code: status.UNIMPLEMENTED, message: "no such method" });
    };
    expect((await failureOf(put("a"))).code).toBe("UNIMPLEMENTED");
    expect(server.loneCalls).toHaveLength(0);
  });

  test("calls are made so where the client is told to", async () => {
    connection = connectionTo(server.address, "unary");
    expect(await text(put("a"))).toBe("a");
    expect([server.streams.length, server.loneCalls.length]).toEqual([0, 1]);
  });
});

describe("large calls", () => {
  test("a call that fills a frame has it for itself", async () => {
    await warm();
    server.onFrame = echo;
    const before = server.stream.frames.length;
    await Promise.all([put("a"), put("b"), put(Buffer.alloc(65_536, 1)), put("c")]);
    expect(server.stream.frames.slice(before).map(({ calls }) => calls.length)).toEqual([2, 1, 1]);
    expect(server.loneCalls).toHaveLength(0);
  });

  test("frames are filled up to their size and no further", async () => {
    await warm();
    server.onFrame = echo;
    const before = server.stream.frames.length;
    await Promise.all(Array.from({ length: 40 }, () => put(Buffer.alloc(8000))));
    const sizes = server.stream.frames.slice(before).map(({ calls }) => calls.length);
    expect(sizes).toEqual([8, 8, 8, 8, 8]);
  });

  test("a larger one goes by itself, and its failure is its own", async () => {
    server.onFrame = echo;
    server.onLoneCall = (_call, end) => end({ code: status.RESOURCE_EXHAUSTED, details: "too large" });
    const [small, large] = await Promise.allSettled([put("a"), put(Buffer.alloc(65_537))]);
    expect(small.status).toBe("fulfilled");
    expect(large).toMatchObject({ status: "rejected", reason: { code: "RESOURCE_EXHAUSTED" } });
    expect(server.streams).toHaveLength(1);
  });

  test("no more are open than a server takes: the others leave as answers come", async () => {
    const arrived: { stream: ServedStream; id: number }[] = [];
    server.onFrame = (stream, { calls }) => {
      for (const { id } of calls) arrived.push({ stream, id });
    };
    const all = Promise.all(Array.from({ length: 4196 }, () => put("x")));
    await eventually("as many as it takes", () => arrived.length >= 4096);
    expect(arrived).toHaveLength(4096);
    for (const { stream, id } of arrived.splice(0, 10)) stream.answer({ id });
    await eventually("as many more", () => arrived.length >= 4096);
    expect(arrived).toHaveLength(4096);
    server.onFrame = echo;
    for (const { stream, id } of arrived.splice(0)) stream.answer({ id });
    expect(await all).toHaveLength(4196);
  });
});

test("a server that reads slowly holds calls back, and those have not left", async () => {
  await warm();
  server.stream.stall();
  const leaving = new AbortController();
  setMaxListeners(0, leaving.signal);
  const failures = Array.from({ length: 200 }, () =>
    failureOf(put(Buffer.alloc(60_000), { signal: leaving.signal })),
  );
  let before = -1;
  let looks = 0;
  await eventually("it stands still", () => {
    looks = server.stream.frames.length === before ? looks + 1 : 0;
    before = server.stream.frames.length;
    return looks === 5;
  });
  leaving.abort();
  const outcomes = (await Promise.all(failures)).map(({ outcome }) => outcome);
  // Windows of HTTP/2, what grpc-js keeps for a retry of its own (1 MiB), and 16 messages read ahead.
  expect(outcomes.indexOf("not_applied")).toBeGreaterThan(0);
  expect(outcomes.indexOf("not_applied")).toBeLessThan(100);
  expect(outcomes.slice(outcomes.indexOf("not_applied")).every((outcome) => outcome === "not_applied")).toBe(
    true,
  );
});

test("a stream on which nothing comes is left for a new one when a deadline passes there", async () => {
  const silent = failureOf(put("a", { timeoutMs: 1200 }));
  const patient = put("b");
  expect((await silent).code).toBe("DEADLINE_EXCEEDED");
  const first = server.stream;
  server.onFrame = echo;
  expect(await text(put("c"))).toBe("c");
  expect(server.streams).toHaveLength(2);
  first.answer(...first.calls.map(({ id, body }) => ({ id, body })));
  expect(await text(patient)).toBe("b");
  await eventually("it has ended", () => first.isDone);
});

describe("when a stream ends", () => {
  /** Fills the stream, so that of these calls some have left and some have not. */
  async function halfSent(): Promise<Promise<QuorateError>[]> {
    const failures = Array.from({ length: 4100 }, () => failureOf(put("x")));
    await eventually("as many as it takes", () => server.streams.at(-1)?.calls.length === 4096);
    return failures;
  }

  test("by a lost connection, what has left is in doubt and what has not was not applied", async () => {
    const failures = await halfSent();
    server.stop();
    const ends = await Promise.all(failures);
    expect(ends.slice(0, 4096).every(({ outcome, retryable }) => outcome === null && retryable)).toBe(true);
    for (const end of ends.slice(4096)) {
      expect(end).toMatchObject({ code: "UNAVAILABLE", retryable: true, outcome: "not_applied" });
    }
  });

  test("by a server that shuts down, so too, whatever it says of itself; later calls open another", async () => {
    const failures = await halfSent();
    const details = detailed(status.UNAVAILABLE, "shutting down", {
      reason: ErrorReason.SHUTTING_DOWN,
      retryable: true,
      outcome: Outcome.NOT_APPLIED,
    });
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", details);
    server.stream.end({ code: status.UNAVAILABLE, details: "shutting down", metadata });
    const ends = await Promise.all(failures);
    for (const end of ends.slice(0, 4096)) {
      expect(end).toMatchObject({
        code: "UNAVAILABLE",
        reason: "UNSPECIFIED",
        retryable: true,
        outcome: null,
      });
    }
    for (const end of ends.slice(4096)) {
      expect(end).toMatchObject({ reason: "SHUTTING_DOWN", retryable: true, outcome: "not_applied" });
    }
    server.onFrame = echo;
    expect(await text(put("again"))).toBe("again");
    expect(server.streams).toHaveLength(2);
  });

  test("with OK, all that it took is answered, so nothing else was applied; later calls open another", async () => {
    const failures = Array.from({ length: 4100 }, (_, at) =>
      put(`${at}`).then(String, (error: QuorateError) => error),
    );
    await eventually("as many as it takes", () => server.streams.at(-1)?.calls.length === 4096);
    server.stream.answer(...server.stream.calls.slice(0, 2000).map(({ id, body }) => ({ id, body })));
    server.stream.end();
    const ends = await Promise.all(failures);
    expect(ends.slice(0, 2000)).toEqual(Array.from({ length: 2000 }, (_, at) => `${at}`));
    for (const end of ends.slice(2000)) {
      expect(end).toMatchObject({ reason: "SHUTTING_DOWN", retryable: true, outcome: "not_applied" });
    }
    server.onFrame = echo;
    expect(await text(put("again"))).toBe("again");
    expect(server.streams).toHaveLength(2);
  });

  test("right behind answers, those count", async () => {
    server.onFrame = (stream, { calls }) => {
      for (const { id, body } of calls) stream.answer({ id, body });
      stream.end();
    };
    const bodies = Array.from({ length: 100 }, (_, at) => `${at}`);
    expect(await Promise.all(bodies.map((body) => text(put(body))))).toEqual(bodies);
  });

  test("by a frame that cannot be read, its calls are in doubt", async () => {
    server.onFrame = (stream) => stream.write(Buffer.of(0x0a, 0xff));
    expect(await failureOf(put("a"))).toMatchObject({ code: "UNAVAILABLE", retryable: true, outcome: null });
    await eventually("the server is told", () => server.stream.isCancelled);
    server.onFrame = echo;
    expect(await text(put("b"))).toBe("b");
  });
});

describe("an open stream", () => {
  test("ends when nobody uses it, and the next call opens another", async () => {
    server.onFrame = echo;
    await put("a");
    await eventually("it has ended", () => server.stream.isDone);
    await put("b");
    expect(server.streams).toHaveLength(2);
  });

  test("is not ended while a call is open, however long that takes", async () => {
    const call = put("a");
    await eventually("it has arrived", () => server.streams.at(-1)?.calls.length === 1);
    const beganMs = performance.now();
    await eventually("longer than that", () => performance.now() - beganMs > 350);
    expect(server.stream.isDone).toBe(false);
    server.stream.answer({ id: server.stream.calls[0]!.id, body: Buffer.from("late") });
    expect(await text(call)).toBe("late");
    await eventually("it has ended", () => server.stream.isDone);
  });

  test("of a connection that is closed ends when its calls are given up, of which it tells", async () => {
    const leaving = new AbortController();
    const failures = ["a", "b"].map((body) => failureOf(put(body, { signal: leaving.signal })));
    await eventually("they have arrived", () => server.streams.at(-1)?.calls.length === 2);
    connection.close();
    const { stream } = server;
    leaving.abort();
    await Promise.all(failures);
    await eventually("it has ended", () => stream.isDone);
    expect(stream.cancelled).toEqual(stream.calls.map(({ id }) => id));
  });

  test("of a connection that is closed ends when its calls are answered", async () => {
    const calls = [put("a"), put("b")];
    await eventually("they have arrived", () => server.streams.at(-1)?.calls.length === 2);
    connection.close();
    const { stream } = server;
    expect(stream.isDone).toBe(false);
    stream.answer(...stream.calls.map(({ id, body }) => ({ id, body })));
    expect(await Promise.all(calls.map(text))).toEqual(["a", "b"]);
    await eventually("it has ended", () => stream.isDone);
  });

  test("keeps no process running", async () => {
    server.onFrame = echo;
    const program = `require("@quorate/client").connect("${server.address}").kv.count().then(() => console.log("done"))`;
    const child = spawn(process.execPath, ["-e", program], {
      cwd: __dirname,
      stdio: ["ignore", "pipe", "inherit"],
    });
    closing.push({ close: () => void child.kill() });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually("it has exited", () => child.exitCode !== null);
    expect([child.exitCode, said, server.streams.length]).toEqual([0, "done\n", 1]);
  });
});
