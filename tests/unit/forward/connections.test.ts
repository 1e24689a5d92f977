import { afterEach, expect, test } from "@jest/globals";
import { eventually } from "#support";
import { Serving } from "./serving";

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
