import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ServingConnection } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import { DATA, END_HEADERS, frame, HEADERS, PREFACE, SETTINGS } from "../../grpc/http2-frames";
import { RawCaller } from "./raw-caller";

const ROUNDS = 150;
const END_STREAM = 1;

/** A field of its own, one that is kept, and one that was. */
const BLOCK = Buffer.from("\x83\x86\x44\x04/a/b\x40\x01a\x01b\xbe\x5f\x10application/grpc", "latin1");

let listener: Server;
let accepted: Socket[];
let closed: number;
let faults: unknown[];
/** Streams that were told of, less those that were told to be over. */
let open: number;
let wrote: number;
let took: number;

beforeEach(async () => {
  accepted = [];
  closed = 0;
  faults = [];
  open = 0;
  wrote = 0;
  took = 0;
  listener = createServer((socket) => {
    accepted.push(socket);
    new ServingConnection(
      socket,
      { streamsMax: 8 },
      {
        stream: (stream) => {
          open += 1;
          let isClosed = false;
          stream.listener = {
            onData: (bytes) => {
              if (isClosed) faults.push("data behind the end");
              if (bytes.length % 3 === 0) stream.pause();
              stream.write(bytes, Buffer.alloc(1000), null);
              setImmediate(() => stream.resume());
            },
            onEnd: () => {
              if (isClosed) faults.push("an end behind the end");
              stream.sendHeaders([[":status", "200"]]);
              stream.write(Buffer.alloc(5), Buffer.alloc(40_000), null);
              stream.end([["grpc-status", "0"]]);
            },
            onDrained: () => {},
            onClosed: () => {
              if (isClosed) faults.push("closed twice");
              isClosed = true;
              open -= 1;
            },
          };
        },
        wrote: (bytes) => {
          wrote += bytes;
        },
        took: (bytes) => {
          took += bytes;
        },
        closed: () => {
          closed += 1;
        },
      },
    );
    // Where reading throws, the process would end.
    for (const read of socket.listeners("data") as ((chunk: Buffer) => void)[]) {
      socket.off("data", read);
      socket.on("data", (chunk: Buffer) => {
        try {
          read(chunk);
        } catch (error) {
          faults.push(error);
          socket.destroy();
        }
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
});

afterEach(() => {
  listener.close();
});

/** Numbers from 0 to below `end` that a seed determines (mulberry32). */
function drawing(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

/** Frames that are mostly as they may be, in an order that mostly is not. */
function anyFrame(draw: (end: number) => number): Buffer {
  const streamId = draw(10) === 0 ? draw(30) : draw(10) * 2 + 1;
  const bytes = Buffer.from(Array.from({ length: draw(40) }, () => draw(256)));
  switch (draw(9)) {
    case 0:
    case 1:
    case 2:
      return frame(HEADERS, END_HEADERS | (draw(2) * END_STREAM), streamId, BLOCK);
    case 3:
    case 4:
      return frame(DATA, draw(2) * END_STREAM, streamId, bytes);
    case 5: {
      const setting = Buffer.alloc(6);
      setting.writeUInt16BE(draw(7));
      setting.writeUInt32BE(draw(100_000), 2);
      return frame(SETTINGS, 0, 0, setting);
    }
    case 6: {
      const window = Buffer.alloc(4);
      window.writeUInt32BE(draw(100_000));
      return frame(8, 0, draw(2) * streamId, window);
    }
    case 7:
      return frame(3, 0, streamId, Buffer.alloc(4, draw(9)));
    default:
      return frame(draw(12), draw(256), streamId, bytes);
  }
}

/** With some bytes changed, left out or said twice. */
function spoilt(bytes: Buffer, draw: (end: number) => number): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (let count = draw(3); count > 0 && at < bytes.length; count -= 1) {
    const until = at + draw(bytes.length - at);
    parts.push(bytes.subarray(at, until));
    const kind = draw(3);
    if (kind === 0) parts.push(Buffer.of(draw(256)));
    else if (kind === 1) parts.push(bytes.subarray(at, until));
    at = until + 1;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}

test.each([1, 2, 3, 4])(
  "whatever is said, each stream and connection ends once (seed %i)",
  async (seed) => {
    const draw = drawing(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const caller = new RawCaller((listener.address() as { port: number }).port);
      const frames = Buffer.concat(Array.from({ length: 1 + draw(40) }, () => anyFrame(draw)));
      const said = draw(2) === 0 ? spoilt(frames, draw) : frames;
      caller.say(PREFACE, frame(SETTINGS, 0, 0, Buffer.alloc(0)));
      for (let at = 0; at < said.length; ) {
        const end = at + 1 + draw(draw(2) === 0 ? 30 : said.length);
        caller.say(said.subarray(at, end));
        at = end;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await eventually("it was accepted", () => accepted.length === round + 1);
      // All that was said is read once the caller's end is.
      caller.end();
      await eventually("the connection is over", () => closed === round + 1);
    }
    expect({ faults, open, unsent: wrote - took }).toEqual({ faults: [], open: 0, unsent: 0 });
  },
  60_000,
);
