import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { connect, type Quorate, QuorateError } from "@quorate/client";
import { ErrorReason, type Outcome } from "@quorate/client/generated";
import { Status } from "nice-grpc";
import { onceArrived } from "../forward/serving";
import { FakeKvServer, refuse } from "./fake-kv-server";

/** A quarter of it, which an attempt may take, is longer than a whole test: none passes by waiting until time is up. */
const PATIENT = { deadlineMs: 10 * 60_000, connectTimeoutMs: 10 * 60_000 };

let server: FakeKvServer;
let address: string;
let quorate: Quorate;

beforeEach(async () => {
  server = new FakeKvServer();
  address = await server.listen();
  quorate = connect({ endpoints: address, ...PATIENT });
});

afterEach(async () => {
  await quorate.close();
  server.stop();
});

async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  const thrown = await call.then(
    () => new Error("the call succeeded"),
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(QuorateError);
  return thrown as QuorateError;
}

describe("over real gRPC", () => {
  test("bytes, text and revisions arrive as they are", async () => {
    server.answer = async () => Uint8Array.of(0, 255, 65);
    const record = await quorate.kv.get("ключ");
    expect(record?.bytes).toEqual(Uint8Array.of(0, 255, 65));
    expect(record).toMatchObject({ key: "ключ", createRevision: 5, modRevision: 5, version: 1, leaseId: 0n });
    expect(() => record?.text()).toThrow("not UTF-8");
    server.answer = async () => null;
    expect(await quorate.kv.get("ключ")).toBeUndefined();
  });

  test("B8: code, reason, outcome, leader and oldest revision come from the trailer", async () => {
    server.answer = async (_, context) =>
      refuse(context, Status.OUT_OF_RANGE, "revision 1 was compacted; the oldest is 3", {
        reason: ErrorReason.COMPACTED,
        leader: { memberId: "n2", address: "127.0.0.1:9" },
        oldestRevision: 3n,
      });
    expect(await failureOf(quorate.kv.get("k"))).toMatchObject({
      name: "QuorateError",
      code: "OUT_OF_RANGE",
      reason: "COMPACTED",
      retryable: false,
      outcome: null,
      leader: { memberId: "n2", address: "127.0.0.1:9" },
      oldestRevision: 3,
      message: "revision 1 was compacted; the oldest is 3",
    });
  });

  test("B8: a reason and an outcome of a newer server are told apart from none", async () => {
    server.answer = async (_, context) =>
      // A status that is not asked again, since an unknown outcome alone would be, up to the deadline.
      refuse(context, Status.DATA_LOSS, "new", {
        reason: 999 as ErrorReason,
        outcome: 9 as Outcome,
      });
    const error = await failureOf(quorate.kv.get("k"));
    expect([error.code, error.reason, error.outcome]).toEqual(["DATA_LOSS", "UNSPECIFIED", "unknown"]);
  });

  test("a call that is given up while it connects is not sent", async () => {
    let calls = 0;
    server.answer = async () => {
      calls += 1;
      return null;
    };
    const abort = new AbortController();
    const { signal } = abort;
    const given = [quorate.kv.get("k", { signal }), quorate.kv.put("k", "v", { signal })].map(failureOf);
    given.push(failureOf(quorate.kv.scan({}, { signal })[Symbol.asyncIterator]().next()));
    abort.abort();
    for (const { reason } of await Promise.all(given)) expect(reason).toBe("CANCELLED");
    expect(await quorate.kv.get("k")).toBeUndefined();
    expect(calls).toBe(1);
  });

  test("a call ends at its deadline, and at the server too", async () => {
    let hasArrived = false;
    const ended = new Promise<void>((resolve) => {
      server.answer = (_, context) => {
        hasArrived = true;
        context.signal.addEventListener("abort", () => resolve());
        return new Promise(() => undefined);
      };
    });
    const error = await onceArrived(
      (deadlineMs) => failureOf(quorate.kv.get("k", { deadlineMs })),
      () => hasArrived,
    );
    expect([error.code, error.reason, error.outcome]).toEqual([
      "DEADLINE_EXCEEDED",
      "DEADLINE_EXCEEDED",
      null,
    ]);
    await ended;
  });

  test("a call that is aborted ends at once", async () => {
    const abort = new AbortController();
    server.answer = () => {
      abort.abort();
      return new Promise(() => undefined);
    };
    expect((await failureOf(quorate.kv.get("k", { signal: abort.signal }))).code).toBe("CANCELLED");
  });

  test("an endpoint at which nothing listens is left for one that works", async () => {
    const client = connect({ endpoints: `127.0.0.1:1,${address}`, ...PATIENT });
    expect(await client.kv.get("k")).toBeUndefined();
    await client.close();
  });

  test("a server that comes back is found again", async () => {
    await quorate.kv.get("k");
    server.stop();
    const found = quorate.kv.get("k");
    server = new FakeKvServer();
    server.answer = async () => Uint8Array.of(65);
    await server.listen(address);
    expect((await found)?.text()).toBe("A");
  });
});

describe("an endpoint that takes connections and says nothing", () => {
  let silent: Server;
  const sockets = new Set<Socket>();
  let silentAddress: string;

  beforeEach(async () => {
    silent = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    silentAddress = `127.0.0.1:${(silent.address() as { port: number }).port}`;
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });

  test("is left for the next one after the time of one attempt to connect", async () => {
    const endpoints = `${silentAddress},${address}`;
    const client = connect({ endpoints, ...PATIENT, connectTimeoutMs: 150 });
    const beganMs = performance.now();
    expect(await client.kv.get("k")).toBeUndefined();
    // Timers are kept by another clock, to the millisecond.
    expect(performance.now() - beganMs).toBeGreaterThan(145);
    await client.close();
  });

  test("fails a call with UNAVAILABLE, since nothing was sent, and no attempt to connect takes longer than it may", async () => {
    const client = connect({ endpoints: silentAddress, connectTimeoutMs: 50, deadlineMs: 300 });
    const error = await failureOf(client.kv.put("k", "v"));
    expect([error.code, error.outcome]).toEqual(["UNAVAILABLE", "not_applied"]);
    // The last attempt has what is left until the deadline, if that is less.
    const [, attemptMs] = /: no connection within (\d+) ms$/.exec(error.message) ?? [];
    expect(Number(attemptMs)).toBeLessThanOrEqual(50);
    await client.close();
  });
});
