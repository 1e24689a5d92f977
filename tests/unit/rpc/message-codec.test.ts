import { describe, expect, test } from "@jest/globals";
import { MessageType, type Message as WireMessage, Message as WireMessageType } from "@quorate/proto/raft";
import type { Message } from "@quorate/services/raft";
import { type EntryTraces, messageFromWire, messageToWire } from "@quorate/services/rpc";
import fc from "fast-check";
import { arbitraryMessages } from "./arbitrary-messages";

const onTheWire = (message: Message): WireMessage =>
  WireMessageType.decode(WireMessageType.encode(messageToWire(message)).finish());

describe("the codec of peer messages", () => {
  test.each(Object.keys(arbitraryMessages) as Message["kind"][])("%s comes back as it went", (name) => {
    fc.assert(
      fc.property(arbitraryMessages[name] as fc.Arbitrary<Message>, (message) => {
        expect(messageFromWire(onTheWire(message))).toEqual(message);
      }),
      { numRuns: 100 },
    );
  });

  test("entry data is copied out of the frame", () => {
    const data = Uint8Array.of(1, 2, 3);
    const wire = onTheWire({
      kind: "append",
      from: "n1",
      to: "n2",
      term: 1,
      previous: { term: 0, index: 0 },
      entries: [{ term: 1, index: 1, kind: "normal", data }],
      commit: 0,
    });
    const message = messageFromWire(wire);
    wire.entries[0]!.data.fill(9);
    expect(message).toMatchObject({ entries: [{ data }] });
    const { entries } = message as Extract<Message, { kind: "append" }>;
    expect(entries[0]!.data.buffer.byteLength).toBe(3);
  });

  test("what an entry is traced under goes with it, where it is known", () => {
    const entries = [1, 2].map((index) => ({
      term: 3,
      index,
      kind: "normal" as const,
      data: Uint8Array.of(index),
    }));
    const previous = { term: 0, index: 0 };
    const message: Message = { kind: "append", from: "n1", to: "n2", term: 3, previous, entries, commit: 0 };
    const noted: [number, number, string][] = [];
    const traces: EntryTraces = {
      traceparentOf: ({ index }) => (index === 2 ? "00-of-two" : ""),
      note: ({ term, index }, traceparent) => noted.push([term, index, traceparent]),
    };
    const wire = WireMessageType.decode(WireMessageType.encode(messageToWire(message, traces)).finish());
    expect(messageFromWire(wire, traces)).toEqual(message);
    expect(noted).toEqual([[3, 2, "00-of-two"]]);
    expect(messageFromWire(onTheWire(message), traces)).toEqual(message);
    expect(noted).toHaveLength(1);
  });

  test.each([
    ["a kind of a newer version", { type: 99 as MessageType }],
    ["no kind", { type: MessageType.UNSPECIFIED }],
    ["no sender", { from: "" }],
    ["a term beyond what is counted", { term: 2n ** 60n }],
    [
      "an entry of an unknown kind",
      {
        type: MessageType.APPEND,
        entries: [{ term: 1n, index: 1n, type: 9 as never, data: Uint8Array.of(), traceparent: "" }],
      },
    ],
  ])("%s is dropped", (_name, change) => {
    const wire = messageToWire({ kind: "timeout_now", from: "n1", to: "n2", term: 1 });
    expect(messageFromWire({ ...wire, ...change })).toBeNull();
  });
});
