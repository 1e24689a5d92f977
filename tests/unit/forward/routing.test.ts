import { describe, expect, test } from "@jest/globals";
import { BatchGetRequest, Consistency, GetRequest, ScanRequest } from "@quorate/proto/kv";
import { asksForStale, hopsOf, methodRoutes } from "@quorate/services/forward";

const get = { namespace: "n", key: Buffer.from("k"), minRevision: 300n, maxStalenessMs: 7n, revision: 0n };

describe("routing beside the body", () => {
  test.each([
    [Consistency.STALE, true],
    [Consistency.LINEARIZABLE, false],
    [Consistency.UNSPECIFIED, false],
  ])("consistency %s of a Get: stale is %s", (consistency, stale) => {
    expect(asksForStale(GetRequest.encode({ ...get, consistency }).finish())).toBe(stale);
  });

  test("the field is found behind others of any size", () => {
    const read = { ...get, consistency: Consistency.STALE };
    const keys = [Buffer.alloc(70_000, 1), Buffer.from("b")];
    expect(asksForStale(BatchGetRequest.encode({ ...read, keys, keysOnly: true }).finish())).toBe(true);
    const empty = Buffer.alloc(0);
    const scan = { ...read, start: empty, end: empty, prefix: keys[0]!, cursor: empty, limit: -1n };
    expect(asksForStale(ScanRequest.encode({ ...scan, reverse: false, keysOnly: false }).finish())).toBe(
      true,
    );
  });

  test.each([[[0x50]], [[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]], [[0x53]], [[0xff, 0xff, 0xff]], [[]]])(
    "a body that is not well-formed is not stale: %p",
    (bytes) => {
      expect(asksForStale(Uint8Array.from(bytes))).toBe(false);
    },
  );

  test.each([
    [null, 0],
    ["1", 1],
    ["12", 12],
    ["-1", 1],
    ["many", 1],
  ])("hops %p counts as %p", (text, hops) => {
    expect(hopsOf(text)).toBe(hops);
  });

  test("only what changes nothing is a read", () => {
    const writes = [...methodRoutes.values()]
      .filter((method) => !method.isRead)
      .map(({ path }) => path.slice(path.lastIndexOf(".") + 1));
    expect(writes.sort()).toEqual([
      "ClusterService/AddMember",
      "ClusterService/ChangeMembers",
      "ClusterService/DropClient",
      "ClusterService/PromoteMember",
      "ClusterService/RemoveMember",
      "ClusterService/RepairMember",
      "ClusterService/SetLogLevel",
      "ClusterService/TakeSnapshot",
      "ClusterService/TransferLeadership",
      "ClusterService/UpdateMember",
      "KvService/Append",
      "KvService/CloseSession",
      "KvService/Compact",
      "KvService/Delete",
      "KvService/DeleteRange",
      "KvService/Increment",
      "KvService/OpenSession",
      "KvService/Prepend",
      "KvService/Put",
      "KvService/Truncate",
      "KvService/Txn",
      "LeaseService/Grant",
      "LeaseService/KeepAlive",
      "LeaseService/Revoke",
      "NamespaceService/Create",
      "NamespaceService/Delete",
      "NamespaceService/SetQuota",
    ]);
  });

  test("what streams, and which way", () => {
    const streams = [...methodRoutes.values()].filter(
      ({ requestStream, responseStream }) => requestStream || responseStream,
    );
    expect(streams).toEqual([
      {
        path: "/quorate.kv.v1.KvService/Scan",
        route: "read",
        requestStream: false,
        responseStream: true,
        isRead: true,
      },
      {
        path: "/quorate.kv.v1.WatchService/Watch",
        route: "read",
        requestStream: true,
        responseStream: true,
        isRead: true,
      },
      {
        path: "/quorate.kv.v1.LeaseService/KeepAlive",
        route: "leader",
        requestStream: true,
        responseStream: true,
        isRead: false,
      },
      {
        path: "/quorate.cluster.v1.ClusterService/Backup",
        route: "member",
        requestStream: false,
        responseStream: true,
        isRead: true,
      },
    ]);
  });
});
