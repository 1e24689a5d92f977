import { Client, credentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect } from "@jest/globals";
import {
  Consistency,
  ErrorDetail,
  GetRequest,
  Outcome,
  PutRequest,
  RpcStatus,
} from "@quorate/client/generated";
import { bytes, callOf, clusterOfFile, RawPipeline, type TestCluster } from "#support";
import { inTime, patientKv, patientTests } from "./patient";

patientTests();

// With the fast timing a busy machine elects now and then; here a leader goes where a test says so.
const cluster = clusterOfFile({ nodes: 3, gateways: 1, profile: "default" });
const { test } = cluster;

const PUT = "/quorate.kv.v1.KvService/Put";
const GET = "/quorate.kv.v1.KvService/Get";
const DEADLINE_MS = 20_000;

type Way = "the leader" | "a follower" | "a gateway";

async function addressOf(c: TestCluster, way: Way): Promise<string> {
  switch (way) {
    case "the leader":
      return c.address(await c.leader());
    case "a follower":
      return c.address((await c.followers())[0] as number);
    case "a gateway":
      return c.gateway().address;
  }
}

function put(key: string): Uint8Array {
  const none = { namespace: "", leaseId: 0n, returnPrevious: false, expectedModRevision: undefined };
  return PutRequest.encode({ ...none, key: bytes(key), value: bytes(key) }).finish();
}

function get(key: string, consistency: Consistency): Uint8Array {
  const none = { namespace: "", minRevision: 0n, maxStalenessMs: 0n, revision: 0n };
  return GetRequest.encode({ ...none, key: bytes(key), consistency }).finish();
}

function detailOf(statusDetails: Uint8Array): ErrorDetail {
  return ErrorDetail.decode(RpcStatus.decode(statusDetails).details[0]!.value);
}

const clients: Client[] = [];

function pipelineTo(address: string): RawPipeline {
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  clients.push(client);
  return new RawPipeline(client);
}

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** Writes without a request id, each of a key of its own, so many under way at once: nobody repeats them. */
class Writes {
  readonly pipeline: RawPipeline;
  private readonly prefix: string;
  private sent = 0;
  private isWriting = true;

  constructor(pipeline: RawPipeline, prefix: string) {
    this.pipeline = pipeline;
    this.prefix = prefix;
    pipeline.stream.on("data", () => this.fill());
    this.fill();
  }

  answered(count: number): Promise<unknown> {
    return inTime(`${count} are answered`, () => this.pipeline.answers.length >= count);
  }

  /** Sends no more; resolves when all that were sent are answered, or the stream has ended. */
  async stop(): Promise<void> {
    this.isWriting = false;
    const { pipeline } = this;
    await inTime("all has an end", () => pipeline.hasEnded || pipeline.answers.length === this.sent);
  }

  /** What each key was said to have come to; those without an answer are missing. */
  get told(): ReadonlyMap<string, "applied" | Outcome> {
    return new Map(
      this.pipeline.answers.map(({ id, code, statusDetails }) => [
        this.key(id),
        code === status.OK ? "applied" : detailOf(statusDetails).outcome,
      ]),
    );
  }

  private key(id: number): string {
    return `${this.prefix}/${id}`;
  }

  private fill(): void {
    const { pipeline } = this;
    const calls = [];
    while (this.isWriting && !pipeline.hasEnded && this.sent - pipeline.answers.length < 64) {
      this.sent += 1;
      calls.push(callOf(this.sent, PUT, put(this.key(this.sent)), { deadlineMs: DEADLINE_MS }));
    }
    if (calls.length > 0) pipeline.send({ calls });
  }
}

/** What was told to be applied is there, and what was told not to be is not, then and later. */
async function expectTruth(c: TestCluster, { told }: Writes): Promise<void> {
  const kv = patientKv(c);
  const keys = [...told.keys()];
  const records = await kv.batchGet(keys);
  const lies = keys.filter((key, at) => {
    const isThere = records[at] !== undefined;
    return (told.get(key) === "applied" && !isThere) || (told.get(key) === Outcome.NOT_APPLIED && isThere);
  });
  expect(lies).toEqual([]);
}

describe("calls on one stream, when something fails", () => {
  for (const way of ["the leader", "a follower", "a gateway"] as const) {
    for (const end of ["killed", "terminated"] as const) {
      test(`writes through ${way} are told truly what became of them when the leader is ${end}`, async (c) => {
        const leader = await c.leader();
        const writes = new Writes(pipelineTo(await addressOf(c, way)), `${way} ${end}`);
        await writes.answered(200);
        if (end === "killed") await c.kill(leader);
        else await c.terminate(leader);
        const before = writes.pipeline.answers.length;
        if (way === "a gateway") await writes.answered(before + 200);
        await writes.stop();
        await c.restart(leader);
        await expectTruth(c, writes);
        await c.agree();
      });
    }
  }

  test("writes without a quorum hold up no read beside them, and none is told to be applied", async (c) => {
    const [leader, followers] = [await c.leader(), await c.followers()];
    await patientKv(c).put("there", "before");
    for (const follower of followers) c.pause(follower);
    try {
      const pipeline = pipelineTo(c.address(leader));
      const writes = Array.from({ length: 500 }, (_, at) =>
        callOf(at + 1, PUT, put(`no quorum/${at}`), { deadlineMs: 3000 }),
      );
      pipeline.send({ calls: writes });
      const read = callOf(1000, GET, get("there", Consistency.STALE), { deadlineMs: DEADLINE_MS });
      pipeline.send({ calls: [read] });
      await inTime("all are answered", () => pipeline.answers.length === 501);
      const readAt = pipeline.answers.findIndex(({ id }) => id === read.id);
      expect(pipeline.answers[readAt]).toMatchObject({ code: status.OK });
      const outcomes = pipeline.answers
        .filter(({ id }) => id !== read.id)
        .map(({ code, statusDetails }) => (code === status.OK ? "applied" : detailOf(statusDetails).outcome));
      // One who has stepped down already refuses them at once.
      const open = pipeline.answers.findIndex(
        ({ code, statusDetails }) =>
          code !== status.OK && detailOf(statusDetails).outcome === Outcome.UNKNOWN,
      );
      expect(outcomes).not.toContain("applied");
      expect(open === -1 || readAt < open).toBe(true);
    } finally {
      for (const follower of followers) c.resume(follower);
    }
    await c.leader();
  });

  test("a stream that its caller cuts with calls open costs the next one nothing", async (c) => {
    for (let round = 0; round < 20; round += 1) {
      const pipeline = pipelineTo(await addressOf(c, "a gateway"));
      pipeline.send({
        calls: Array.from({ length: 50 }, (_, at) => callOf(at + 1, PUT, put(`cut/${round}/${at}`))),
      });
      await pipeline.answersTo(1);
      pipeline.stream.cancel();
    }
    const last = pipelineTo(await addressOf(c, "a gateway"));
    last.send({ calls: [callOf(1, GET, get("there", Consistency.LINEARIZABLE))] });
    expect((await last.answersTo(1))[0]).toMatchObject({ code: status.OK });
    await c.agree();
  });
});
