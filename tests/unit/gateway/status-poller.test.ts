import { afterEach, describe, expect, test } from "@jest/globals";
import { ListMembersResponse, StatusResponse } from "@quorate/proto/cluster";
import { ErrorReason } from "@quorate/proto/kv";
import { CallFailure, LeaderDirectory, type OutgoingCall, SILENT_LOG } from "@quorate/services/forward";
import { StatusPoller } from "@quorate/services/gateway";
import { eventually } from "../../support/eventually";

/** A cluster whose members come, lead and go; each answers at "ID:1". */
class Cluster {
  readonly members = new Set<string>();
  readonly asked: string[] = [];
  private leaderId = "";
  private term = 0n;
  private appliedIndex = 0n;

  join(id: string): void {
    this.members.add(id);
    this.appliedIndex += 1n;
  }

  leave(id: string): void {
    this.members.delete(id);
    this.appliedIndex += 1n;
  }

  lead(id: string): void {
    this.leaderId = id;
    this.term += 1n;
  }

  to(address: string): never {
    const unary = async ({ path }: OutgoingCall): Promise<Buffer> => {
      this.asked.push(address);
      const memberId = address.split(":")[0]!;
      if (!this.members.has(memberId)) throw new CallFailure(ErrorReason.UNREACHABLE, "nobody is there");
      return Buffer.from(path.endsWith("/Status") ? this.status(memberId) : this.list());
    };
    return { unary } as never;
  }

  private status(memberId: string): Uint8Array {
    const { leaderId, term, appliedIndex } = this;
    const status = StatusResponse.decode(new Uint8Array(0));
    return StatusResponse.encode({ ...status, memberId, leaderId, term, appliedIndex }).finish();
  }

  private list(): Uint8Array {
    const members = [...this.members].map((memberId) => ({
      memberId,
      clientAddress: `${memberId}:1`,
      peerAddress: "",
      storeId: "",
      leader: memberId === this.leaderId,
      voter: true,
      priority: 100,
      promoteWhenCaughtUp: false,
      replaces: "",
    }));
    return ListMembersResponse.encode({ members }).finish();
  }
}

describe("a gateway that asks who the members are", () => {
  let poller: StatusPoller;

  afterEach(() => poller.stop());

  function directoryOf(cluster: Cluster, nodes: readonly string[]): LeaderDirectory {
    const directory = new LeaderDirectory();
    const timing = { intervalMs: 5, searchIntervalMs: 5 };
    poller = new StatusPoller({
      ...timing,
      nodes,
      directory,
      channels: cluster,
      log: SILENT_LOG,
      onAnswer: () => {},
    });
    poller.start();
    return directory;
  }

  test("G4: outlives the replacement of every node that it was told of, one by one", async () => {
    const cluster = new Cluster();
    for (const id of ["n1", "n2", "n3"]) cluster.join(id);
    cluster.lead("n1");
    const directory = directoryOf(cluster, ["n1:1", "n2:1", "n3:1"]);
    for (const [old, next] of [
      ["n1", "n4"],
      ["n2", "n5"],
      ["n3", "n6"],
    ] as const) {
      cluster.join(next);
      await eventually(`${next} is known`, () => directory.address(next) !== null);
      cluster.lead(next);
      cluster.leave(old);
      await eventually(`${next} is known to lead`, () => directory.leader?.memberId === next);
    }
    await eventually("n3 is forgotten", () => directory.address("n3") === null);
    expect([...poller.readers].sort()).toEqual(["n4:1", "n5:1", "n6:1"]);
  });

  test("asks nobody any more who has left, but those that it was told of", async () => {
    const cluster = new Cluster();
    for (const id of ["n1", "n2", "n3"]) cluster.join(id);
    cluster.lead("n2");
    const directory = directoryOf(cluster, ["n1:1"]);
    await eventually("n3 is asked", () => cluster.asked.includes("n3:1"));
    for (const id of ["n1", "n3"]) cluster.leave(id);
    await eventually("both are forgotten", () => directory.members.size === 1);
    const from = cluster.asked.length;
    const since = (address: string): number =>
      cluster.asked.slice(from).filter((asked) => asked === address).length;
    await eventually("the others are asked again", () => since("n1:1") > 3 && since("n2:1") > 5);
    // One question may have been under way.
    expect(since("n3:1")).toBeLessThan(2);
  });
});
