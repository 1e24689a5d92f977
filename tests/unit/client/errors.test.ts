import { execFileSync } from "node:child_process";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { connect, type Quorate, QuorateError, type Reason } from "@quorate/client";
import { ErrorReason, Outcome } from "@quorate/client/generated";
import { Status } from "nice-grpc";
import { FakeKvServer, refuse } from "./fake-kv-server";
import { connectionLost, HEADER, ScriptedEndpoints, sessionAnswer } from "./scripted-endpoints";

const REASONS = Object.keys(ErrorReason).filter((name) => !/^-?\d+$/.test(name) && name !== "UNRECOGNIZED");

async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  return call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => QuorateError.from(error),
  );
}

describe("each reason of the contract", () => {
  let server: FakeKvServer;
  let quorate: Quorate;

  beforeAll(async () => {
    server = new FakeKvServer();
    quorate = connect({ endpoints: await server.listen(), deadlineMs: 100_000 });
  });

  afterAll(async () => {
    await quorate.close();
    server.stop();
  });

  test.each(REASONS)("B8: %s arrives by its name", async (name) => {
    server.answer = async (_, context) =>
      refuse(context, Status.FAILED_PRECONDITION, `a ${name}`, {
        reason: ErrorReason[name as Reason],
        outcome: Outcome.NOT_APPLIED,
      });
    expect(await failureOf(quorate.kv.get("k"))).toMatchObject({
      name: "QuorateError",
      code: "FAILED_PRECONDITION",
      reason: name,
      retryable: false,
      outcome: "not_applied",
      message: `a ${name}`,
    });
  });
});

describe("the failure of a call of grpc-js", () => {
  /** Another service's, or one of nice-grpc, which fails with the same. */
  async function failedCall(address: string): Promise<unknown> {
    const client = new Client(address, credentials.createInsecure());
    const asIs = (bytes: Buffer) => bytes;
    try {
      return await new Promise((resolve) => {
        const path = "/quorate.kv.v1.KvService/Get";
        client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (failure) => resolve(failure));
      });
    } finally {
      client.close();
    }
  }

  test("is taken apart with the detail in its trailer", async () => {
    const server = new FakeKvServer();
    server.answer = async (_, context) =>
      refuse(context, Status.UNAVAILABLE, "not here", {
        reason: ErrorReason.NOT_LEADER,
        retryable: true,
        outcome: Outcome.NOT_APPLIED,
      });
    const address = await server.listen();
    const failure = await failedCall(address);
    server.stop();
    expect(failure).toMatchObject({ code: status.UNAVAILABLE });
    expect(QuorateError.from(failure)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "NOT_LEADER",
      retryable: true,
      outcome: "not_applied",
      message: "not here",
      cause: failure,
    });
  });

  test("without a trailer says what its code says", async () => {
    const failure = await failedCall("127.0.0.1:1");
    expect(QuorateError.from(failure)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "UNSPECIFIED",
      retryable: true,
      outcome: null,
    });
  });
});

test("the client loads no grpc-js, which was two fifths of the time that it takes to load", () => {
  const program = `require("@quorate/client"); console.log(Object.keys(require.cache).filter((name) => name.includes("grpc-js")).length)`;
  const printed = execFileSync(process.execPath, ["-e", program], { cwd: __dirname, encoding: "utf8" });
  expect(printed).toBe("0\n");
});

/** What the state machine answers to a request id: the same to every attempt that bore it. */
const SETTLING: readonly string[] = [
  "CONDITION_FAILED",
  "NOT_AN_INTEGER",
  "INTEGER_OVERFLOW",
  "TOO_LARGE",
  "QUOTA_EXCEEDED",
  "UNKNOWN_NAMESPACE",
  "UNKNOWN_LEASE",
  "NAMESPACE_EXISTS",
  "TOO_MANY_NAMESPACES",
  "TOO_MANY_LEASES",
  "PERMANENT_NAMESPACE",
  "COMPACTED",
  "FUTURE_REVISION",
];

describe("a write that was refused after an attempt with an open end", () => {
  test.each(REASONS.map((name) => [name, SETTLING.includes(name) ? "not_applied" : "unknown"] as const))(
    "B8: %s leaves the outcome %s",
    async (name, outcome) => {
      const refused = new QuorateError("refused", {
        code: "FAILED_PRECONDITION",
        reason: name as Reason,
        outcome: "not_applied",
      });
      const ends = new ScriptedEndpoints("127.0.0.1:1", ({ method }) => {
        if (method === "OpenSession" || method === "CloseSession") return sessionAnswer(method) ?? {};
        return ends.of("Put").length === 1 ? connectionLost : refused;
      });
      const error = await ends.failure(ends.client.kv.put("k", "v"));
      expect([error.reason, error.outcome]).toEqual([name, outcome]);
    },
  );
});

describe("session reads", () => {
  function revisions(): ScriptedEndpoints {
    let revision = 10n;
    return new ScriptedEndpoints("127.0.0.1:1", ({ method, request }) => {
      const known = sessionAnswer(method);
      if (known !== null) return known;
      const { namespace } = request as { readonly namespace: string };
      if (namespace !== "other") revision += 1n;
      const header = { ...HEADER, revision: namespace === "other" ? 3n : revision };
      return method === "Scan"
        ? [{ header, records: [], more: false }]
        : { header, record: undefined, count: 0n };
    });
  }

  function asked(ends: ScriptedEndpoints): readonly [number, bigint] {
    const request = ends.attempts.at(-1)?.request as { consistency: number; minRevision: bigint };
    return [request.consistency, request.minRevision];
  }

  const STALE = 2;

  test("C7: they are never behind what the client wrote, read or scanned", async () => {
    const ends = revisions();
    const { kv } = ends.client;
    await ends.timing.drive(kv.get("k", { consistency: "session" }));
    expect(asked(ends)).toEqual([STALE, 0n]);
    await ends.timing.drive(kv.put("k", "v"));
    await ends.timing.drive(kv.get("k", { consistency: "session" }));
    expect(asked(ends)).toEqual([STALE, 12n]);
    await ends.timing.drive(
      (async () => {
        for await (const record of kv.scan()) throw new Error(`there is no ${record.key}`);
      })(),
    );
    await ends.timing.drive(kv.count({}, { consistency: "session" }));
    expect(asked(ends)).toEqual([STALE, 14n]);
  });

  test("C7: each namespace has its own, and an explicit higher minimum counts", async () => {
    const ends = revisions();
    const { client } = ends;
    await ends.timing.drive(client.kv.put("k", "v"));
    await ends.timing.drive(client.namespace("other").get("k", { consistency: "session" }));
    expect(asked(ends)).toEqual([STALE, 0n]);
    await ends.timing.drive(client.namespace("default").get("k", { consistency: "session" }));
    expect(asked(ends)).toEqual([STALE, 11n]);
    await ends.timing.drive(client.kv.get("k", { consistency: "session", minRevision: 99 }));
    expect(asked(ends)).toEqual([STALE, 99n]);
  });

  test("an unknown word is refused with the ones there are", async () => {
    const ends = revisions();
    const consistency = "eventual" as unknown as "stale";
    expect((await ends.failure(ends.client.kv.get("k", { consistency }))).message).toMatch(
      /"linearizable", "stale" or "session"/,
    );
  });
});
