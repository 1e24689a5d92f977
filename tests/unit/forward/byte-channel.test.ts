import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { ByteChannel, NO_HEADERS } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { AnsweringServer } from "./answering-server";
import { RefusingServer } from "./refusing-server";
import { PATIENCE_MS, PATIENT_OPTIONS, patientChannel, patientChannels, Serving, serviceOf } from "./serving";

const PUT = "/quorate.kv.v1.KvService/Put";

function call(deadlineInMs = PATIENCE_MS) {
  return { path: PUT, body: Buffer.of(1), headers: NO_HEADERS, deadlineMs: Date.now() + deadlineInMs };
}

/** A frame of HTTP/2 (RFC 9113, 6.5): what a server says first. */
const EMPTY_SETTINGS = Buffer.from("000000040000000000", "hex");

/** Accepts connections and says nothing: a process that is paused looks so. */
class SilentServer {
  readonly sockets: Socket[] = [];
  private readonly server: TcpServer = createServer((socket) => {
    this.sockets.push(socket);
    socket.on("error", () => {});
  });

  listen(port = 0): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(port, "127.0.0.1", () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

describe("a byte channel", () => {
  const closing: (() => void | Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  test("carries bytes there and back", async () => {
    const serving = await Serving.open(serviceOf((sent) => Promise.resolve(sent.body)));
    closing.push(() => serving.close());
    const channel = patientChannel(serving.address);
    closing.push(() => channel.close());
    expect(await channel.unary(call(), new AbortController().signal)).toEqual(Buffer.of(1));
  });

  test("says that nothing was sent where nobody listens", async () => {
    const silent = new SilentServer();
    const port = await silent.listen();
    await silent.close();
    const channel = patientChannel(`127.0.0.1:${port}`);
    closing.push(() => channel.close());
    await expect(channel.unary(call(), new AbortController().signal)).rejects.toMatchObject({
      reason: ErrorReason.UNREACHABLE,
      outcome: Outcome.NOT_APPLIED,
    });
  });

  test("gives up a connection that never completes, and connects anew when the node is back", async () => {
    const silent = new SilentServer();
    const port = await silent.listen();
    const channel = new ByteChannel(`127.0.0.1:${port}`, { ...PATIENT_OPTIONS, connectTimeoutMs: 200 });
    closing.push(() => channel.close());
    await expect(channel.unary(call(), new AbortController().signal)).rejects.toMatchObject({
      reason: ErrorReason.UNREACHABLE,
      message: expect.stringContaining("200 ms"),
    });
    await silent.close();
    const serving = new Serving(serviceOf((sent) => Promise.resolve(sent.body)));
    await serving.server.listen(`127.0.0.1:${port}`);
    closing.push(() => serving.server.close(100));
    const answered = eventually("it is connected", () => channel.unary(call(), new AbortController().signal));
    expect(await answered).toEqual(Buffer.of(1));
  });

  test("a caller's deadline ends the wait for a connection", async () => {
    const silent = new SilentServer();
    const port = await silent.listen();
    closing.push(() => silent.close());
    const channel = new ByteChannel(`127.0.0.1:${port}`, {
      ...PATIENT_OPTIONS,
      connectTimeoutMs: 2 * PATIENCE_MS,
    });
    closing.push(() => channel.close());
    await expect(channel.unary(call(100), new AbortController().signal)).rejects.toMatchObject({
      message: expect.stringContaining("no connection before the deadline"),
      outcome: Outcome.NOT_APPLIED,
    });
  });

  test("an answer that never comes because the node went away is of unknown outcome", async () => {
    const serving = await Serving.open(
      serviceOf(() => {
        setImmediate(() => void serving.server.close(0));
        return new Promise(() => {});
      }),
    );
    closing.push(() => serving.client.close());
    const channel = patientChannel(serving.address);
    closing.push(() => channel.close());
    await expect(channel.unary(call(), new AbortController().signal)).rejects.toMatchObject({
      reason: ErrorReason.CONNECTION_LOST,
      outcome: Outcome.UNKNOWN,
    });
  });

  test.each([0, 2])(
    "an answer of %i messages to a call with one is a failure of unknown outcome",
    async (count) => {
      const server = new AnsweringServer(count);
      closing.push(() => server.close());
      const channel = patientChannel(await server.listen());
      closing.push(() => channel.close());
      await expect(channel.unary(call(), new AbortController().signal)).rejects.toMatchObject({
        reason: ErrorReason.INTERNAL,
        outcome: Outcome.UNKNOWN,
      });
    },
  );

  test("one that is closed in the turn of its first call leaves no connection behind", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.resume();
      socket.write(EMPTY_SETTINGS);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const closed = patientChannel(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    const lost = closed.unary(call(), new AbortController().signal);
    closed.close();
    await expect(lost).rejects.toMatchObject({ reason: ErrorReason.UNREACHABLE });
    // Longer than it takes to look an address up and connect.
    const serving = await Serving.open(serviceOf((sent) => Promise.resolve(sent.body)));
    closing.push(() => serving.close());
    const open = patientChannel(serving.address);
    closing.push(() => open.close());
    await open.unary(call(), new AbortController().signal);
    await eventually("it is not connected", () => sockets.every((socket) => socket.closed));
  });

  test("one that is closed after a failed attempt to connect makes no more", async () => {
    const refusing = await RefusingServer.open();
    closing.push(() => refusing.close());
    const channel = patientChannel(refusing.address);
    const { signal } = new AbortController();
    await expect(channel.unary(call(), signal)).rejects.toMatchObject({ reason: ErrorReason.UNREACHABLE });
    channel.close();
    await refusing.settled();
    const { accepted } = refusing;
    await expect(channel.unary(call(), signal)).rejects.toMatchObject({
      reason: ErrorReason.UNREACHABLE,
      message: expect.stringContaining("its channel is closed"),
    });
    await refusing.settled();
    // But for the one that is made to settle.
    expect(refusing.accepted).toBe(accepted + 1);
  });

  test("a text that no header can carry is refused, and nothing is sent", async () => {
    const serving = await Serving.open(serviceOf((sent) => Promise.resolve(sent.body)));
    closing.push(() => serving.close());
    const channel = patientChannel(serving.address);
    closing.push(() => channel.close());
    const headers = { ...NO_HEADERS, member: "n1\r\n" };
    await expect(channel.unary({ ...call(), headers }, new AbortController().signal)).rejects.toMatchObject({
      reason: ErrorReason.INVALID_ARGUMENT,
      outcome: Outcome.NOT_APPLIED,
    });
  });

  test("those to other addresses are let go of: what is under way ends, and its connection with it", async () => {
    let answer = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let hasArrived = false;
    const [kept, left] = await Promise.all([
      Serving.open(serviceOf((sent) => Promise.resolve(sent.body))),
      Serving.open(
        serviceOf((sent) => {
          hasArrived = true;
          return asked.then(() => sent.body);
        }),
      ),
    ]);
    closing.push(
      () => kept.close(),
      () => left.close(),
    );
    const channels = patientChannels();
    closing.push(() => channels.close());
    const { signal } = new AbortController();
    await channels.to(kept.address).unary(call(), signal);
    const underWay = channels.to(left.address).unary(call(), signal);
    await eventually("it is under way", () => hasArrived);
    channels.keepOnly([kept.address]);
    answer();
    expect(await underWay).toEqual(Buffer.of(1));
    await eventually("its connection is closed", () => left.server.connections.length === 0);
    expect(kept.server.connections).toHaveLength(1);
  });
});
