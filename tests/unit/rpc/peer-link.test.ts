import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from "node:net";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ExchangeRequest, ExchangeResponse } from "@quorate/proto/raft";
import type { Message } from "@quorate/services/raft";
import { type PeerIdentity, PeerLink, type PeerLinkBounds, PeerServer } from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";
import { PATIENCE_MS, recordingLog } from "../forward/serving";
import { FakePeerReplica, heartbeat, identityOf, membershipOf } from "./peer-rig";

const n1 = identityOf("n1");
const n2 = identityOf("n2");

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

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function peerServer(
  changes: { own?: PeerIdentity; members?: string[]; address?: string; removalGraceMs?: number } = {},
) {
  const replica = new FakePeerReplica(["n2", ...(changes.members ?? ["n1"])]);
  const log = recordingLog();
  const guests = { welcomed: [] as string[], dismissed: [] as string[] };
  const server = new PeerServer({
    own: changes.own ?? n2,
    replica,
    guests: {
      welcome: (guest, address) => guests.welcomed.push(`${guest} at ${address}`),
      dismiss: (guest) => guests.dismissed.push(guest),
    },
    log,
    removalGraceMs: changes.removalGraceMs ?? 50,
  });
  const port = await server.listen(changes.address ?? "127.0.0.1:0");
  closing.push(() => server.close());
  return { server, replica, log, guests, address: `127.0.0.1:${port}` };
}

function link(
  address: string,
  changes: { own?: PeerIdentity; epoch?: number; bounds?: Partial<PeerLinkBounds> } = {},
) {
  const register = new FakePeerReplica();
  register.membership = membershipOf(["n1", "n2"], { epoch: changes.epoch ?? 0 });
  const log = recordingLog();
  const unreachable: string[] = [];
  const reset: string[] = [];
  const removed: string[] = [];
  const disowned: string[] = [];
  const peerLink = new PeerLink({
    own: changes.own ?? n1,
    peerId: "n2",
    address,
    register,
    random: seededRandom(1),
    log,
    onUnreachable: (peer) => unreachable.push(peer),
    onReset: (peer) => reset.push(peer),
    onRemoved: (why) => removed.push(why),
    onDisowned: (why) => disowned.push(why),
    bounds: { connectTimeoutMs: PATIENCE_MS, backoffMsMin: 10, backoffMsMax: 50, ...changes.bounds },
  });
  closing.push(() => peerLink.close());
  return { peerLink, register, log, unreachable, reset, removed, disowned };
}

