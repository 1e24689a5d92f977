import { expect, test } from "@jest/globals";
import { sharedCluster } from "@quorate/testing";

test("M1: sharedCluster() is started once, and gives each test a namespace of its own", async () => {
  const shared = await sharedCluster();
  expect(await sharedCluster()).toBe(shared);
  const [one, other] = [await shared.namespace(), await shared.namespace()];
  await one.kv.put("a", "1");
  expect(await other.kv.count()).toBe(0);
  expect(await one.client.kv.getText("a")).toBe("1");
  expect((await one.client.namespaces.list()).map(({ name }) => name)).toEqual(
    ["default", one.name, other.name].toSorted(),
  );
  await shared.close();
  const next = await sharedCluster();
  expect(next).not.toBe(shared);
  await next.close();
});
