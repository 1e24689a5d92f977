import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { connect, type Quorate } from "@quorate/client";
import { SILENT_LOG } from "@quorate/services/forward";
import { type PortReservation, reservePorts } from "@quorate/services/launcher";
import {
  Node,
  type NodeOwner,
  type NodeSeams,
  nodeConfig,
  type OpenOutcome,
  type StartRefusal,
  secondBootstrap,
} from "@quorate/services/node";
import { PeerServer } from "@quorate/services/rpc";
import { eventually } from "../../support/eventually";
import { Workplace } from "../../support/workplace";
import { FakePeerReplica, identityOf } from "../rpc/peer-rig";

let workplace: Workplace;
let ports: PortReservation;
let node: Node | null = null;
let client: Quorate | null = null;

beforeEach(async () => {
  workplace = new Workplace();
  ports = await reservePorts(1);
});

afterEach(async () => {
  await client?.close();
  await node?.close();
  client = null;
  node = null;
  await ports.release();
  await workplace.remove();
});

function opened(
  more: readonly string[],
  seams: NodeSeams = {},
  owner: NodeOwner = { failed: () => undefined },
): Promise<OpenOutcome> {
  const { basePort } = ports;
  const outcome = nodeConfig(
    [
      ...["--id", "n1", "--cluster-id", "c", "--bootstrap", "--data-dir", workplace.at("n1")],
      ...["--members", `n1=127.0.0.1:${basePort + 1}/127.0.0.1:${basePort + 21}`],
      ...["--profile", "fast", "--log-level", "silent", ...more],
    ],
    {},
  );
  if (outcome.kind !== "config") throw new Error(JSON.stringify(outcome));
  return Node.open(outcome.config, SILENT_LOG, owner, seams);
}

async function served(more: readonly string[], seams: NodeSeams = {}): Promise<Quorate> {
  const outcome = await opened(more, seams);
  if (outcome.kind !== "opened") throw new Error(JSON.stringify(outcome));
  node = outcome.node;
  client = connect({ endpoints: [outcome.served.client], deadlineMs: 30_000 });
  return client;
}

test("E9: before the disk is full writes are refused by name, reads go on, and it recovers by itself", async () => {
  let freeBytes = 1000;
  const { kv, cluster } = await served(["--free-bytes-min", "500"], { freeBytes: async () => freeBytes });
  await kv.put("a", "before");
  freeBytes = 400;
  await eventually("a write is refused", async () => {
    const refusal = await kv.put("b", "full", { deadlineMs: 1000 }).catch((error: unknown) => error);
    return (refusal as { readonly reason?: string } | undefined)?.reason === "NO_SPACE";
  });
  expect((await kv.get("a"))?.text()).toBe("before");
  await eventually("an alarm says so", async () => {
    const { alarms, diskFreeBytes } = await cluster.status();
    return diskFreeBytes === 400 && alarms.some(({ memberId }) => memberId === "n1");
  });
  freeBytes = 700;
  await eventually("writes are taken again", () => kv.put("a", "after"));
  expect((await kv.get("a"))?.text()).toBe("after");
});

test("a node that cannot have a port holds nothing: it can be started once the port is free", async () => {
  const first = await served([]);
  await first.kv.put("a", "b");
  const other = ["--data-dir", workplace.at("other")];
  await expect(opened(other)).rejects.toMatchObject({ name: "ListenFailure" });
  await client?.close();
  await node?.close();
  const { kv } = await served(other);
  expect(await kv.get("a")).toBeUndefined();
});

test("E8: a voter that was wiped and bootstrapped again is told how it is replaced by peers that know its disk", async () => {
  const { basePort } = ports;
  const peer = new FakePeerReplica();
  peer.stores.set("n1", "the disk before");
  const server = new PeerServer({ own: identityOf("n2"), replica: peer, log: SILENT_LOG });
  const peerAddress = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  try {
    const refusals: StartRefusal[] = [];
    const own = `n1=127.0.0.1:${basePort + 1}/127.0.0.1:${basePort + 21}`;
    const outcome = await opened(
      ["--members", `${own},n2=127.0.0.1:1/${peerAddress}`],
      {},
      {
        failed: () => undefined,
        refused: (refusal) => void refusals.push(refusal),
      },
    );
    if (outcome.kind !== "opened") throw new Error(JSON.stringify(outcome));
    node = outcome.node;
    await eventually("it is told", () => refusals.length > 0);
    // Its peer refuses it again and again, and it says so once.
    await node.close();
    expect(refusals).toEqual([
      {
        kind: "refused",
        setting: "data-dir",
        message: expect.stringMatching(/start it without --bootstrap .*quorate member replace n1 NEWID$/),
      },
    ]);
  } finally {
    server.close();
  }
});

test.each([
  ["bootstrap", 0, true],
  // What has come into its log came from a leader that knew it, or will be told it.
  ["bootstrap", 1, false],
  // A peer may be yet to hear that this member was added with this data directory.
  ["image", 0, false],
  ["image", 7, false],
] as const)(
  "E8: a directory of origin %s with %d entries is refused for good: %s",
  (origin, entries, isRefused) => {
    const identity = { ...identityOf("n1"), formatVersion: 1, members: [], origin };
    const refusal = secondBootstrap({ path: "/data", identity }, { lastIndex: () => entries });
    expect(refusal !== null).toBe(isRefused);
  },
);
