import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from "@jest/globals";
import { eventually, PeerLinks, startTestCluster, type TestCluster } from "../support";
import { Arena } from "./arena";
import { Starts } from "./starts";

jest.setTimeout(120_000);

let cluster: TestCluster;
let links: PeerLinks;
let arena: Arena;

beforeAll(async () => {
  links = await PeerLinks.open(1);
  cluster = await startTestCluster({ nodes: 1, gateways: 1 });
});

afterAll(async () => {
  await cluster?.stop();
  await links?.close();
});

beforeEach(async () => {
  if (cluster.live.length === 0) {
    cluster.launch(1);
    await eventually("the node answers", () => cluster.status(1));
  }
  arena = new Arena(cluster, links, 250, new Starts());
});

afterEach(() => arena.finish());

it("a node that ends by itself is told from one that was asked to", async () => {
  await arena.kill(1);
  arena.launch(1);
  await arena.answering(1);
  await arena.terminate(1);
  arena.launch(1);
  await arena.answering(1);
  expect(arena.crashes).toEqual([]);
  await cluster.kill(1);
  const [crash] = await eventually("the crash is noticed", () => arena.crashes.length > 0 && arena.crashes);
  expect(crash).toEqual({ name: "n1", exit: { code: null, signal: "SIGKILL" } });
});

it("a node that ends otherwise than it was asked to is no graceful end", async () => {
  const end = arena.terminate(1);
  await cluster.kill(1);
  await expect(end).rejects.toThrow("n1 ended with null, not 0, when it was asked to");
});

it("a gateway that ends by itself is noticed, too", async () => {
  process.kill(cluster.gatewayPid(1), "SIGKILL");
  const [crash] = await eventually("the crash is noticed", () => arena.crashes.length > 0 && arena.crashes);
  expect(crash).toEqual({ name: "gateway1", exit: { code: null, signal: "SIGKILL" } });
});

it("a node that runs on though it is to end is told from one that ends", async () => {
  await arena.kill(1);
  expect(await arena.launchInVain(1, 500)).toBeNull();
  cluster.pause(1);
  await expect(arena.terminate(1, 100)).rejects.toThrow("n1 runs on 100 ms after it was asked to end");
});
