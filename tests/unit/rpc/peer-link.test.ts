import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from "node:net";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ExchangeRequest, ExchangeResponse } from "@quorate/proto/raft";
import type { Message } from "@quorate/services/raft";
import { type PeerIdentity, PeerLink, type PeerLinkBounds, PeerServer } from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";
import { recordingLog } from "../forward/serving";

const n1: PeerIdentity = { clusterId: "c", memberId: "n1", storeId: "store-1" };
const n2: PeerIdentity = { clusterId: "c", memberId: "n2", storeId: "store-2" };

function heartbeat(commit: number): Message {
  return { kind: "heartbeat", from: "n1", to: "n2", term: 1, commit, readSequence: 0 };
}

function append(index: number, bytes: number): Message {
  const data = new Uint8Array(bytes).fill(index);
  return {
    kind: "append",
    from: "n1",
    to: "n2",
    term: 1,
    previous: { term: 1, index },
    entries: [{ term: 1, index: index + 1, kind: "normal", data }],
    commit: 0,
  };
}

/** The receiving replica, as far as peers see it. */
class FakeReplica {
  readonly received: Message[] = [];
  readonly stores = new Map<string, string>();
  readonly noted: [string, string][] = [];

  receive(messages: readonly Message[]): void {
    this.received.push(...messages);
  }

  memberStore(id: string): string | null {
    return this.stores.get(id) ?? null;
  }

  noteStore(id: string, storeId: string): void {
    this.noted.push([id, storeId]);
  }
}

/** A frame of HTTP/2 (RFC 9113, 6.5): what a server says first. */
const EMPTY_SETTINGS = Buffer.from("000000040000000000", "hex");

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function peerServer(changes: { own?: PeerIdentity; members?: string[]; address?: string } = {}) {
  const replica = new FakeReplica();
  const log = recordingLog();
  const members = changes.members ?? ["n1"];
  const server = new PeerServer({
    own: changes.own ?? n2,
    isMember: (id) => members.includes(id),
    replica,
    log,
  });
  const port = await server.listen(changes.address ?? "127.0.0.1:0");
  closing.push(() => server.close());
  return { server, replica, log, address: `127.0.0.1:${port}` };
}

function link(address: string, changes: { own?: PeerIdentity; bounds?: Partial<PeerLinkBounds> } = {}) {
  const stores = new FakeReplica();
  const log = recordingLog();
  const unreachable: string[] = [];
  const peerLink = new PeerLink({
    own: changes.own ?? n1,
    peerId: "n2",
    address,
    stores,
    random: seededRandom(1),
    log,
    onUnreachable: (peer) => unreachable.push(peer),
    bounds: { backoffMsMin: 10, backoffMsMax: 50, ...changes.bounds },
  });
  closing.push(() => peerLink.close());
  return { peerLink, stores, log, unreachable };
}

