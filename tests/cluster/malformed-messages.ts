import { connect } from "node:net";
import { describe, expect } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/client/generated";
import {
  type BareEndpoint,
  bytes,
  eventually,
  type FileCluster,
  isLongRun,
  noise,
  ownEntries,
  type Reply,
  unaryBytes,
} from "#support";
import { failed } from "./failed";

/**
 * Bytes that are no Protobuf message: a tag without end, a length beyond the end, a wire type
 * that there is not, field numbers of 0, the end of a group that never began, a length of 4 GiB.
 */
const garbage: readonly Uint8Array[] = [
  Uint8Array.of(0xff, 0xff, 0xff),
  Uint8Array.of(0x12, 0x7f, 0x61),
  Uint8Array.of(0x0f),
  Uint8Array.of(0x00),
  Uint8Array.of(0x00, 0x61),
  Uint8Array.of(0x02, 0x01, 0x61),
  Uint8Array.of(0x0c),
  Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f),
];

/** How often each client mixes a valid and an invalid call, of which there are seven. */
const TURNS = isLongRun ? 28 : 14;

/** What a cluster of three nodes and a gateway must answer to messages that are malformed or too large. */
export function malformedMessages({ test }: FileCluster): void {
  describe("malformed and oversized messages", () => {
    test("B1 B2: what is malformed or too large leaves a line with the peer in the node's log", async (c) => {
      const node = await c.leader();
      const peer = expect.stringMatching(/^(ipv4:)?127\.0\.0\.1:\d+$/);
      const lines = (path: string): Record<string, unknown>[] =>
        c
          .logs(node)
          .split("\n")
          .filter((line) => line.includes(path))
          .map((line) => JSON.parse(line));
      const endpoint = c.node(node);
      await endpoint.kv.attemptBytes("prepend", garbage[0] as Uint8Array);
      await eventually("the malformed call is logged", () => lines("KvService/Prepend").length > 0);
      expect(lines("KvService/Prepend")).toEqual([
        expect.objectContaining({ peer, reason: "MALFORMED_REQUEST" }),
      ]);
      await endpoint.kv.attempt("append", { key: bytes("b2/log"), value: new Uint8Array(1_048_577) });
      await eventually("the oversized value is logged", () => lines("KvService/Append").length > 0);
      expect(lines("KvService/Append")).toEqual([expect.objectContaining({ peer, reason: "TOO_LARGE" })]);
      await endpoint.kv.attemptBytes("batchGet", new Uint8Array(6 * 1024 * 1024));
      await eventually("the oversized message is logged", () => lines("KvService/BatchGet").length > 0);
      expect(lines("KvService/BatchGet")).toEqual([expect.objectContaining({ peer })]);
    });

    test("B1: a malformed message gets a status, and the next call on the channel succeeds", async (c) => {
      for (const endpoint of [c.freshEndpoint(1), c.freshEndpoint(2), c.freshEndpoint(3), c.gateway()]) {
        for (const [at, body] of garbage.entries()) {
          const reply = failed(await endpoint.kv.attemptBytes("put", body));
          expect(reply).toMatchObject({ code: "INVALID_ARGUMENT", detail: { outcome: Outcome.NOT_APPLIED } });
          expect(reply.detail?.reason).toBe(ErrorReason.MALFORMED_REQUEST);
          const key = bytes(`b1/${at}`);
          await endpoint.kv.call("put", { key, value: bytes("valid") });
          expect((await endpoint.kv.call("get", { key })).record?.key).toHaveLength(key.length);
        }
      }
    });

    test("B1: every unary method answers a malformed message with a status", async (c) => {
      const { kv, admin } = c.node(await c.leader());
      const [tag] = garbage as [Uint8Array];
      const replies = [
        ...(await Promise.all(
          (
            [
              "openSession",
              "closeSession",
              "put",
              "get",
              "batchGet",
              "delete",
              "deleteRange",
              "count",
              "exists",
              "increment",
              "append",
              "prepend",
              "truncate",
            ] as const
          ).map((method) => kv.attemptBytes(method, tag)),
        )),
        ...(await Promise.all(
          (["status", "listMembers", "transferLeadership", "hash", "stats"] as const).map((method) =>
            admin.attemptBytes(method, tag),
          ),
        )),
      ];
      for (const reply of replies) expect(reply).toMatchObject({ ok: false, code: "INVALID_ARGUMENT" });
      const health = await unaryBytes(c.node(1).client(), "/grpc.health.v1.Health/Check", tag);
      expect(health.ok).toBe(false);
      expect(await c.node(1).health("")).toBe("SERVING");
    });

    test("B1: bytes that are not even HTTP/2 end that connection and nothing else", async (c) => {
      for (const node of c.numbers) {
        for (const port of [Number(c.address(node).split(":")[1]), c.topology.peerPort(node)]) {
          const socket = connect(port, "127.0.0.1");
          const closed = new Promise((resolve) => socket.once("close", resolve));
          socket.on("error", () => undefined);
          socket.resume();
          socket.write(Buffer.from(noise(4096, port)));
          await closed;
        }
        await c.node(node).kv.call("put", { key: bytes("b1/after"), value: bytes("served") });
      }
      await c.agree();
    });

    test("B2: a value over the limit is refused, the server lives, and the log is unchanged", async (c) => {
      const limit = Number((await c.status(1)).limits?.valueBytesMax);
      for (const endpoint of [...c.numbers.map((node) => c.node(node)), c.gateway()]) {
        const value = noise(limit + 1, 1);
        const entries = await ownEntries(c, async () => {
          const reply = failed(await endpoint.kv.attempt("put", { key: bytes("b2/value"), value }));
          expect(reply).toMatchObject({
            code: "RESOURCE_EXHAUSTED",
            message: expect.stringContaining(String(limit)),
            detail: { reason: ErrorReason.TOO_LARGE, outcome: Outcome.NOT_APPLIED, retryable: false },
          });
        });
        expect(entries).toBe(0);
        expect((await endpoint.kv.call("get", { key: bytes("b2/value") })).record).toBeUndefined();
      }
    });

    test("B2: a message over the limit is refused, the server lives, and the log is unchanged", async (c) => {
      const limit = Number((await c.status(1)).limits?.requestBytesMax);
      for (const [at, endpoint] of [...c.numbers.map((node) => c.node(node)), c.gateway()].entries()) {
        for (const lengthBytes of [limit + 1, 6 * 1024 * 1024]) {
          const body = new Uint8Array(lengthBytes);
          const entries = await ownEntries(c, async () => {
            const reply = failed(await endpoint.kv.attemptBytes("put", body));
            expect({ at, lengthBytes, ...reply }).toMatchObject({
              at,
              lengthBytes,
              code: "RESOURCE_EXHAUSTED",
            });
          });
          expect(entries).toBe(0);
        }
        await endpoint.kv.call("put", { key: bytes("b2/after"), value: bytes("served") });
      }
    });

    test("B2: a value that would grow over the limit is refused and stays as it is", async (c) => {
      const limit = Number((await c.status(1)).limits?.valueBytesMax);
      const { kv } = c.node(2);
      const key = bytes("b2/grown");
      const put = await kv.call("put", { key, value: new Uint8Array(limit) });
      for (const method of ["append", "prepend"] as const) {
        const reply = failed(await kv.attempt(method, { key, value: bytes("x") }));
        expect(reply).toMatchObject({
          code: "RESOURCE_EXHAUSTED",
          detail: { reason: ErrorReason.TOO_LARGE },
        });
      }
      const { header, record } = await kv.call("get", { key });
      expect(record).toMatchObject({ modRevision: put.header?.revision, version: 1n });
      expect(header?.revision).toBe(put.header?.revision);
    });

    test("B3: five clients that mix valid and invalid calls: every valid one succeeds", async (c) => {
      const clients = [
        c.freshEndpoint(1),
        c.freshEndpoint(2),
        c.freshEndpoint(3),
        c.freshEndpoint(1),
        c.gateway(),
      ];
      const tooLong = new Uint8Array(4097);
      const invalid: ((endpoint: BareEndpoint) => Promise<Reply<unknown>>)[] = [
        ({ kv }) => kv.attempt("put", { key: bytes("") }),
        ({ kv }) => kv.attemptBytes("put", garbage[0] as Uint8Array),
        ({ kv }) => kv.attempt("get", { key: tooLong }),
        ({ kv }) => kv.attempt("increment", { key: bytes("b3/word"), delta: 1n }),
        ({ kv }) => kv.attempt("put", { key: bytes("b3/none"), namespace: "nowhere" }),
        ({ kv }) => kv.attempt("deleteRange", {}),
        ({ kv }) => kv.attempt("put", { key: bytes("b3/big"), value: new Uint8Array(1_048_577) }),
      ];
      await c.node(1).kv.call("put", { key: bytes("b3/word"), value: bytes("no number") });
      await Promise.all(
        clients.map(async (endpoint, client) => {
          for (let turn = 0; turn < TURNS; turn += 1) {
            const key = bytes(`b3/${client}/${turn}`);
            const [refused, put] = await Promise.all([
              (invalid[turn % invalid.length] as (typeof invalid)[number])(endpoint),
              endpoint.kv.attempt("put", { key, value: bytes(`${turn}`) }),
            ]);
            expect({ turn, put }).toMatchObject({ turn, put: { ok: true } });
            expect({ turn, refused }).toMatchObject({ turn, refused: { ok: false } });
          }
        }),
      );
      expect((await c.node(1).kv.call("count", { prefix: bytes("b3/") })).count).toBe(BigInt(5 * TURNS + 1));
      expect((await c.agree()).count).toBeGreaterThan(0);
    });
  });
}
