import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { expect } from "@jest/globals";
import { ErrorReason, WatchRequest, WatchResponse } from "@quorate/client/generated";
import { usageOf } from "../bench/process-usage";
import { bytes, clusterOfFile } from "../support";
import { inTime, patientTests } from "./patient";

patientTests();

// A watch ends where no leader is known for a while: with this timing not even a busy machine comes to that.
const cluster = clusterOfFile({ nodes: 3, profile: "wan" });

const WATCHERS = 1000;
/** Those that hear of the great values too. */
const KEPT = 2;
/** How many of them, of 256 KiB, are too much to wait for one that does not read. */
const GREAT = 120;
const MIB = 1024 * 1024;

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

/** A stream of watches that is read by nobody until it is asked to. */
function rawStream(client: Client): Stream {
  return client.makeBidiStreamRequest(
    "/quorate.kv.v1.WatchService/Watch",
    (request: WatchRequest) => Buffer.from(WatchRequest.encode(request).finish()),
    (response: Buffer) => WatchResponse.decode(response),
  );
}

function create(watchId: bigint, prefix: string): WatchRequest {
  const none = bytes("");
  const value = {
    watchId,
    namespace: "",
    key: none,
    start: none,
    end: none,
    prefix: bytes(prefix),
    startRevision: 0n,
    withCurrentState: false,
    withPrevious: false,
    noPut: false,
    noDelete: false,
    progressIntervalMs: 0n,
  };
  return { request: { $case: "create", value } };
}

cluster.test(
  "I6: a put reaches 1,000 watchers of one node, and a slow one costs nobody: it is ended with its resume revision",
  async (c) => {
    const { kv } = c.client(1);
    const rssBefore = usageOf(c.pid(1)).rssBytes;
    const counts = new Array<number>(WATCHERS).fill(0);
    const watches = Array.from({ length: WATCHERS }, () => kv.watch({ prefix: "many/" }));
    await Promise.all(watches.map((watch) => watch.opened()));
    const told = watches.map(async (watch, at) => {
      for await (const event of watch) if (event.kind === "put") counts[at] = (counts[at] ?? 0) + 1;
    });

    const slow = new Client(c.address(1), credentials.createInsecure());
    const stream = rawStream(slow);
    stream.on("error", () => undefined);
    const responses: WatchResponse[] = [];
    stream.write(create(1n, "many/"));
    await new Promise<void>((resolve) => {
      stream.once("data", (response: WatchResponse) => {
        responses.push(response);
        stream.pause();
        resolve();
      });
    });
    expect(responses[0]?.response?.$case).toBe("created");

    const writes = 5;
    const value = Buffer.alloc(256 * 1024, "x");
    for (let at = 0; at < writes; at += 1) {
      await kv.put(`many/${at}`, "small");
    }
    await inTime("each of 1,000 watchers has had each event once", async () =>
      counts.every((count) => count === writes),
    );
    for (const watch of watches.slice(KEPT)) watch.close();
    for (let at = 0; at < GREAT; at += 1) await kv.put(`many/great/${at}`, value);
    await inTime("the others have had the great ones", async () =>
      counts.slice(0, KEPT).every((count) => count === writes + GREAT),
    );
    const grownMib = (usageOf(c.pid(1)).rssBytes - rssBefore) / MIB;
    process.stdout.write(`1,000 watchers and a slow one: the node has grown by ${grownMib.toFixed(0)} MiB\n`);
    expect(grownMib).toBeLessThan(400);

    // The slow one reads on: what was on its way, and then how it ended and from where it can go on.
    const ended = new Promise<WatchResponse>((resolve) => {
      stream.on("data", (response: WatchResponse) => {
        responses.push(response);
        if (response.response?.$case === "ended") resolve(response);
      });
    });
    stream.resume();
    const { response } = await ended;
    if (response?.$case !== "ended") throw new Error("it has ended");
    expect(response.value.error?.reason).toBe(ErrorReason.SLOW_WATCHER);
    const events = responses.flatMap(({ response: one }) =>
      one?.$case === "events" ? one.value.events : [],
    );
    expect(response.value.resumeRevision).toBe((events.at(-1)?.revision ?? 0n) + 1n);
    expect(events.length).toBeLessThan(writes + GREAT);
    slow.close();

    // From there nothing is missing.
    const rest = kv.watch({ prefix: "many/" }, { fromRevision: Number(response.value.resumeRevision) });
    let seen = events.length;
    for await (const event of rest) {
      if (event.kind === "put") seen += 1;
      if (seen === writes + GREAT) break;
    }
    for (const watch of watches) watch.close();
    await Promise.all(told);
    expect(counts.slice(KEPT)).toEqual(new Array(WATCHERS - KEPT).fill(writes));
  },
);
