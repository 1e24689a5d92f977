import { afterEach, expect, test } from "@jest/globals";
import { connect, type KvEvent, type Quorate, type Watch } from "@quorate/client";
import {
  EventCause,
  EventKind,
  type WatchRequest,
  type WatchResponse,
  WatchServiceDefinition,
} from "@quorate/client/generated";
import { type CallContext, createServer, type Server } from "nice-grpc";
import { eventually } from "../../support/eventually";

const HEADER = { clusterId: "fake", memberId: "n1", term: 1n };

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Tells a put of "k" a revision, without an end, to each watch of its one stream. */
class FakeWatchServer {
  readonly #server: Server = createServer();
  readonly ended: string[] = [];
  streams = 0;

  async listen(): Promise<string> {
    this.#server.add(WatchServiceDefinition, {
      watch: (requests: AsyncIterable<WatchRequest>, context: CallContext) => this.#watch(requests, context),
    });
    closing.push(() => this.stop());
    return `127.0.0.1:${await this.#server.listen("127.0.0.1:0")}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  async *#watch(
    requests: AsyncIterable<WatchRequest>,
    { signal }: CallContext,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    this.streams += 1;
    try {
      for await (const { request } of requests) {
        if (request?.$case === "cancel") this.ended.push(`watch ${request.value.watchId}`);
        if (request?.$case !== "create") continue;
        const { watchId, startRevision } = request.value;
        const first = Number(startRevision) === 0 ? 1 : Number(startRevision);
        yield told(watchId, first - 1, { $case: "created", value: {} });
        for (let revision = first; revision < first + 50 && !signal.aborted; revision += 1) {
          const value = { events: [put(revision)], more: false };
          yield told(watchId, revision, { $case: "events", value });
        }
      }
    } finally {
      this.ended.push("stream");
    }
  }
}

function told(
  watchId: bigint,
  revision: number,
  response: NonNullable<WatchResponse["response"]>,
): WatchResponse {
  return { header: { ...HEADER, revision: BigInt(revision) }, watchId, response };
}

function put(revision: number) {
  return {
    kind: EventKind.PUT,
    cause: EventCause.PUT,
    revision: BigInt(revision),
    record: {
      key: Buffer.from("k"),
      value: Buffer.from(`${revision}`),
      createRevision: 1n,
      modRevision: BigInt(revision),
      version: BigInt(revision),
      leaseId: 0n,
    },
    previous: undefined,
    requestId: "",
    wallTimeMs: 0n,
  };
}

async function clientOf(...servers: readonly FakeWatchServer[]): Promise<Quorate> {
  const endpoints: string[] = [];
  for (const server of servers) endpoints.push(await server.listen());
  const client = connect({ endpoints, deadlineMs: 100_000, connectTimeoutMs: 60_000 });
  closing.push(() => client.close());
  return client;
}

async function take(watch: Watch, count: number): Promise<number[]> {
  const revisions: number[] = [];
  while (revisions.length < count) {
    const { value } = await watch.next();
    revisions.push((value as KvEvent & { kind: "put" }).revision);
  }
  return revisions;
}

test("I5: over gRPC: when the server dies, the watch goes on at the next one, where it was", async () => {
  const [one, other] = [new FakeWatchServer(), new FakeWatchServer()];
  const client = await clientOf(one, other);
  const watch = client.kv.watch("k", { fromRevision: 1 });
  expect(await take(watch, 50)).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
  one.stop();
  expect(await take(watch, 50)).toEqual(Array.from({ length: 50 }, (_, at) => at + 51));
  expect([one.streams, other.streams]).toEqual([1, 1]);
  watch.close();
  await eventually("the stream ends", () => other.ended.includes("stream"));
});

test("I6: over gRPC: the end of one watch cancels it, the end of the last ends the stream", async () => {
  const server = new FakeWatchServer();
  const client = await clientOf(server);
  const watches = [client.kv.watch("k"), client.kv.watch("k")] as const;
  await Promise.all(watches.map((watch) => take(watch, 50)));
  expect(server.streams).toBe(1);
  watches[0].close();
  await eventually("the watch is cancelled", () => server.ended.includes("watch 1"));
  watches[1].close();
  await eventually("the stream ends", () => server.ended.includes("stream"));
});

test("a client that closes ends its watches, and nothing is left that keeps the process", async () => {
  const server = new FakeWatchServer();
  const client = await clientOf(server);
  const watch = client.kv.watch("k");
  await take(watch, 50);
  const next = watch.next();
  await client.close();
  expect(await next).toEqual({ done: true, value: undefined });
  await eventually("the stream ends", () => server.ended.includes("stream"));
});
