import { execFile } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect } from "@jest/globals";
import {
  BareEndpoint,
  bytes,
  Child,
  clusterOfFile,
  eventually,
  isLongRun,
  type TestCluster,
  text,
  Workplace,
} from "#support";
import { patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({
  nodes: 3,
  gateways: 1,
  profile: "default",
  // A comparison of the replicas has connections of its own, which come with the first one.
  nodeArgs: () => ["--verify-interval-ms", "0"],
});
const { test } = cluster;

/** How many sockets a process holds open. Files are the store's: they come and go with compactions. */
function handles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((handle) => isSocket(`/proc/${pid}/fd/${handle}`)).length;
}

function isSocket(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("socket:");
  } catch {
    // Closed between the listing and the look.
    return false;
  }
}

/** Opens every way that a call can take whoever leads, so that none is opened in the middle of a test. */
async function openAllWays(c: TestCluster): Promise<void> {
  for (const target of c.numbers) {
    await eventually(`n${target} leads`, async () => {
      const leader = await c.leader();
      if (leader === target) return true;
      await c.node(leader).admin.attempt("transferLeadership", { memberId: `n${target}` });
      return false;
    });
    for (const { kv } of [...c.numbers.map((at) => c.node(at)), c.gateway()]) {
      await kv.call("put", { key: bytes("b4"), value: bytes("warm") });
    }
  }
}

/** How many handles a node holds when nobody new is connected, once that has stopped changing. */
async function baseLine(c: TestCluster, node: number): Promise<number> {
  let last = -1;
  let unchanged = 0;
  return eventually("the handles are steady", () => {
    const now = handles(c.pid(node));
    unchanged = now === last ? unchanged + 1 : 0;
    last = now;
    return unchanged >= 10 ? now : undefined;
  });
}

/** A process that opens many channels, calls on each, leaves half of the calls open, and never closes anything. */
const ABANDONER = `
  const { Client, credentials } = require(process.argv[1]);
  const address = process.argv[2];
  let answered = 0;
  for (let channel = 0; channel < 50; channel += 1) {
    const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    const path = channel % 2 === 0 ? "/grpc.health.v1.Health/Check" : "/grpc.health.v1.Health/Watch";
    const call = channel % 2 === 0
      ? client.makeUnaryRequest(path, Buffer.from, (raw) => raw, Buffer.alloc(0), () => done())
      : client.makeServerStreamRequest(path, Buffer.from, (raw) => raw, Buffer.alloc(0)).once("data", () => done());
    call.on("error", () => undefined);
  }
  function done() { answered += 1; if (answered === 50) console.log("all answered"); }
  setInterval(() => undefined, 1000);
`;

/** All nodes run the same program: one of them is enough for every change. */
async function nodesToTry(c: TestCluster): Promise<readonly number[]> {
  return isLongRun ? c.numbers : (await c.followers()).slice(0, 1);
}

beforeAll(() => openAllWays(cluster()));

