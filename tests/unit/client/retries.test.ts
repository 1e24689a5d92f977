import { describe, expect, test } from "@jest/globals";
import { DEADLINE_MS, QuorateError } from "@quorate/client";
import { outOfOrder } from "./ordering-server";
import {
  connectionLost,
  HEADER,
  noLeader,
  ScriptedEndpoints,
  sessionAnswer,
  sessionExpired,
} from "./scripted-endpoints";

const A = "127.0.0.1:1";
const B = "127.0.0.1:2";
const C = "127.0.0.1:3";

describe("endpoints", () => {
  test("a call moves on to the next endpoint at once and later calls stay there", async () => {
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address }) =>
      address === A ? connectionLost : { header: HEADER, record: undefined },
    );
    await ends.timing.drive(ends.client.kv.get("k"));
    await ends.timing.drive(ends.client.kv.get("k"));
    expect(ends.attempts.map(({ address, atMs }) => [address, atMs])).toEqual([
      [A, 0],
      [B, 0],
      [B, 0],
    ]);
  });

  test("of many calls that fail on one endpoint together, none skips an endpoint", async () => {
    const ends = new ScriptedEndpoints(`${A},${B},${C}`, ({ address }) =>
      address === A ? connectionLost : { header: HEADER, record: undefined },
    );
    await ends.timing.drive(Promise.all(Array.from({ length: 10 }, () => ends.client.kv.get("k"))));
    expect(ends.attempts.filter(({ address }) => address === B)).toHaveLength(10);
    expect(ends.attempts.filter(({ address }) => address === C)).toHaveLength(0);
  });

  test("what one node says counts for more than that another cannot be reached", async () => {
    const unreachable = new QuorateError("nothing answers there", {
      code: "UNAVAILABLE",
      retryable: true,
      outcome: "not_applied",
    });
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address }) =>
      address === A ? noLeader : unreachable,
    );
    expect(await ends.failure(ends.client.kv.get("k"))).toMatchObject({ reason: "NO_LEADER" });
    const silent = new ScriptedEndpoints(`${A},${B}`, () => unreachable);
    expect(await silent.failure(silent.client.kv.get("k"))).toMatchObject({
      message: "nothing answers there",
    });
  });

  test("no attempt begins so late that it would end in doubt", async () => {
    const ends = new ScriptedEndpoints(A, () => noLeader);
    const failure = await ends.failure(ends.client.cluster.promoteMember("n4"));
    expect(failure).toMatchObject({ reason: "NO_LEADER", outcome: "not_applied" });
    const timeouts = ends.of("PromoteMember").map(({ timeoutMs }) => timeoutMs);
    expect(timeouts.length).toBeGreaterThan(5);
    expect(Math.min(...timeouts)).toBeGreaterThanOrEqual(DEADLINE_MS / 50);
  });

  test("a node that answers nothing takes a part of the deadline, not all of it", async () => {
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address }) =>
      address === A ? "silence" : { header: HEADER, record: undefined },
    );
    await ends.timing.drive(ends.client.kv.get("k"));
    expect(ends.attempts.map(({ address, atMs }) => [address, atMs])).toEqual([
      [A, 0],
      [B, DEADLINE_MS / 4],
    ]);
  });

  test("a call that is just long gets more time in each round", async () => {
    const ends = new ScriptedEndpoints(`${A},${B}`, () => "silence", { deadlineMs: 60_000 });
    await ends.failure(ends.client.kv.get("k"));
    expect(ends.attempts.slice(0, 3).map(({ timeoutMs }) => Math.round(timeoutMs / 1000))).toEqual([
      15, 15, 30,
    ]);
  });

  test("a refusal that names the leader leads there", async () => {
    const notLeader = new QuorateError("n1 is not the leader", {
      code: "UNAVAILABLE",
      reason: "NOT_LEADER",
      retryable: true,
      outcome: "not_applied",
      leader: { memberId: "n3", address: C },
    });
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ address, method }) =>
      address === C ? (sessionAnswer(method) ?? { header: HEADER }) : notLeader,
    );
    await ends.timing.drive(ends.client.kv.put("k", "v"));
    expect(ends.attempts.map(({ address, method }) => [address, method])).toEqual([
      [A, "OpenSession"],
      [C, "OpenSession"],
      [C, "Put"],
    ]);
  });
});

