import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { connect, type Quorate } from "@quorate/client";
import { PageViewServiceDefinition, pageViewServer } from "@quorate/examples";
import {
  LocalCluster,
  type PortReservation,
  reservePorts,
  startLocalCluster,
} from "@quorate/services/launcher";
import { type Channel, createChannel, createClient, type Server } from "nice-grpc";
import { eventually, Workplace } from "../support";

let ports: PortReservation;
let workplace: Workplace;
let cluster: LocalCluster;
let quorate: Quorate;
let server: Server;
let channel: Channel;

beforeAll(async () => {
  workplace = new Workplace();
  ports = await reservePorts(3);
  const { basePort } = ports;
  cluster = await startLocalCluster({
    dataDir: workplace.at("data"),
    basePort,
    profile: "fast",
    readyMsMax: 60_000,
  });
  quorate = connect({ endpoints: cluster.endpoints, deadlineMs: 60_000 });
  server = pageViewServer(quorate);
  channel = createChannel(`127.0.0.1:${await server.listen("127.0.0.1:0")}`);
});

afterAll(async () => {
  channel?.close();
  await server?.shutdown();
  await quorate?.close();
  await cluster?.stop();
  await ports?.release();
  await workplace?.remove();
});

test("the example counts, reads and lists over gRPC", async () => {
  const views = createClient(PageViewServiceDefinition, channel);
  expect(await views.read({ page: "/home" })).toEqual({ page: "/home", views: 0n });
  await views.record({ page: "/home" });
  expect(await views.record({ page: "/home" })).toEqual({ page: "/home", views: 2n });
  await views.record({ page: "/about" });
  const listed = [];
  for await (const page of views.list({ prefix: "/" })) listed.push(page);
  expect(listed).toEqual([
    { page: "/about", views: 1n },
    { page: "/home", views: 2n },
  ]);
  await expect(views.record({ page: "" })).rejects.toThrow("page must not be empty");
});

test("A11 C10: the example counts each view once while the leader is killed", async () => {
  const views = createClient(PageViewServiceDefinition, channel);
  const leader = (await quorate.cluster.status()).leaderId;
  const recorded = Array.from({ length: 10 }, async () => {
    for (let at = 0; at < 10; at += 1) await views.record({ page: "/busy" });
  });
  await eventually("some views are counted", async () => (await views.read({ page: "/busy" })).views > 20n);
  await cluster.killProcess(leader);
  await Promise.all(recorded);
  expect(await views.read({ page: "/busy" })).toEqual({ page: "/busy", views: 100n });
  await cluster.startProcess(leader);
  expect(cluster.processes().filter(({ pid }) => pid === null)).toEqual([]);
});

test("a cluster that runs is not started twice, and its ports are named to whoever wants them", async () => {
  await expect(startLocalCluster({ dataDir: cluster.dataDir })).rejects.toThrow("is running already");
  await expect(
    startLocalCluster({ dataDir: workplace.at("other"), basePort: ports.basePort }),
  ).rejects.toThrow(`port ${ports.basePort} (the gateway) is taken: choose other ports with --base-port`);
  expect(() => LocalCluster.describe({ dataDir: cluster.dataDir, nodes: 5 })).toThrow("has 3 nodes");
});
