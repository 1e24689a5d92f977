import { describe, expect, test } from "@jest/globals";
import { type Member, StatusResponse } from "@quorate/proto/cluster";
import { LeaderDirectory } from "@quorate/services/forward";
import { ClusterView } from "@quorate/services/gateway";

function statusOf(memberId: string, appliedIndex: bigint, clusterId = "c"): StatusResponse {
  return { ...StatusResponse.decode(new Uint8Array(0)), memberId, appliedIndex, clusterId };
}

function listOf(...ids: readonly string[]): Member[] {
  return ids.map((id) => ({
    memberId: id.replace("?", ""),
    clientAddress: `${id.replace("?", "")}:1`,
    peerAddress: "",
    storeId: "",
    leader: false,
    voter: !id.endsWith("?"),
    priority: 100,
    promoteWhenCaughtUp: false,
    replaces: "",
  }));
}

function viewOf(...given: readonly string[]) {
  const directory = new LeaderDirectory();
  return { directory, view: new ClusterView(given, directory) };
}

describe("who the members are, as a gateway puts it together", () => {
  test("before anybody answered, those are asked and read from that were given", () => {
    const { view } = viewOf("a:1", "b:1");
    expect(view.addresses).toEqual(["a:1", "b:1"]);
    expect(view.readers).toEqual(["a:1", "b:1"]);
  });

  test("G4: a node that lags behind, or was removed, takes back nothing", () => {
    const { view, directory } = viewOf("n1:1");
    view.answered("n1:1", statusOf("n1", 50n), listOf("n1", "n2", "n4"));
    view.answered("n3:1", statusOf("n3", 40n), listOf("n1", "n2", "n3"));
    expect([...directory.members.keys()]).toEqual(["n1", "n2", "n4"]);
    view.answered("n2:1", statusOf("n2", 50n), listOf("n2", "n4"));
    expect([...directory.members.keys()]).toEqual(["n2", "n4"]);
    // What was given is asked for ever; it may come back.
    expect(view.addresses).toEqual(["n1:1", "n2:1", "n4:1"]);
  });

  test("another cluster at the same addresses, such as a restored one, begins anew", () => {
    const { view, directory } = viewOf("n1:1");
    view.answered("n1:1", statusOf("n1", 50n), listOf("n1", "n2"));
    directory.learnLeader("n1", 50);
    view.answered("n1:1", statusOf("n1", 5n, "restored"), listOf("n1", "n9"));
    expect([...directory.members.keys()]).toEqual(["n1", "n9"]);
    expect(directory.knownLeaderId).toBeNull();
    // Its terms go on from those of the backup, which the other cluster may long have passed.
    directory.learnLeader("n9", 20);
    expect(directory.knownLeaderId).toBe("n9");
  });

  test("learners are known by name, and nothing is read from them unasked", () => {
    const { view, directory } = viewOf("n1:1");
    view.answered("n1:1", statusOf("n1", 50n), listOf("n1", "n2", "n3?"));
    expect(view.readers).toEqual(["n1:1", "n2:1"]);
    expect(directory.address("n3")).toBe("n3:1");
    expect(view.addresses).toContain("n3:1");
  });

  test("a given address goes before the advertised one while its member answers there", () => {
    const { view, directory } = viewOf("proxy:1");
    view.answered("proxy:1", statusOf("n1", 50n), listOf("n1", "n2"));
    expect(directory.address("n1")).toBe("proxy:1");
    expect(view.addresses).toEqual(["proxy:1", "n2:1"]);
    view.silent("proxy:1");
    expect(directory.address("n1")).toBe("n1:1");
    expect(view.addresses).toEqual(["proxy:1", "n1:1", "n2:1"]);
    // Somebody else is there now.
    view.answered("proxy:1", statusOf("n2", 50n), listOf("n1", "n2"));
    expect([...directory.members]).toEqual([
      ["n1", "n1:1"],
      ["n2", "proxy:1"],
    ]);
  });
});
