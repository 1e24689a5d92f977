import { createServer } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { PortBlock } from "../../support/port-block";

const OFFSETS = [0, 1, 21];

describe("a block of ports", () => {
  test("M6: ten claims at once give ten blocks that do not meet", async () => {
    const blocks = await Promise.all(Array.from({ length: 10 }, () => PortBlock.claim(OFFSETS)));
    const bases = blocks.map(({ base }) => base);
    expect(new Set(bases).size).toBe(10);
    expect(bases.filter((base) => base % 100 !== 0)).toEqual([]);
    await Promise.all(blocks.map((block) => block.release()));
  });

  test("is passed over while one of its ports is taken", async () => {
    const first = await PortBlock.claim(OFFSETS);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(first.base + 21, "127.0.0.1", resolve));
    await first.release();
    const others = await Promise.all(Array.from({ length: 40 }, () => PortBlock.claim(OFFSETS)));
    expect(others.map(({ base }) => base)).not.toContain(first.base);
    await Promise.all(others.map((block) => block.release()));
    await new Promise((resolve) => squatter.close(resolve));
  });

  test("can be claimed again once it is released, its ports too", async () => {
    const block = await PortBlock.claim(OFFSETS);
    await block.release();
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(block.base + 99, "127.0.0.1", resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  });
});
