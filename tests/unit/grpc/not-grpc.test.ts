import { type ClientHttp2Session, connect } from "node:http2";
import { createServer, type Server as TcpServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { GrpcServer } from "@quorate/services/grpc";
import { type Reply, replyTo } from "./reply";

const NEVER_MS = 1_000_000;

let server: GrpcServer;
let listener: TcpServer;
let session: ClientHttp2Session;
let calls: number;

beforeEach(async () => {
  calls = 0;
  server = new GrpcServer({
    messageBytesMax: 1000,
    keepalive: { timeMs: NEVER_MS, timeoutMs: NEVER_MS },
  });
  server.handle("/t.T/Count", (call) => {
    calls += 1;
    call.end();
  });
  listener = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  session = connect(`http://127.0.0.1:${(listener.address() as { port: number }).port}`);
});

afterEach(() => {
  session.destroy();
  server.cut();
  listener.close();
});

function ask(method: string, type: string): Promise<Reply> {
  const stream = session.request({ ":method": method, ":path": "/t.T/Count", "content-type": type });
  stream.end();
  return replyTo(stream);
}

describe("what is not gRPC is no success of HTTP either", () => {
  test.each([
    "application/json",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpcfoo",
  ])("of type %s", async (type) => {
    const { headers } = await ask("POST", type);
    expect([headers[":status"], calls]).toEqual([415, 0]);
  });

  test.each(["GET", "PUT", "OPTIONS", "post"])("by the method %s", async (method) => {
    const { headers } = await ask(method, "application/grpc");
    expect(headers).toMatchObject({ ":status": 405, allow: "POST" });
    expect(calls).toBe(0);
  });

  test("by neither the type nor the method", async () => {
    const { headers } = await ask("GET", "text/html");
    expect([headers[":status"], calls]).toEqual([415, 0]);
  });
});
