import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "@jest/globals";
import { framed, MessageSplitter } from "@quorate/proto/calling";
import fc from "fast-check";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** What is in use. */
function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What a splitter makes of the chunks. */
function split(chunks: readonly Buffer[], bytesMax = 1_000_000): Buffer[] {
  const messages: Buffer[] = [];
  const splitter = new MessageSplitter(bytesMax);
  for (const chunk of chunks) splitter.push(chunk, (message) => messages.push(Buffer.from(message)));
  return messages;
}

describe("messages on a stream", () => {
  test("come out as they went in, wherever the stream is cut into chunks", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    const cuts = fc.array(fc.nat(2500), { maxLength: 12 });
    fc.assert(
      fc.property(messages, cuts, (sent, at) => {
        const bytes = Buffer.concat(sent.map(framed));
        const bounds = [0, ...at.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        );
        const chunks = bounds.slice(1).map((to, index) => bytes.subarray(bounds[index], to));
        expect(split(chunks).map((message) => [...message])).toEqual(sent.map((message) => [...message]));
      }),
    );
  });

  test("a message that came in one piece is not copied", () => {
    const chunk = framed(Uint8Array.of(1, 2, 3));
    const splitter = new MessageSplitter(100);
    splitter.push(chunk, (message) => expect(message.buffer).toBe(chunk.buffer));
    expect.assertions(1);
  });

  test("one that says it is too long is refused before any of it is kept", () => {
    expect(() => split([framed(new Uint8Array(101)).subarray(0, 5)], 100)).toThrow(
      "Received message larger than max (101 vs 100)",
    );
    expect(split([framed(new Uint8Array(100))], 100)).toHaveLength(1);
  });

  test("one that comes byte by byte takes little more room than its bytes", () => {
    const message = Buffer.alloc(200_000);
    for (let at = 0; at < message.length; at += 1) message[at] = at * 7;
    const bytes = framed(message);
    const messages: Buffer[] = [];
    const splitter = new MessageSplitter(message.length);
    const before = heapBytes();
    for (let at = 0; at < bytes.length - 1; at += 1) {
      splitter.push(bytes.subarray(at, at + 1), (whole) => messages.push(whole));
    }
    expect(heapBytes() - before).toBeLessThan(2_000_000);
    splitter.push(bytes.subarray(-1), (whole) => messages.push(whole));
    expect(messages).toEqual([message]);
  });

  test("that one has begun is known until it is whole", () => {
    const splitter = new MessageSplitter(100);
    const bytes = framed(Uint8Array.of(1, 2, 3));
    splitter.push(bytes.subarray(0, 7), () => {});
    expect(splitter.isBetweenMessages).toBe(false);
    splitter.push(bytes.subarray(7), () => {});
    expect(splitter.isBetweenMessages).toBe(true);
  });
});