describe("a link between peers", () => {
  test("carries messages in order after both have introduced themselves", async () => {
    const { replica, address } = await peerServer();
    const { peerLink, stores } = link(address);
    const sent = Array.from({ length: 100 }, (_, at) => (at % 3 === 0 ? append(at, 300) : heartbeat(at)));
    for (const message of sent) peerLink.push(message);
    peerLink.flush();
    await eventually("all arrived", () => replica.received.length === sent.length);
    expect(replica.received).toEqual(sent);
    expect(replica.noted).toEqual([["n1", "store-1"]]);
    expect(stores.noted).toEqual([["n2", "store-2"]]);
  });

  test.each<[string, PeerIdentity, Partial<PeerIdentity>, string]>([
    ["another cluster", { ...n1, clusterId: "other" }, {}, 'cluster "other"'],
    ["no member", { ...n1, memberId: "n9" }, {}, '"n9" is no other member'],
    ["no data directory", { ...n1, storeId: "" }, {}, "no data directory"],
    ["another member than the one that is called", n1, { memberId: "n3" }, 'wants to reach "n2"'],
  ])(
    "%s is refused, with the peer and the reason in a log line on both sides",
    async (_name, own, called, why) => {
      const { replica, log, address } = await peerServer({ own: { ...n2, ...called } });
      const { peerLink, log: linkLog, unreachable } = link(address, { own });
      peerLink.push(heartbeat(1));
      await eventually("the refusal is logged", () =>
        log.lines.some(({ fields }) => String(fields.reason).includes(why)),
      );
      await eventually("the sender logs it too", () =>
        linkLog.lines.some(({ fields }) => fields.peer === "n2" && String(fields.reason).includes(why)),
      );
      await eventually("the loss is reported", () => unreachable.length > 0);
      expect(replica.received).toEqual([]);
      expect(peerLink.isOpen).toBe(false);
    },
  );

  test("a member with another data directory than the recorded one is refused, also later on", async () => {
    const { replica, log, address } = await peerServer();
    const { peerLink } = link(address);
    await eventually("the link is open", () => peerLink.isOpen);
    replica.stores.set("n1", "the store before");
    peerLink.push(heartbeat(1));
    peerLink.flush();
    const reason = expect.stringContaining("the store before");
    await eventually("it is refused", () => log.lines.some(({ message }) => message === "refused a peer"));
    expect(log.lines.find(({ message }) => message === "refused a peer")?.fields).toMatchObject({
      peer: "n1",
      reason,
    });
    expect(replica.received).toEqual([]);
  });

  test("messages in another's name or to another are dropped", async () => {
    const { replica, address } = await peerServer({ members: ["n1", "n3"] });
    const { peerLink } = link(address);
    peerLink.push({ ...heartbeat(1), from: "n3" });
    peerLink.push({ ...heartbeat(2), to: "n3" });
    peerLink.push(heartbeat(3));
    peerLink.flush();
    await eventually("the third arrived", () => replica.received.length > 0);
    expect(replica.received).toEqual([heartbeat(3)]);
  });

  test("connects anew after the peer was gone", async () => {
    const first = await peerServer();
    const { peerLink, unreachable } = link(first.address);
    await eventually("the link is open", () => peerLink.isOpen);
    first.server.close();
    await eventually("the loss is noticed", () => !peerLink.isOpen && unreachable.length > 0);
    peerLink.push(heartbeat(1));
    const second = await peerServer({ address: first.address });
    await eventually("the link is open again", () => peerLink.isOpen);
    peerLink.push(heartbeat(2));
    peerLink.flush();
    const last = (): Message | undefined => second.replica.received.at(-1);
    await eventually("the newest arrived", () => JSON.stringify(last()) === JSON.stringify(heartbeat(2)));
  });

  test("a connection that never completes is given up, and the next one tried on a new channel", async () => {
    const sockets: Socket[] = [];
    const silent: TcpServer = createServer((socket) => {
      socket.on("error", () => {});
      sockets.push(socket);
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const { peerLink, unreachable } = link(`127.0.0.1:${port}`, { bounds: { connectTimeoutMs: 50 } });
    peerLink.push(heartbeat(1));
    await eventually("three attempts were made", () => sockets.length >= 3);
    expect(unreachable.length).toBeGreaterThan(0);
    expect(peerLink.isOpen).toBe(false);
  });

  test("one that is closed in the turn that made it leaves no connection behind", async () => {
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
    const { port } = server.address() as AddressInfo;
    link(`127.0.0.1:${port}`).peerLink.close();
    link(`127.0.0.1:${port}`);
    await eventually("a later link is connected", () => sockets.some(({ bytesRead }) => bytesRead > 0));
    await eventually("it is the only one", () => sockets.filter(({ closed }) => !closed).length === 1, {
      deadlineMs: 1000,
    });
  });

  test("waits while the stream is full, then drops what its queue cannot hold and says so", async () => {
    const held: ServerDuplexStream<ExchangeRequest, ExchangeResponse>[] = [];
    const server = new Server({ "grpc.enable_channelz": 0 });
    server.addService(
      {
        exchange: {
          path: "/quorate.raft.v1.PeerService/Exchange",
          requestStream: true,
          responseStream: true,
          requestSerialize: (request: ExchangeRequest) =>
            Buffer.from(ExchangeRequest.encode(request).finish()),
          requestDeserialize: (bytes: Buffer) => ExchangeRequest.decode(bytes),
          responseSerialize: (response: ExchangeResponse) =>
            Buffer.from(ExchangeResponse.encode(response).finish()),
          responseDeserialize: (bytes: Buffer) => ExchangeResponse.decode(bytes),
        },
      },
      {
        // Greets, and then takes nothing more from the stream.
        exchange: (stream: ServerDuplexStream<ExchangeRequest, ExchangeResponse>) => {
          held.push(stream);
          stream.once("data", () => {
            stream.pause();
            stream.write({ hello: { ...n2, toMemberId: "n1", protocolVersion: 1 } });
          });
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    closing.push(() => server.forceShutdown());
    const bounds = { queueMessagesMax: 50, queueBytesMax: 4 * 1024 * 1024 };
    const { peerLink, unreachable } = link(`127.0.0.1:${port}`, { bounds });
    await eventually("the link is open", () => peerLink.isOpen);
    for (let at = 0; at < 200; at += 1) {
      peerLink.push(append(at, 100_000));
      peerLink.flush();
    }
    expect(peerLink.queuedMessages).toBeGreaterThan(0);
    expect(peerLink.queuedMessages).toBeLessThan(50);
    await eventually("the loss is reported", () => unreachable.length > 0);
    expect(unreachable).toEqual(["n2"]);
    held[0]!.resume();
    await eventually("the queue drains when the peer reads again", () => peerLink.queuedMessages === 0);
    expect(peerLink.isOpen).toBe(true);
  });
});
