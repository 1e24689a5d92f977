import { type AddressInfo, connect, createServer, Server, type Socket } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, expect, jest, test } from "@jest/globals";
import { eventually } from "../../support/eventually";
import { duplexServiceOf, Serving } from "./serving";

const open: Serving[] = [];

afterEach(async () => {
  for (const serving of open.splice(0)) await serving.close();
});

test("the connections of clients are listed, oldest first, while they are open", async () => {
  const serving = await Serving.open({
    unary: () => Promise.resolve(Buffer.alloc(1000)),
    stream: () => Promise.resolve(),
    duplex: () => Promise.resolve(),
  });
  open.push(serving);
  expect(serving.server.connections).toEqual([]);
  await serving.unary("/quorate.kv.v1.KvService/Get", Buffer.alloc(0));
  const [first] = serving.server.connections;
  expect(serving.server.connections).toHaveLength(1);
  expect(first?.address).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(first?.bytesSent).toBeGreaterThan(1000);
  expect(first?.connectedMs).toBeGreaterThan(0);
  serving.client.close();
  await eventually("the connection is forgotten", () => serving.server.connections.length === 0);
});

test("L6: a client's connection is cut by its address, with what is under way on it", async () => {
  const serving = await Serving.open({
    unary: () => new Promise(() => {}),
    stream: () => Promise.resolve(),
    duplex: () => Promise.resolve(),
  });
  open.push(serving);
  const call = serving.unary("/quorate.kv.v1.KvService/Get", Buffer.alloc(0));
  await eventually("the connection is there", () => serving.server.connectionCount === 1);
  const { address } = serving.server.connections[0]!;
  expect(serving.server.dropConnection("127.0.0.1:1")).toBe(false);
  expect(serving.server.dropConnection(address)).toBe(true);
  expect((await call).error).not.toBeNull();
  await eventually("the connection is forgotten", () => serving.server.connectionCount === 0);
});

test("a client that is gone without a word is found out, and its streams end", async () => {
  let begun = 0;
  let streams = 0;
  const serving = await Serving.open(
    duplexServiceOf(async (_call, source) => {
      begun += 1;
      streams += 1;
      try {
        for await (const _ of source);
      } finally {
        streams -= 1;
      }
    }),
    { keepalive: { timeMs: 50, timeoutMs: 300 } },
  );
  open.push(serving);
  const wire = await Wire.to(serving.address);
  const client = new Client(wire.address, credentials.createInsecure(), { "grpc.enable_channelz": 0 });
  const begin = (): void => {
    const stream = client.makeBidiStreamRequest(WATCH, asIs, asIs);
    // A machine that stalls may be taken for a client that is gone even before.
    stream.on("error", () => {
      if (begun === 0) begin();
    });
    stream.resume();
  };
  begin();
  try {
    await eventually("the stream is open", () => begun > 0);
    wire.cut();
    await eventually("the stream has ended", () => streams === 0);
    await eventually("the connection is forgotten", () => serving.server.connections.length === 0);
  } finally {
    client.close();
    wire.close();
  }
});

test("a connection that cannot be accepted is told to the log, and ends nothing", async () => {
  const listening = jest.spyOn(Server.prototype, "listen");
  const serving = await Serving.open(duplexServiceOf(() => Promise.resolve()));
  open.push(serving);
  const [listener] = listening.mock.contexts;
  listening.mockRestore();
  (listener as Server).emit("error", new Error("accept ENOBUFS"));
  expect(serving.log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    "error: a connection was not accepted",
  ]);
});

const WATCH = "/quorate.kv.v1.WatchService/Watch";

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** What lies between a client and its server; cut, neither end hears of it. */
class Wire {
  private readonly sockets: Socket[] = [];
  private readonly listener = createServer((near) => {
    const far = connect(this.port, "127.0.0.1");
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on("error", () => {});
    this.sockets.push(near, far);
  });

  private constructor(private readonly port: number) {}

  static async to(address: string): Promise<Wire> {
    const wire = new Wire(Number(address.split(":")[1]));
    await new Promise<void>((resolve) => wire.listener.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${(this.listener.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.sockets) socket.unpipe();
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.listener.close();
  }
}