describe("the deadline", () => {
  test("B8: without an option it is 5 s, and the last failure is what the caller gets", async () => {
    const ends = new ScriptedEndpoints(A, () => noLeader);
    const error = await ends.failure(ends.client.kv.get("k"));
    expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "NO_LEADER", retryable: true });
    expect(ends.timing.nowMs()).toBeGreaterThan(4500);
    expect(ends.timing.nowMs()).toBeLessThanOrEqual(5000);
  });

  test("waits between attempts grow up to a quarter of a second", async () => {
    const ends = new ScriptedEndpoints(A, () => noLeader);
    await ends.failure(ends.client.kv.get("k"));
    const times = ends.attempts.map(({ atMs }) => atMs);
    const waits = times.slice(1).map((atMs, at) => atMs - (times[at] as number));
    expect(waits.slice(0, 5)).toEqual([30, 60, 120, 187.5, 187.5]);
  });

  test("a silent node fails a call with DEADLINE_EXCEEDED, a write with its outcome unknown", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? "silence");
    const read = await ends.failure(ends.client.kv.get("k", { deadlineMs: 700 }));
    const write = await ends.failure(ends.client.kv.put("k", "v", { deadlineMs: 700 }));
    expect([read.code, read.outcome]).toEqual(["DEADLINE_EXCEEDED", null]);
    expect([write.code, write.outcome]).toEqual(["DEADLINE_EXCEEDED", "unknown"]);
  });

  test("a write whose session never opened says why, and that it was not applied", async () => {
    const ends = new ScriptedEndpoints(A, () => connectionLost);
    const error = await ends.failure(ends.client.kv.put("k", "v", { deadlineMs: 700 }));
    expect([error.code, error.message, error.outcome]).toEqual([
      "UNAVAILABLE",
      "connection dropped",
      "not_applied",
    ]);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "%p is refused as a deadline",
    async (deadlineMs) => {
      const ends = new ScriptedEndpoints(A, () => noLeader);
      const error = await ends.failure(ends.client.kv.get("k", { deadlineMs }));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_ARGUMENT" });
      expect(ends.attempts).toEqual([]);
    },
  );
});

describe("what is repeated", () => {
  test("a refusal that a repetition cannot change is not repeated", async () => {
    const refused = new QuorateError("key must not be empty", {
      code: "INVALID_ARGUMENT",
      reason: "INVALID_ARGUMENT",
      outcome: "not_applied",
    });
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ method }) => sessionAnswer(method) ?? refused);
    const error = await ends.failure(ends.client.kv.put("", "v"));
    expect([error.reason, error.outcome]).toEqual(["INVALID_ARGUMENT", "not_applied"]);
    expect(ends.of("Put")).toHaveLength(1);
  });

  test("C10: a write is repeated under the same request id, on another endpoint too", async () => {
    let puts = 0;
    const ends = new ScriptedEndpoints(`${A},${B}`, ({ method }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      puts += 1;
      return puts < 3 ? connectionLost : { header: HEADER };
    });
    expect(await ends.timing.drive(ends.client.kv.put("k", "v"))).toMatchObject({ revision: 7 });
    expect(ends.of("Put").map(({ address, requestId }) => [address, requestId])).toEqual([
      [A, "42/1/1/0"],
      [B, "42/1/1/0"],
      [A, "42/1/1/0"],
    ]);
  });

  test("once an attempt's fate is open, a refusal of a later attempt does not settle it", async () => {
    let puts = 0;
    const ends = new ScriptedEndpoints(A, ({ method }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      puts += 1;
      return puts === 1 ? connectionLost : noLeader;
    });
    const error = await ends.failure(ends.client.kv.put("k", "v"));
    expect([error.reason, error.outcome]).toEqual(["NO_LEADER", "unknown"]);
  });

  test("an answer of the state machine to the request id settles all its attempts", async () => {
    const failed = new QuorateError("condition", {
      code: "FAILED_PRECONDITION",
      reason: "CONDITION_FAILED",
      outcome: "not_applied",
    });
    let puts = 0;
    const ends = new ScriptedEndpoints(A, ({ method }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      puts += 1;
      return puts === 1 ? connectionLost : failed;
    });
    const error = await ends.failure(ends.client.kv.put("k", "v", { expectedModRevision: 3 }));
    expect([error.reason, error.outcome]).toEqual(["CONDITION_FAILED", "not_applied"]);
  });

  test("a namespace that is gone says nothing about what was applied to it before, but one that a call names does", async () => {
    const unknownNamespace = new QuorateError("there is no such namespace", {
      code: "NOT_FOUND",
      reason: "UNKNOWN_NAMESPACE",
      outcome: "not_applied",
    });
    let isLost = true;
    const ends = new ScriptedEndpoints(A, ({ method }) => {
      if (sessionAnswer(method) !== null) return sessionAnswer(method) ?? {};
      isLost = !isLost;
      return isLost ? unknownNamespace : connectionLost;
    });
    const error = await ends.failure(ends.client.namespace("shop").put("k", "v"));
    expect([error.reason, error.outcome]).toEqual(["UNKNOWN_NAMESPACE", "unknown"]);
    const named = await ends.failure(ends.client.namespaces.delete("shop"));
    expect([named.reason, named.outcome]).toEqual(["UNKNOWN_NAMESPACE", "not_applied"]);
  });

  test("an aborted call ends at once; what was sent may have been applied", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? "silence");
    await ends.timing.drive(ends.client.kv.delete("first", { deadlineMs: 10 }).catch(() => undefined));
    const abort = new AbortController();
    const call = ends.client.kv.put("k", "v", { signal: abort.signal });
    setImmediate(() => abort.abort(new Error("enough")));
    const error = await call.catch((thrown: unknown) => QuorateError.from(thrown));
    expect(error).toMatchObject({ code: "CANCELLED", reason: "CANCELLED", outcome: "unknown" });
    expect((error as Error).cause).toEqual(new Error("enough"));
  });

  test("a closed client refuses calls", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER });
    await ends.timing.drive(ends.client.kv.put("k", "v"));
    await ends.timing.drive(ends.client.close());
    await ends.client.close();
    expect(ends.of("CloseSession").map(({ request }) => request)).toEqual([{ namespace: "", clientId: 42n }]);
    const error = await ends.failure(ends.client.kv.get("k"));
    expect(error.message).toBe("the client is closed");
  });
});

