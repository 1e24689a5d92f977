import { describe, expect, test } from "@jest/globals";
import { LeaderDirectory } from "@quorate/services/forward";

const members = [
  ["n1", "a:1"],
  ["n2", "a:2"],
] as const;

describe("the leader directory", () => {
  test("knows no leader at first", () => {
    expect(new LeaderDirectory(members).leader).toBeNull();
  });

  test("believes the later term", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n1", 3);
    directory.learnLeader("n2", 2);
    expect(directory.leader).toEqual({ memberId: "n1", address: "a:1" });
    directory.learnLeader("n2", 4);
    expect(directory.leader).toEqual({ memberId: "n2", address: "a:2" });
  });

  test("a member that knows no leader takes none from the others of its term, but a later term does", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n1", 3);
    directory.learnLeader(null, 3);
    expect(directory.leader?.memberId).toBe("n1");
    directory.learnLeader(null, 4);
    expect(directory.leader).toBeNull();
  });

  test("follows a hint, also to a member that it did not know", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n1", 3);
    directory.learnHint({ memberId: "n3", address: "a:3" });
    expect(directory.leader).toEqual({ memberId: "n3", address: "a:3" });
    directory.learnHint({ memberId: "", address: "" });
    expect(directory.leader?.memberId).toBe("n3");
  });

  test("keeps the address that it was given over the one in a hint", () => {
    const directory = new LeaderDirectory(members);
    directory.learnHint({ memberId: "n2", address: "elsewhere:2" });
    expect(directory.leader).toEqual({ memberId: "n2", address: "a:2" });
  });

  test("forgets only the leader that failed", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n1", 3);
    directory.forgetLeader("n2");
    expect(directory.leader?.memberId).toBe("n1");
    directory.forgetLeader("n1");
    expect(directory.leader).toBeNull();
  });

  test("forgets where members are reached that are none any more, and learns the new ones", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n3", 3);
    expect(directory.leader).toBeNull();
    directory.setAddresses([
      ["n2", "elsewhere:2"],
      ["n3", "a:3"],
    ]);
    expect([...directory.members.keys()]).toEqual(["n2", "n3"]);
    expect(directory.address("n1")).toBeNull();
    expect(directory.address("n2")).toBe("elsewhere:2");
    expect(directory.leader).toEqual({ memberId: "n3", address: "a:3" });
  });

  test("the node's own view replaces whatever was known", () => {
    const directory = new LeaderDirectory(members);
    directory.learnLeader("n1", 3);
    directory.replaceLeader(null, 3);
    expect(directory.leader).toBeNull();
  });
});
