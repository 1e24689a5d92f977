import { afterEach, describe, expect, test } from "@jest/globals";
import { PeerServer, PeerTransport } from "@quorate/services/rpc";
import { seededRandom } from "@quorate/services/std";
import { eventually } from "../../support/eventually";
import { PATIENCE_MS, recordingLog } from "../forward/serving";
import { FakePeerReplica, heartbeat, identityOf, membershipOf } from "./peer-rig";

const IDS = ["n1", "n2", "n3"];
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

async function peer(memberId: string, guests?: PeerTransport) {
  const replica = new FakePeerReplica(IDS);
  const server = new PeerServer({ own: identityOf(memberId), replica, guests, log: recordingLog() });
  const port = await server.listen("127.0.0.1:0");
  closing.push(() => server.close());
  return { replica, server, address: `127.0.0.1:${port}` };
}

function transportOf(memberId: string, peers: ReadonlyMap<string, string>, ownAddress = "127.0.0.1:1") {
  const user = new FakePeerReplica(IDS);
  const removed: string[] = [];
  const transport = new PeerTransport({
    own: { ...identityOf(memberId), peerAddress: ownAddress },
    peers,
    random: seededRandom(1),
    log: recordingLog(),
    onRemoved: (why) => removed.push(why),
    bounds: { connectTimeoutMs: PATIENCE_MS, backoffMsMin: 10, backoffMsMax: 50 },
  });
  closing.push(() => transport.close());
  return { transport, user, removed };
}

describe("the transport to peers", () => {
  test("G4: members that come are reached, members that go are not, without a restart", async () => {
    const n2 = await peer("n2");
    const n3 = await peer("n3");
    const { transport, user } = transportOf("n1", new Map([["n2", n2.address]]));
    transport.open(user);
    await eventually("n2 is connected to", () => n2.server.connectedPeers.includes("n1"));
    transport.send([heartbeat(1, "n1", "n3")]);
    transport.setPeers(
      new Map([
        ["n1", "127.0.0.1:1"],
        ["n3", n3.address],
      ]),
    );
    await eventually("n3 is connected to, n2 is left", () => {
      return n3.server.connectedPeers.length === 1 && n2.server.connectedPeers.length === 0;
    });
    transport.send([heartbeat(2, "n1", "n2"), heartbeat(3, "n1", "n3")]);
    await eventually("it arrives", () => n3.replica.received.length > 0);
    expect(n3.replica.received).toEqual([heartbeat(3, "n1", "n3")]);
    expect(n2.replica.received).toEqual([]);
  });

  test("a member whose address has changed is connected to anew, others keep their stream", async () => {
    const n2 = await peer("n2");
    const before = await peer("n3");
    const after = await peer("n3");
    const { transport, user } = transportOf("n1", new Map([["n2", n2.address]]));
    transport.setPeers(
      new Map([
        ["n2", n2.address],
        ["n3", before.address],
      ]),
    );
    transport.open(user);
    await eventually("both are connected to", () => {
      return n2.server.connectedPeers.length === 1 && before.server.connectedPeers.length === 1;
    });
    transport.setPeers(
      new Map([
        ["n2", n2.address],
        ["n3", after.address],
      ]),
    );
    await eventually("it is found at its new address", () => after.server.connectedPeers.length === 1);
    await eventually("and left at the old one", () => before.server.connectedPeers.length === 0);
    expect(n2.replica.introduced).toHaveLength(1);
  });

  test("G5: a stranger that knows more is answered while it stays", async () => {
    const n1 = transportOf("n1", new Map());
    n1.transport.open(n1.user);
    const n1Server = await peer("n1", n1.transport);
    n1Server.replica.membership = membershipOf(["n1", "n2"]);
    const stranger = await peer("n3");
    const n3 = transportOf("n3", new Map([["n1", n1Server.address]]), stranger.address);
    n3.user.membership = membershipOf(IDS, { epoch: 1 });
    n3.transport.open(n3.user);
    await eventually("it is connected to", () => stranger.server.connectedPeers.includes("n1"));
    n1.transport.send([heartbeat(7, "n1", "n3")]);
    await eventually("it is answered", () => stranger.replica.received.length > 0);
    n3.transport.close();
    await eventually("it is left", () => stranger.server.connectedPeers.length === 0);
  });

  test("G6: a removed node hears of it from its peers", async () => {
    const n2 = await peer("n2");
    n2.replica.membership = membershipOf(["n2", "n3"], { epoch: 4, retiredStores: ["store-1"] });
    const { transport, user, removed } = transportOf("n1", new Map([["n2", n2.address]]));
    transport.open(user);
    await eventually("it is told", () => removed.length > 0);
    expect(removed[0]).toContain("store-1");
    expect(n2.server.connectedPeers).toEqual([]);
  });
});
