import { createServer } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import { listening, startFault } from "@quorate/services/node";
import { StoreFailure } from "@quorate/services/replica";
import { PeerServer } from "@quorate/services/rpc";
import { faultLine } from "@quorate/services/settings";

function withCode(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

function said(error: unknown): string | null {
  const fault = startFault(error);
  return fault === null ? null : faultLine("quorate-node", fault);
}

async function failed(setting: string, address: string, cause: Error): Promise<unknown> {
  return listening(setting, address, Promise.reject(cause)).catch((error: unknown) => error);
}

describe("a start that fails", () => {
  test.each([
    ["EADDRINUSE", /^quorate-node: listen-peer: port 7421 of 10\.0\.0\.1:7421 is taken .* --listen-peer$/],
    [
      "EADDRNOTAVAIL",
      /^quorate-node: listen-peer: 10\.0\.0\.1:7421 is no address of this machine: .* --listen-peer$/,
    ],
    ["EACCES", /^quorate-node: listen-peer: port 7421 .* may not be used by this account: .* --listen-peer$/],
    ["EOTHER", /^quorate-node: listen-peer: 10\.0\.0\.1:7421 cannot be served: EOTHER$/],
  ])("names the setting and the port where a port gives %s", async (code, line) => {
    expect(said(await failed("listen-peer", "10.0.0.1:7421", withCode(code)))).toMatch(line);
  });

  test.each([
    ["a store", new StoreFailure("it failed", { dataLoss: false, cause: withCode("EMFILE") })],
    ["LevelDB, in words", new StoreFailure("IO error: x/MANIFEST: Too many open files", { dataLoss: false })],
    ["a port", withCode("ENFILE")],
  ])("says how to raise the number of file descriptors, which %s is out of", async (_, error) => {
    expect(said(error)).toContain("ulimit -n 65536");
  });

  test("says that the disk is full", () => {
    expect(said(new StoreFailure("IO error: No space left on device", { dataLoss: false }))).toMatch(
      /^quorate-node: data-dir: the disk is full/,
    );
  });

  test("has nothing to say of what no setting puts right", () => {
    expect([said(new Error("a bug")), said(null), said("text")]).toEqual([null, null, null]);
  });

  test("says so of a port of the server of peers that is taken", async () => {
    const taker = createServer();
    const port = await new Promise<number>((resolve) => {
      taker.listen(0, "127.0.0.1", () => resolve((taker.address() as { port: number }).port));
    });
    const server = new PeerServer({
      own: { clusterId: "c", memberId: "n1", storeId: "s" },
      replica: { receive: () => undefined },
      log: SILENT_LOG,
    } as unknown as ConstructorParameters<typeof PeerServer>[0]);
    const address = `127.0.0.1:${port}`;
    const error = await listening("listen-peer", address, server.listen(address)).catch((failure) => failure);
    server.close();
    await new Promise((resolve) => taker.close(resolve));
    expect(said(error)).toContain(`listen-peer: port ${port} of ${address} is taken by another process`);
  });
});
