import { describe, expect, test } from "@jest/globals";
import { foundingMembership, type MembershipState } from "@quorate/services/kv";
import { AddressBook } from "@quorate/services/node";

function membership(...ids: readonly string[]): MembershipState {
  return foundingMembership(ids.map((id) => ({ id, clientAddress: `${id}:1`, peerAddress: `${id}:2` })));
}

function moved(state: MembershipState, id: string, host: string): MembershipState {
  const members = state.members.map((member) =>
    member.memberId === id ? { ...member, clientAddress: `${host}:1`, peerAddress: `${host}:2` } : member,
  );
  return { ...state, members };
}

const given = [{ id: "n2", clientAddress: "given:1", peerAddress: "given:2" }];

describe("the addresses of members", () => {
  test("are those that the cluster has", () => {
    const book = new AddressBook(membership("n1", "n2"), []);
    book.update(moved(membership("n1", "n2", "n3"), "n1", "elsewhere"));
    expect(book.clients).toEqual([
      ["n1", "elsewhere:1"],
      ["n2", "n2:1"],
      ["n3", "n3:1"],
    ]);
    expect([...book.peers.keys()]).toEqual(["n1", "n2", "n3"]);
    expect(book.peerAddress("n1")).toBe("elsewhere:2");
  });

  test("are those given at the start as long as the cluster has nothing new", () => {
    const book = new AddressBook(membership("n1", "n2"), given);
    expect(book.peerAddress("n2")).toBe("given:2");
    book.update(moved(membership("n1", "n2"), "n1", "elsewhere"));
    expect(book.peerAddress("n2")).toBe("given:2");
    book.update(moved(membership("n1", "n2"), "n2", "recorded"));
    expect(book.peerAddress("n2")).toBe("recorded:2");
    book.update(membership("n1", "n2"));
    expect(book.peerAddress("n2")).toBe("n2:2");
  });

  test("given for somebody who is no member make nobody one", () => {
    const book = new AddressBook(membership("n1"), given);
    expect(book.members.map(({ id }) => id)).toEqual(["n1"]);
    expect(book.peerAddress("n2")).toBeNull();
  });

  test("are those of this node's own routes, whatever the cluster has", () => {
    const book = new AddressBook(membership("n1", "n2"), given, new Map([["n2", "proxy:2"]]));
    book.update(moved(membership("n1", "n2"), "n2", "recorded"));
    expect([book.peerAddress("n2"), book.peers.get("n1")]).toEqual(["proxy:2", "n1:2"]);
    expect(book.clients[1]).toEqual(["n2", "recorded:1"]);
  });

  test("of strangers are known while they are answered", () => {
    const book = new AddressBook(membership("n1"), []);
    const told: string[] = [];
    const links = book.noting({
      welcome: (guest, address) => told.push(`${guest} at ${address}`),
      dismiss: (guest) => told.push(`${guest} left`),
    });
    links.welcome("n9", "n9:2");
    expect(book.peerAddress("n9")).toBe("n9:2");
    links.dismiss("n9");
    expect([book.peerAddress("n9"), told]).toEqual([null, ["n9 at n9:2", "n9 left"]]);
  });
});