describe("many connections", () => {
  const idle: { endpoint: BareEndpoint | null; sinceMs: number } = { endpoint: null, sinceMs: 0 };

  test("B6: a connection is opened and used", async (c) => {
    idle.endpoint = c.freshEndpoint(2);
    await idle.endpoint.kv.call("put", { key: bytes("b6"), value: bytes("before") });
    idle.sinceMs = performance.now();
  });

  test("B4: after 100 rapid connects the server answers and its handles return to the base line", async (c) => {
    for (const node of await nodesToTry(c)) {
      const before = await baseLine(c, node);
      for (let round = 0; round < 100; round += 1) {
        const endpoint = new BareEndpoint(c.address(node));
        // Before it is connected grpc-js itself would leak the socket on close, in this process.
        await endpoint.connected();
        // Every other one leaves without waiting for its answer.
        if (round % 2 === 0) await endpoint.kv.call("get", { key: bytes("b4") });
        else void endpoint.kv.attempt("get", { key: bytes("b4") });
        endpoint.close();
      }
      await c.node(node).kv.call("put", { key: bytes("b4"), value: bytes("still served") });
      await eventually(`n${node} is back at ${before} handles`, () => handles(c.pid(node)) <= before);
    }
  });

  test("B4: after 100 sockets that say nothing or break off the handles return to the base line", async (c) => {
    const [node] = c.numbers as [number];
    const before = await baseLine(c, node);
    const port = Number(c.address(node).split(":")[1]);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
    const sockets = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => undefined);
        await new Promise((connected) => socket.once("connect", connected));
        if (at % 2 === 0) await new Promise((written) => socket.write(preface, written));
        return socket;
      }),
    );
    await eventually("the sockets are counted", () => handles(c.pid(node)) >= before + 100);
    await c.node(node).kv.call("put", { key: bytes("b4"), value: bytes("still served") });
    for (const [at, socket] of sockets.entries()) at % 3 === 0 ? socket.resetAndDestroy() : socket.destroy();
    await eventually(`n${node} is back at ${before} handles`, () => handles(c.pid(node)) <= before);
  });

  test("B4: after 50 channels are abandoned by a killed client the handles return to the base line", async (c) => {
    const workplace = new Workplace();
    try {
      for (const node of await nodesToTry(c)) {
        const before = await baseLine(c, node);
        const script = ["-e", ABANDONER, require.resolve("@grpc/grpc-js"), c.address(node)];
        const client = new Child(workplace, `abandoner${node}`, script);
        await eventually("the client has its answers", () => client.log().includes("all answered"));
        // Of those counted before, a few may only now have gone.
        expect(handles(c.pid(node))).toBeGreaterThanOrEqual(before + 45);
        client.signal("SIGKILL");
        await client.ended;
        await c.node(node).kv.call("put", { key: bytes("b4"), value: bytes("still served") });
        await eventually(`n${node} is back at ${before} handles`, () => handles(c.pid(node)) <= before);
      }
    } finally {
      await workplace.remove();
    }
  });

  test("B4: a node that stopped and went on leaves no connection behind, on its side or the others'", async (c) => {
    const [paused] = (await c.followers()) as [number];
    const before = new Map<number, number>();
    for (const node of c.numbers) before.set(node, await baseLine(c, node));
    const logged = new Map(c.numbers.map((node) => [node, c.logs(node).length]));
    c.pause(paused);
    // Every attempt to connect to it hangs from now on, and is given up after a while.
    await eventually("the leader has given up an attempt", () =>
      c.live.some((node) => c.logs(node).slice(logged.get(node)).includes("no answer within")),
    );
    c.resume(paused);
    await c.agree();
    for (const [node, handlesBefore] of before) {
      await eventually(
        `n${node} is back at ${handlesBefore} handles`,
        () => handles(c.pid(node)) <= handlesBefore,
      );
    }
  });

  test("B5: 50 simultaneous connections each put and get correctly", async (c) => {
    const ways = [...c.numbers.map((node) => c.address(node)), c.gateway().address];
    const endpoints = Array.from(
      { length: 50 },
      (_, at) => new BareEndpoint(ways[at % ways.length] as string),
    );
    try {
      await Promise.all(
        endpoints.map(async ({ kv }, at) => {
          for (let turn = 0; turn < 4; turn += 1) {
            const key = bytes(`b5/${at}/${turn}`);
            await kv.call("put", { key, value: bytes(`of ${at}, ${turn}`) });
            const { record } = await kv.call("get", { key });
            expect(text(record?.value ?? bytes(""))).toBe(`of ${at}, ${turn}`);
          }
        }),
      );
    } finally {
      for (const endpoint of endpoints) endpoint.close();
    }
    expect((await c.node(1).kv.call("count", { prefix: bytes("b5/") })).count).toBe(200n);
  });

  test("B6: a connection that was idle for 5 s still works", async () => {
    await eventually("5 s have passed", () => performance.now() - idle.sinceMs > 5000);
    const { kv } = idle.endpoint as BareEndpoint;
    const { record } = await kv.call("get", { key: bytes("b6") });
    expect(text(record?.value ?? bytes(""))).toBe("before");
    await kv.call("put", { key: bytes("b6"), value: bytes("after") });
  });
});

const root = resolve(__dirname, "../..");
const run = promisify(execFile);

/** Runs buf against an endpoint with nothing but reflection to go by. */
async function buf(...args: string[]): Promise<string> {
  const { stdout } = await run(
    resolve(root, "node_modules/.bin/buf"),
    ["curl", "--http2-prior-knowledge", "--protocol", "grpc", ...args],
    {
      cwd: root,
      env: { ...process.env, BUF_CACHE_DIR: cluster().scratch("buf") },
    },
  );
  return stdout;
}

const SERVICES = [
  "quorate.cluster.v1.ClusterService",
  "quorate.kv.v1.KvService",
  "quorate.kv.v1.LeaseService",
  "quorate.kv.v1.NamespaceService",
  "quorate.kv.v1.WatchService",
];

const REFLECTIONS = [
  ["grpc-v1", "gateway"],
  ["grpc-v1alpha", "follower"],
  ...(isLongRun ? [["grpc-v1", "follower"] as const, ["grpc-v1alpha", "gateway"] as const] : []),
] as const;

describe("reflection", () => {
  for (const [protocol, way] of REFLECTIONS) {
    test(`buf curl lists the services of a ${way} and calls Put and Get by ${protocol}`, async (c) => {
      const follower = async () => c.address((await c.followers())[0] as number);
      const address = way === "gateway" ? c.gateway().address : await follower();
      const reflect = ["--reflect-protocol", protocol];
      const services = (await buf(...reflect, "--list-services", `http://${address}`)).trim().split("\n");
      expect(services).toEqual(SERVICES);
      const methods = await buf(...reflect, "--list-methods", `http://${address}`);
      expect(methods).toContain("quorate.kv.v1.KvService/Put");
      const kv = `http://${address}/quorate.kv.v1.KvService`;
      const base64 = (word: string) => Buffer.from(word).toString("base64");
      const key = base64(`reflected/${protocol}/${way}`);
      const put = await buf(...reflect, "-d", JSON.stringify({ key, value: base64("by buf") }), `${kv}/Put`);
      expect(Number(JSON.parse(put).header.revision)).toBeGreaterThan(0);
      const get = await buf(...reflect, "-d", JSON.stringify({ key }), `${kv}/Get`);
      expect(JSON.parse(get).record).toMatchObject({ key, value: base64("by buf"), version: "1" });
    });
  }
});
