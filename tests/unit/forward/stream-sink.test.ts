import { beforeEach, describe, expect, test } from "@jest/globals";
import { StreamSink, UNTAKEN_BYTES_MAX } from "../../../services/forward/stream-sink";

const SHORT = Buffer.alloc(UNTAKEN_BYTES_MAX / 8);
const LONG = Buffer.alloc(2 * UNTAKEN_BYTES_MAX);

/** What the transport was given, and has not taken. */
let untaken: (() => void)[];
let written: number[];
let hasRoom: (() => void) | null;
let leaving: AbortController;
let sink: StreamSink;
/** Writes that were asked for and have ended, by their order. */
let ended: string[];

beforeEach(() => {
  untaken = [];
  written = [];
  hasRoom = null;
  ended = [];
  leaving = new AbortController();
  const stream = {
    write: (message: Uint8Array, flushed: () => void) => {
      written.push(message.length);
      untaken.push(flushed);
      return true;
    },
    room: () =>
      hasRoom === null
        ? null
        : new Promise<void>((resolve) => {
            hasRoom = resolve;
          }),
  };
  sink = new StreamSink(stream, leaving.signal);
});

/** As who serves a stream does: the next when there was room for the one before. */
async function writeAll(messages: readonly Uint8Array[]): Promise<void> {
  for (const message of messages) await sink.write(message);
  ended.push("all");
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function take(count: number): Promise<void> {
  for (const taken of untaken.splice(0, count)) taken();
  await settled();
}

describe("messages of a stream", () => {
  test("are handed on together where they are short, up to a bound", async () => {
    void writeAll(Array(10).fill(SHORT));
    await settled();
    expect(written).toHaveLength(7);
    await take(1);
    expect(written).toHaveLength(8);
    await take(8);
    expect([written.length, ended]).toEqual([10, ["all"]]);
  });

  test("wait for all before them where they are long, and are waited for", async () => {
    void writeAll([SHORT, SHORT, LONG, SHORT]);
    await settled();
    await take(1);
    expect(written).toHaveLength(2);
    await take(1);
    expect(written).toHaveLength(3);
    await settled();
    expect(written).toHaveLength(3);
    await take(1);
    expect([written.length, ended]).toEqual([4, ["all"]]);
  });

  test("are bounded in number where they are empty", async () => {
    void writeAll(Array(100_000).fill(Buffer.alloc(0)));
    await settled();
    expect(written).toHaveLength(1024);
  });

  test("wait where other calls of the connection have too much under way", async () => {
    hasRoom = () => undefined;
    void writeAll([SHORT]);
    await settled();
    const release = hasRoom;
    hasRoom = null;
    expect(written).toHaveLength(0);
    release();
    await settled();
    expect(written).toHaveLength(1);
  });

  test("are drained when the last of them was taken", async () => {
    await writeAll([SHORT, SHORT]);
    void sink.drained().then(() => ended.push("drained"));
    await take(1);
    expect(ended).toEqual(["all"]);
    await take(1);
    expect(ended).toEqual(["all", "drained"]);
  });

  test.each([
    { why: "the transport takes nothing", setUp: () => sink.write(LONG) },
    {
      why: "other calls have too much under way",
      setUp: async () => {
        hasRoom = () => undefined;
      },
    },
  ])("fail where nobody listens any more and $why", async ({ setUp }) => {
    await setUp();
    const waiting = sink.write(SHORT);
    await settled();
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ message: expect.stringContaining("left") });
    await expect(sink.write(SHORT)).rejects.toThrow();
    await sink.drained();
  });
});