describe("a link between peers", () => {
  test("carries messages in order after both have introduced themselves", async () => {
    const { replica, address } = await peerServer();
    const { peerLink, register } = link(address, { epoch: 3 });
    const sent = Array.from({ length: 100 }, (_, at) => (at % 3 === 0 ? append(at, 300) : heartbeat(at)));
    for (const message of sent) peerLink.push(message);
    peerLink.flush();
    await eventually("all arrived", () => replica.received.length === sent.length);
    expect(replica.received).toEqual(sent);
    const addressesOf = ({ clientAddress, peerAddress }: PeerIdentity) => ({ clientAddress, peerAddress });
    expect(replica.introduced).toEqual([
      { memberId: "n1", storeId: "store-1", addresses: addressesOf(n1), epoch: 3 },
    ]);
    expect(register.introduced).toEqual([
      { memberId: "n2", storeId: "store-2", addresses: addressesOf(n2), epoch: 0 },
    ]);
  });

  test.each<[string, PeerIdentity, Partial<PeerIdentity>, string]>([
    ["another cluster", { ...n1, clusterId: "other" }, {}, 'cluster "other"'],
    ["no member", { ...n1, memberId: "n9" }, {}, '"n9" is no member of the cluster'],
    ["a name that is none", { ...n1, memberId: "n".repeat(1000) }, {}, "at a length"],
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

  test("E8: a member with another data directory than the recorded one is refused and told so, also later on", async () => {
    const { replica, log, address } = await peerServer();
    const { peerLink, disowned, removed, reset } = link(address);
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
    await eventually("it is told when it comes again", () => disowned.length > 1);
    expect(new Set(disowned)).toEqual(
      new Set(['"n1" is bound to data directory the store before, and this is store-1']),
    );
    expect(removed).toEqual([]);
    // It is there, to say so.
    expect(reset).toEqual([]);
  });

  test("G6: whose data directory belonged to a removed member is told so, also while its stream is open", async () => {
    const { replica, address } = await peerServer();
    const first = link(address);
    await eventually("the link is open", () => first.peerLink.isOpen);
    replica.membership = membershipOf(["n2", "n3"], { epoch: 1, retiredStores: ["store-1"] });
    first.peerLink.push(heartbeat(1));
    first.peerLink.flush();
    await eventually("it is told", () => first.removed.length > 0);
    // Also under a name that is a member's again, and whatever it says to know.
    replica.membership = membershipOf(["n1", "n2"], { epoch: 2, retiredStores: ["store-1"] });
    const second = link(address, { epoch: 9 });
    await eventually("it is told", () => second.removed.length > 0);
    expect(second.removed[0]).toBe(
      "data directory store-1 belonged to a member that was removed from the cluster",
    );
  });

  test("G4: a leader that was removed is heard on the stream it has, for it is yet to hand over", async () => {
    const { replica, address } = await peerServer({ removalGraceMs: 60_000 });
    const { peerLink, removed } = link(address);
    await eventually("the link is open", () => peerLink.isOpen);
    replica.membership = membershipOf(["n2", "n3"], { epoch: 1, retiredStores: ["store-1"] });
    const last: Message[] = [heartbeat(1), { kind: "timeout_now", from: "n1", to: "n2", term: 1 }];
    for (const message of last) {
      peerLink.push(message);
      peerLink.flush();
    }
    await eventually("both are heard", () => replica.received.length === last.length);
    expect(replica.received).toEqual(last);
    expect(removed).toEqual([]);
  });

  test("G6: a stranger is refused without being told that it was removed, for it may be yet to be added", async () => {
    const { replica, log, address } = await peerServer({ members: ["n3"] });
    replica.membership = membershipOf(["n2", "n3"], { epoch: 5 });
    const { removed } = link(address, { epoch: 5 });
    await eventually("it is refused twice", () => log.lines.length > 1);
    expect(log.lines[0]?.fields).toMatchObject({ peer: "n1", reason: '"n1" is no member of the cluster' });
    expect(removed).toEqual([]);
  });

  test("G5: a stranger that has applied more changes is heard, and answered while it stays, for this node is the ignorant one", async () => {
    const { replica, guests, address } = await peerServer({ members: ["n3"] });
    const { peerLink } = link(address, { epoch: 1 });
    await eventually("the link is open", () => peerLink.isOpen);
    peerLink.push(heartbeat(1));
    peerLink.flush();
    await eventually("it is heard", () => replica.received.length > 0);
    expect(guests.welcomed).toEqual([`n1 at ${n1.peerAddress}`]);
    // It turns out that it is none: this node knows as much now.
    replica.membership = membershipOf(["n2", "n3"], { epoch: 1 });
    peerLink.push(heartbeat(2));
    peerLink.flush();
    await eventually("it is refused", () => guests.dismissed.length > 0);
    expect(replica.received).toEqual([heartbeat(1)]);
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
    const { peerLink, unreachable, reset } = link(first.address);
    await eventually("the link is open", () => peerLink.isOpen);
    expect(reset).toEqual([]);
    first.server.close();
    await eventually("the loss is noticed", () => !peerLink.isOpen && unreachable.length > 0);
    await eventually("so is the reset", () => reset.length > 0);
    peerLink.push(heartbeat(1));
    const second = await peerServer({ address: first.address });
    await eventually("the link is open again", () => peerLink.isOpen);
    peerLink.push(heartbeat(2));
    peerLink.flush();
    const last = (): Message | undefined => second.replica.received.at(-1);
    await eventually("the newest arrived", () => JSON.stringify(last()) === JSON.stringify(heartbeat(2)));
    // Attempts that came to nothing in between were no connections.
    expect(reset).toEqual(["n2"]);
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
    let streams = 0;
    // It answers probes: whatever is connected stays so.
    const server = createHttp2Server();
    server.on("connection", (socket: Socket) => sockets.push(socket));
    server.on("stream", (stream) => {
      stream.on("error", () => {});
      streams += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    link(`127.0.0.1:${port}`).peerLink.close();
    link(`127.0.0.1:${port}`);
    await eventually("a later link is connected", () => streams > 0);
    await eventually("it is the only one", () => sockets.filter(({ closed }) => !closed).length === 1);
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
            stream.write({ hello: { ...n2, toMemberId: "n1", protocolVersion: 1, membershipEpoch: 0n } });
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
