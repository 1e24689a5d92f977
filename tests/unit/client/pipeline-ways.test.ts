import { setMaxListeners } from "node:events";
import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { eventually } from "../../support/eventually";
import type { ServedStream } from "./fake-pipeline";
import {
  connectWithoutPipeline,
  echo,
  failureOf,
  put,
  replaceByOlderServer,
  server,
  text,
  warm,
} from "./pipeline-rig";

describe("where a server does not know pipelines", () => {
  test("calls go by themselves, with nothing lost, and later ones at once", async () => {
    await replaceByOlderServer();
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
    connectWithoutPipeline();
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
    const all = Promise.all(Array.from({ length: 2148 }, () => put("x")));
    await eventually("as many as it takes", () => arrived.length >= 2048);
    expect(arrived).toHaveLength(2048);
    for (const { stream, id } of arrived.splice(0, 10)) stream.answer({ id });
    await eventually("as many more", () => arrived.length >= 2048);
    expect(arrived).toHaveLength(2048);
    server.onFrame = echo;
    for (const { stream, id } of arrived.splice(0)) stream.answer({ id });
    expect(await all).toHaveLength(2148);
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
