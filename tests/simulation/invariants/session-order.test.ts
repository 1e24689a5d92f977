import { describe, it } from "@jest/globals";
import { type Command, incrementCommand, type WriteId } from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { expectBroken } from "./expect-broken";
import { SessionOrder } from "./session-order";

const CHANGE = { kind: "put" } as never;

function write(requestId: WriteId | null): Command {
  return incrementCommand({ namespace: "", requestId, wallTimeMs: 0 }, utf8Encode("k"), 1n);
}

function ordered(sequence: number, clientId = 1): Command {
  return write({ clientId, sequence, firstUnanswered: 1, follows: 0 });
}

function run(commands: readonly (readonly [Command, "changes" | "changes nothing"])[]): void {
  const order = new SessionOrder();
  commands.forEach(([command, what], at) => {
    order.committed({ index: at + 1, command, writes: { changes: what === "changes" ? [CHANGE] : [] } });
  });
}

describe("the check of the order of a session's writes", () => {
  it("K3: finds a write that changes something behind a later one", () => {
    expectBroken("writes of a session keep their order", "entry 3 carries out 1/2, after 1/3 was", () =>
      run([
        [ordered(1), "changes"],
        [ordered(3), "changes"],
        [ordered(2), "changes"],
      ]),
    );
  });

  it("finds nothing in copies, in writes without an order, and in the order of several sessions", () => {
    run([
      [ordered(1), "changes"],
      [ordered(3), "changes"],
      [ordered(1), "changes nothing"],
      [ordered(2), "changes nothing"],
      [ordered(2, 2), "changes"],
      [write({ clientId: 1, sequence: 2, firstUnanswered: 1 }), "changes"],
      [write(null), "changes"],
      [ordered(4), "changes"],
    ]);
  });
});
