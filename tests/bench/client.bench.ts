import { fork } from "node:child_process";
import { once } from "node:events";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { type CallTransport, connect, type Kv } from "@quorate/client";
import {
  CloseSessionResponse,
  encodeGetResponse,
  encodePutResponse,
  OpenSessionResponse,
} from "@quorate/proto/kv";
import { decodePipelineRequest, encodePipelineResponse } from "@quorate/proto/pipeline";

/*
 * What a put and a get cost the typed client, in CPU microseconds a call: the whole client and gRPC, against a server in a
 * process of its own that answers at once with what it made before. Of many rounds the cheapest counts, for other work on the
 * machine only adds. Run it with
 *   node tests/dist/bench/client.bench.js [pipeline,unary] [1,64] [put,get]
 */

const KV = "/quorate.kv.v1.KvService/";
const ROUNDS = 12;
const KEYS = 20_000;
const CALLS = { pipeline: 20_000, unary: 4000 } as const satisfies Record<CallTransport, number>;
const VALUE = Buffer.alloc(256, 65);

type Cell = "put" | "get";

const keys = Array.from({ length: KEYS }, (_, at) => `key-${String(at).padStart(12, "0")}`);

function answers(): ReadonlyMap<string, Buffer> {
  const header = { clusterId: "0123456789", memberId: "n1", term: 3, revision: 123_456 };
  const numbers = { createRevision: 5, modRevision: 123_455, version: 7, leaseId: 0 };
  const generated = { ...header, term: 3n, revision: 123_456n };
  return new Map(
    Object.entries({
      Put: encodePutResponse(header, null),
      Get: encodeGetResponse(header, { key: Buffer.from(keys[0] as string), value: VALUE, ...numbers }),
      OpenSession: OpenSessionResponse.encode({
        header: generated,
        clientId: 42n,
        ttlMs: 3_600_000n,
      }).finish(),
      CloseSession: CloseSessionResponse.encode({ header: generated }).finish(),
    }).map(([method, body]) => [KV + method, Buffer.from(body)]),
  );
}

/** In the other process: tells its port to who started it, and ends with that one. */
function serve(): void {
  const answerOf = answers();
  const server = new Server();
  for (const [path, body] of answerOf) {
    const answer = (_: ServerUnaryCall<Buffer, Buffer>, end: sendUnaryData<Buffer>): void => end(null, body);
    server.register(path, answer, asIs, asIs, "unary");
  }
  const pipeline = (stream: ServerDuplexStream<Buffer, Buffer>): void => {
    stream.on("data", (frame: Buffer) => {
      const nothing = { code: 0, message: "", statusDetails: Buffer.of() };
      const made = decodePipelineRequest(frame).calls.map(({ id, method }) => {
        const body = answerOf.get(method);
        return body === undefined
          ? { ...nothing, id, body: Buffer.of(), code: 12 }
          : { ...nothing, id, body };
      });
      if (made.length > 0) stream.write(encodePipelineResponse({ answers: made }));
    });
    stream.on("end", () => stream.end());
  };
  server.register(`${KV}Pipeline`, pipeline, asIs, asIs, "bidi");
  process.on("disconnect", () => process.exit());
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, port) => process.send?.(port));
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** @returns CPU microseconds a call */
async function round(kv: Kv, cell: Cell, inFlight: number, calls: number): Promise<number> {
  let begun = 0;
  const before = process.cpuUsage();
  const caller = async (): Promise<void> => {
    while (begun < calls) {
      begun += 1;
      const key = keys[begun % KEYS] as string;
      if (cell === "put") await kv.put(key, VALUE);
      else await kv.get(key);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

async function main(): Promise<void> {
  const [transports = "pipeline,unary", counts = "1,64", cells = "put,get"] = process.argv.slice(2);
  const server = fork(__filename, ["serve"]);
  const [port] = (await once(server, "message")) as [number];
  for (const transport of transports.split(",") as CallTransport[]) {
    await using client = connect({ endpoints: `127.0.0.1:${port}`, transport, followMembers: false });
    for (const cell of cells.split(",") as Cell[]) {
      for (const inFlight of counts.split(",").map(Number)) {
        const costs: number[] = [];
        for (let at = 0; at < ROUNDS; at += 1) {
          costs.push(await round(client.kv, cell, inFlight, CALLS[transport]));
        }
        const what = `a ${cell}, ${transport}, ${inFlight} in flight`;
        console.log(
          `${what.padEnd(40)} CPU ${Math.min(...costs)
            .toFixed(1)
            .padStart(7)} us`,
        );
      }
    }
  }
  server.disconnect();
}

if (process.argv[2] === "serve") serve();
else void main();
