import { spawn } from "node:child_process";
import { setMaxListeners } from "node:events";
import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import type { QuorateError } from "@quorate/client";
import { ErrorReason, Outcome } from "@quorate/client/generated";
import { eventually } from "../../support/eventually";
import { closing, connection, detailed, echo, failureOf, put, server, text, warm } from "./pipeline-rig";

/** How many calls are open on a stream at most. */
const OPEN_MAX = 2048;

test("a stream that is full of calls which wait is left for a new one, to which those go that have not left", async () => {
  await warm();
  const first = server.stream;
  const waiting = Array.from({ length: OPEN_MAX + 2 }, (_, nth) => text(put(`${nth}`)));
  await eventually("it is full", () => first.calls.length === 1 + OPEN_MAX);
  const beganMs = performance.now();
  await eventually("it has been for a while", () => performance.now() - beganMs > 1100);
  server.onFrame = echo;
  expect(await text(put("later"))).toBe("later");
  expect(await Promise.all(waiting.slice(OPEN_MAX))).toEqual([`${OPEN_MAX}`, `${OPEN_MAX + 1}`]);
  expect(server.streams).toHaveLength(2);
  expect(server.stream.calls.map(({ body }) => String(body))).toEqual([
    `${OPEN_MAX}`,
    `${OPEN_MAX + 1}`,
    "later",
  ]);
  first.answer(...first.calls.map(({ id, body }) => ({ id, body })));
  expect((await Promise.all(waiting)).at(0)).toBe("0");
  await eventually("it has ended", () => first.isDone);
});

test("a stream that is full for a while is left also where calls come all the time, and each is sent once", async () => {
  await warm();
  const first = server.stream;
  const calls = Array.from({ length: OPEN_MAX }, (_, nth) => text(put(`${nth}`)));
  await eventually("it is full", () => first.calls.length === 1 + OPEN_MAX);
  await eventually("another is opened", () => {
    calls.push(text(put(`${calls.length}`)));
    return server.streams.length === 2;
  });
  first.answer(...first.calls.map(({ id, body }) => ({ id, body })));
  await eventually("it has ended", () => first.isDone);
  const bodies = calls.map((_, nth) => `${nth}`);
  const second = server.stream;
  await eventually("the rest has left", () => second.calls.length === calls.length - OPEN_MAX);
  const sent = [first, second].flatMap((stream) => stream.calls.map(({ body }) => String(body)));
  expect(sent.slice(1)).toEqual(bodies);
  second.answer(...second.calls.map(({ id, body }) => ({ id, body })));
  expect(await Promise.all(calls)).toEqual(bodies);
});

test("calls that were given up take no room of those that come", async () => {
  await warm();
  for (let nth = 0; nth < 4; nth += 1) {
    const leaving = new AbortController();
    setMaxListeners(0, leaving.signal);
    const { signal } = leaving;
    const failures = Array.from({ length: 50 }, () => failureOf(put(Buffer.alloc(60_000), { signal })));
    await eventually("they have left", () => server.stream.calls.length === 1 + 50 * (nth + 1));
    leaving.abort();
    for (const { code } of await Promise.all(failures)) expect(code).toBe("CANCELLED");
  }
  server.onFrame = echo;
  expect(await text(put("later"))).toBe("later");
  expect(server.streams).toHaveLength(1);
});

test("a stream that was full once and is not any more is not left", async () => {
  await warm();
  const first = server.stream;
  const calls = Array.from({ length: OPEN_MAX + 1 }, (_, nth) => text(put(`${nth}`)));
  await eventually("it is full", () => first.calls.length === 1 + OPEN_MAX);
  const [kept, ...others] = first.calls.slice(1);
  first.answer(...others.map(({ id, body }) => ({ id, body })));
  await Promise.all(calls.slice(1, OPEN_MAX));
  const beganMs = performance.now();
  await eventually("a while has passed", () => performance.now() - beganMs > 1100);
  server.onFrame = echo;
  expect(await text(put("later"))).toBe("later");
  expect(server.streams).toHaveLength(1);
  first.answer(...[kept!, first.calls.at(-2)!].map(({ id, body }) => ({ id, body })));
  expect([await calls[0], await calls[OPEN_MAX]]).toEqual(["0", `${OPEN_MAX}`]);
});

test("a stream on which nothing comes is left for a new one when a deadline passes there", async () => {
  // What it takes to connect is no silence of the stream.
  await warm();
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
    const failures = Array.from({ length: OPEN_MAX + 4 }, () => failureOf(put("x")));
    await eventually("as many as it takes", () => server.streams.at(-1)?.calls.length === OPEN_MAX);
    return failures;
  }

  test("by a lost connection, what has left is in doubt and what has not was not applied", async () => {
    const failures = await halfSent();
    server.stop();
    const ends = await Promise.all(failures);
    expect(ends.slice(0, OPEN_MAX).every(({ outcome, retryable }) => outcome === null && retryable)).toBe(
      true,
    );
    for (const end of ends.slice(OPEN_MAX)) {
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
    for (const end of ends.slice(0, OPEN_MAX)) {
      expect(end).toMatchObject({
        code: "UNAVAILABLE",
        reason: "UNSPECIFIED",
        retryable: true,
        outcome: null,
      });
    }
    for (const end of ends.slice(OPEN_MAX)) {
      expect(end).toMatchObject({ reason: "SHUTTING_DOWN", retryable: true, outcome: "not_applied" });
    }
    server.onFrame = echo;
    expect(await text(put("again"))).toBe("again");
    expect(server.streams).toHaveLength(2);
  });

  test("with OK, all that it took is answered, so nothing else was applied; later calls open another", async () => {
    const failures = Array.from({ length: OPEN_MAX + 4 }, (_, at) =>
      text(put(`${at}`)).catch((error: QuorateError) => error),
    );
    await eventually("as many as it takes", () => server.streams.at(-1)?.calls.length === OPEN_MAX);
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

  test.each([status.UNIMPLEMENTED, status.PERMISSION_DENIED, status.UNAUTHENTICATED])(
    "with a refusal (%d) behind an answer, what is not answered is in doubt, and not sent again",
    async (code) => {
      server.onFrame = (stream, { calls }) => {
        for (const { id, body } of calls) if (String(body) === "answered") stream.answer({ id, body });
      };
      const calls = [put("answered"), put("not answered")] as const;
      expect(await text(calls[0])).toBe("answered");
      server.stream.end({ code, details: "refused" });
      expect(await failureOf(calls[1])).toMatchObject({
        code: "UNAVAILABLE",
        retryable: true,
        outcome: null,
      });
      expect(server.loneCalls).toEqual([]);
    },
  );

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
