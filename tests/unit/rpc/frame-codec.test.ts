import { describe, expect, test } from "@jest/globals";
import { ExchangeRequest, MessageType, type Message as WireMessage } from "@quorate/proto/raft";
import type { Entry, Message } from "@quorate/services/raft";
import {
  decodeFrame,
  type EntryTraces,
  FrameEncoder,
  messageFromWire,
  messageToWire,
} from "@quorate/services/rpc";
import fc from "fast-check";
import { arbitraryMessages } from "./arbitrary-messages";

const GROUP_ID = 1;
const kinds = Object.values(arbitraryMessages) as readonly fc.Arbitrary<Message>[];
const frames = fc.array(fc.oneof(...kinds), { maxLength: 5 });

/** A frame as the generated code has it. */
function generatedFrame(messages: readonly WireMessage[]): Uint8Array {
  const value = { messages: [...messages] };
  return new Uint8Array(ExchangeRequest.encode({ frame: { $case: "messages", value } }).finish());
}

/** What the generated code makes of the bytes of a frame; undefined where it throws. */
function generated(bytes: Uint8Array): ReturnType<typeof decodeFrame> | undefined {
  let frame: ExchangeRequest["frame"];
  try {
    frame = ExchangeRequest.decode(bytes).frame;
  } catch {
    return undefined;
  }
  if (frame === undefined) return { kind: "unknown" };
  if (frame.$case === "hello") return { kind: "hello", hello: frame.value };
  const ours = frame.value.messages.filter(({ groupId }) => groupId === GROUP_ID);
  return { kind: "messages", messages: ours.map((wire) => messageFromWire(wire)) };
}

/** What is made of the bytes by hand is what the generated code makes of them. */
function agree(bytes: Uint8Array): void {
  const expected = generated(bytes);
  if (expected === undefined) expect(() => decodeFrame(bytes)).toThrow();
  else expect(decodeFrame(bytes)).toEqual(expected);
}

function append(entries: readonly Entry[], to = "n2"): Message {
  return { kind: "append", from: "n1", to, term: 3, previous: { term: 3, index: 6 }, entries, commit: 5 };
}

function entry(index: number, data = Uint8Array.of(index)): Entry {
  return { term: 3, index, kind: "normal", data };
}

describe("a frame between peers", () => {
  test("is encoded by hand as by the generated code, byte for byte", () => {
    const encoder = new FrameEncoder();
    fc.assert(
      fc.property(frames, (messages) => {
        const expected = generatedFrame(messages.map((message) => messageToWire(message)));
        expect(encoder.frame(messages)).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("comes back as it went", () => {
    const encoder = new FrameEncoder();
    fc.assert(
      fc.property(frames, (messages) => {
        expect(decodeFrame(encoder.frame(messages))).toEqual({ kind: "messages", messages });
      }),
      { numRuns: 300 },
    );
  });

  test("is decoded as the generated code does it, also cut off, twice over or with flipped bits", () => {
    const bodies = frames.map((messages) =>
      generatedFrame(messages.map((message) => messageToWire(message))),
    );
    const garbled = fc.oneof(
      fc.tuple(bodies, bodies).map((parts) => new Uint8Array(Buffer.concat(parts))),
      fc.tuple(bodies, fc.nat()).map(([body, cut]) => body.slice(0, cut % (body.length + 1))),
      fc.tuple(bodies, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, at, bits]) => {
        const flipped = Uint8Array.from(body);
        if (body.length > 0) flipped[at % body.length]! ^= bits;
        return flipped;
      }),
      fc.uint8Array({ maxLength: 30 }),
    );
    fc.assert(fc.property(garbled, agree), { numRuns: 1000 });
  });

  test("drops what is not of this node's group, of a newer kind, or makes no sense", () => {
    const wire = messageToWire({
      kind: "heartbeat",
      from: "n1",
      to: "n2",
      term: 1,
      commit: 2,
      readSequence: 0,
    });
    const odd: Partial<WireMessage>[] = [
      { groupId: 2 },
      { type: 99 as MessageType },
      { type: MessageType.UNSPECIFIED },
      { from: "" },
      { to: "" },
      { term: 2n ** 60n },
    ];
    for (const change of odd) agree(generatedFrame([wire, { ...wire, ...change }]));
  });

  test("has the same entries for each follower, encoded once, and others where they differ", () => {
    let asked = 0;
    const traces: EntryTraces = {
      traceparentOf: () => {
        asked += 1;
        return "";
      },
      note: () => {},
    };
    const encoder = new FrameEncoder(traces);
    const entries = [entry(7), entry(8)];
    const messages = [append(entries), append([...entries], "n3"), append(entries.slice(1), "n4")];
    for (const message of messages) {
      expect(decodeFrame(encoder.frame([message]))).toEqual({ kind: "messages", messages: [message] });
    }
    // Two entries for the first two followers together, and one for the third.
    expect(asked).toBe(3);
    // Another entry in an equal place is another one.
    const replaced = append([entry(7), entry(8, Uint8Array.of(1, 2, 3))]);
    expect(decodeFrame(encoder.frame([replaced]))).toEqual({ kind: "messages", messages: [replaced] });
  });

  test("has entry data that is copied out of it", () => {
    const message = append([entry(7, Uint8Array.of(1, 2, 3))]);
    const bytes = new FrameEncoder().frame([message]);
    const decoded = decodeFrame(bytes);
    bytes.fill(9);
    expect(decoded).toEqual({ kind: "messages", messages: [message] });
    const [first] = decoded.kind === "messages" ? decoded.messages : [];
    expect(first?.kind === "append" && first.entries[0]?.data.buffer.byteLength).toBe(3);
  });

  test("takes along what an entry is traced under, where it is known", () => {
    const noted: [number, number, string][] = [];
    const traces: EntryTraces = {
      traceparentOf: ({ index }) => (index === 8 ? "00-of-two" : ""),
      note: ({ term, index }, traceparent) => noted.push([term, index, traceparent]),
    };
    const message = append([entry(7), entry(8)]);
    const bytes = new FrameEncoder(traces).frame([message]);
    expect(decodeFrame(bytes, traces)).toEqual({ kind: "messages", messages: [message] });
    expect(noted).toEqual([[3, 8, "00-of-two"]]);
    expect(decodeFrame(bytes)).toEqual({ kind: "messages", messages: [message] });
    expect(noted).toHaveLength(1);
  });
});
