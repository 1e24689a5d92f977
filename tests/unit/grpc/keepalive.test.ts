import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { KeepaliveTimes } from "@quorate/proto/calling";
import { GrpcServer } from "@quorate/services/grpc";
import { eventually } from "../../support/eventually";
import { ACK, frame, PING, PREFACE, SETTINGS } from "./http2-frames";

let server: GrpcServer;
let listener: Server;
/** A connection to it that says what a test has it say. */
let caller: Socket;
let isCut: boolean;

async function serve(keepalive: KeepaliveTimes): Promise<void> {
  server = new GrpcServer({ messageBytesMax: 1000, keepalive });
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  caller = connect((listener.address() as { port: number }).port, "127.0.0.1");
  caller.on("close", () => {
    isCut = true;
  });
  caller.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0))]));
}

beforeEach(() => {
  isCut = false;
});

afterEach(() => {
  caller.destroy();
  listener.close();
  server.cut();
});

test("a connection that answers no probe is cut", async () => {
  await serve({ timeMs: 20, timeoutMs: 20 });
  caller.resume();
  await eventually("it is cut", () => isCut);
});

test("a connection whose answer waits to be read while this process stalls is not cut", async () => {
  const timeoutMs = 50;
  await serve({ timeMs: 20, timeoutMs });
  let answered = 0;
  caller.on("data", (chunk: Buffer) => {
    for (const probe of probesIn(chunk)) {
      caller.write(frame(PING, ACK, 0, probe));
      answered += 1;
      const untilMs = performance.now() + 3 * timeoutMs;
      while (performance.now() < untilMs);
    }
  });
  await eventually("three probes are answered, or it is cut", () => answered === 3 || isCut);
  expect(isCut).toBe(false);
});

/** What the PING frames hold of a chunk of whole frames. */
function probesIn(chunk: Buffer): readonly Buffer[] {
  const probes: Buffer[] = [];
  for (let at = 0; at < chunk.length; ) {
    const end = at + 9 + chunk.readUIntBE(at, 3);
    if (chunk[at + 3] === PING) probes.push(chunk.subarray(at + 9, end));
    at = end;
  }
  return probes;
}