describe("sessions", () => {
  test("writes that begin together share one opening", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER });
    await ends.timing.drive(Promise.all(["a", "b", "c"].map((key) => ends.client.kv.put(key, "v"))));
    expect(ends.of("OpenSession")).toHaveLength(1);
    expect(ends.of("Put").map(({ requestId }) => requestId)).toEqual(["42/1/1/0", "42/2/1/1", "42/3/1/2"]);
  });

  test("each namespace has a session of its own", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER });
    await ends.timing.drive(ends.client.kv.put("k", "v"));
    await ends.timing.drive(ends.client.namespace("other").put("k", "v"));
    expect(ends.of("OpenSession").map(({ request }) => (request as { namespace: string }).namespace)).toEqual(
      ["", "other"],
    );
  });

  test("the first unanswered sequence follows the oldest write that still waits", async () => {
    const releases = new Map<string, () => void>();
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER });
    const hold = ends.timing.drive(ends.client.kv.put("first", "v"));
    await hold;
    ends.answer = ({ method, request }) => {
      const key = Buffer.from((request as { key: Uint8Array }).key).toString();
      if (method === "Put" && key === "slow") {
        return new Promise<object>((resolve) => releases.set(key, () => resolve({ header: HEADER })));
      }
      return { header: HEADER };
    };
    const slow = ends.client.kv.put("slow", "v");
    await ends.timing.drive(ends.client.kv.put("a", "v"));
    await ends.timing.drive(ends.client.kv.put("b", "v"));
    releases.get("slow")?.();
    await slow;
    await ends.timing.drive(ends.client.kv.put("c", "v"));
    expect(ends.of("Put").map(({ requestId }) => requestId)).toEqual([
      "42/1/1/0",
      "42/2/2/0",
      "42/3/2/2",
      "42/4/2/2",
      "42/5/5/0",
    ]);
  });

  test("a write beyond the window waits for the oldest one", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? { header: HEADER });
    let release: () => void = () => undefined;
    ends.answer = ({ method, requestId }) => {
      if (method === "Put" && requestId?.startsWith("42/1/") === true) {
        return new Promise<object>((resolve) => {
          release = () => resolve({ header: HEADER });
        });
      }
      return sessionAnswer(method) ?? { header: HEADER };
    };
    const all = Array.from({ length: 1030 }, (_, at) => ends.client.kv.put(`k${at}`, "v"));
    await ends.timing.drive(all[1023] as Promise<unknown>);
    expect(ends.of("Put")).toHaveLength(1024);
    release();
    await ends.timing.drive(Promise.all(all));
    expect(ends.of("Put").at(-1)?.requestId).toMatch(
      /^42\/1030\/10(25|26|27|28|29|30)\/(0|10(25|26|27|28|29))$/,
    );
  });

  test("writes that wait for room begin in their order, each woken once", async () => {
    const releases: (() => void)[] = [];
    const ends = new ScriptedEndpoints(A, ({ method }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      return new Promise<object>((resolve) => releases.push(() => resolve({ header: HEADER })));
    });
    let timers = 0;
    const { schedule } = ends.timing;
    ends.timing.schedule = (delayMs, task) => {
      timers += 1;
      return schedule.call(ends.timing, delayMs, task);
    };
    const all = Array.from({ length: 2_000 }, (_, at) => ends.client.kv.put(`k${at}`, "v"));
    for (let at = 0; at < all.length; at += 1) {
      while (releases[at] === undefined) await new Promise((resolve) => setImmediate(resolve));
      releases[at]?.();
    }
    await Promise.all(all);
    const sequences = ends.of("Put").map(({ requestId }) => Number(requestId?.split("/")[1]));
    expect(sequences).toEqual(Array.from({ length: 2_000 }, (_, at) => at + 1));
    // One for each write that waited for the session or for room, and not one for each that ended meanwhile.
    expect(timers).toBeLessThan(3 * all.length);
  });

  test("writes that wait for room in a session that is lost begin in the next one", async () => {
    let opened = 0;
    const ends = new ScriptedEndpoints(A, ({ method, requestId }) => {
      if (method === "OpenSession") {
        opened += 1;
        return { header: HEADER, clientId: BigInt(opened), ttlMs: 1n };
      }
      return requestId?.startsWith("1/") === true ? sessionExpired : { header: HEADER };
    });
    await ends.timing.drive(
      Promise.all(Array.from({ length: 1_100 }, (_, at) => ends.client.kv.put(`k${at}`, "v"))),
    );
    expect(opened).toBe(2);
    expect(new Set(ends.of("Put").map(({ requestId }) => requestId)).size).toBe(1_024 + 1_100);
  });

  test("a session that the server has forgotten is opened anew, and the write sent under the new one", async () => {
    let opened = 0;
    const ends = new ScriptedEndpoints(A, ({ method, requestId }) => {
      if (method === "OpenSession") {
        opened += 1;
        return { header: HEADER, clientId: BigInt(opened), ttlMs: 1n };
      }
      return requestId?.startsWith("1/") === true ? sessionExpired : { header: HEADER };
    });
    await ends.timing.drive(Promise.all([ends.client.kv.put("a", "v"), ends.client.kv.put("b", "v")]));
    expect(opened).toBe(2);
    expect(ends.of("Put").map(({ requestId }) => requestId)).toEqual([
      "1/1/1/0",
      "1/2/1/1",
      "2/1/1/0",
      "2/2/1/1",
    ]);
  });

  test("a session that is lost after an attempt with an open fate leaves the outcome unknown", async () => {
    let puts = 0;
    const ends = new ScriptedEndpoints(A, ({ method }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      puts += 1;
      return puts === 1 ? connectionLost : sessionExpired;
    });
    const error = await ends.failure(ends.client.kv.put("k", "v"));
    expect([error.reason, error.outcome]).toEqual(["SESSION_EXPIRED", "unknown"]);
    expect(ends.of("Put")).toHaveLength(2);
  });

  test.each<[string, QuorateError[]]>([
    ["that it lost the session", [sessionExpired.withOutcome("unknown")]],
    [
      "that it came too early, before the session is lost",
      [outOfOrder.withOutcome("unknown"), sessionExpired],
    ],
  ])("where a gateway sent a write twice and tells %s, the write does not begin anew", async (_, answers) => {
    const left = [...answers];
    const ends: ScriptedEndpoints = new ScriptedEndpoints(A, ({ method, requestId }) => {
      if (method !== "Put") return sessionAnswer(method) ?? {};
      if (requestId?.startsWith("42/2/") === true) {
        return new Promise((resolve) => ends.timing.schedule(10, () => resolve({ header: HEADER })));
      }
      return requestId?.startsWith("42/3/") === true
        ? (left.shift() ?? { header: HEADER })
        : { header: HEADER };
    });
    await ends.client.kv.put("opens the session", "v");
    const before = ends.client.kv.put("before it", "v");
    const failure = ends.failure(ends.client.kv.put("k", "v"));
    const [error] = await ends.timing.drive(Promise.all([failure, before]));
    expect(error).toMatchObject({ reason: "SESSION_EXPIRED", outcome: "unknown" });
    expect(left).toEqual([]);
    expect(ends.of("OpenSession")).toHaveLength(1);
  });
});
