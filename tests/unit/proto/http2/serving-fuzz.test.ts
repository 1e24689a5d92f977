import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Stream } from "@quorate/proto/http2";
import { eventually } from "../../../support/eventually";
import { catchFaults } from "./caught-faults";
import { anyFrame, drawing, spoilt } from "./drawn-frames";
import { ServingRig } from "./serving-rig";

const ROUNDS = 150;

/** A field of its own, one that is kept, and one that was. */
const BLOCK = Buffer.from("\x83\x86\x44\x04/a/b\x40\x01a\x01b\xbe\x5f\x10application/grpc", "latin1");

let rig: ServingRig;
let faults: unknown[];
/** Streams that were told of, less those that were told to be over. */
let open: number;

beforeEach(async () => {
  faults = [];
  open = 0;
  rig = new ServingRig({ streamsMax: 8, begun: answer, accepted: (socket) => catchFaults(socket, faults) });
  await rig.listen();
});

afterEach(() => rig.close());

function answer(stream: Stream): void {
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
}

test.each([1, 2, 3, 4])(
  "whatever is said, each stream and connection ends once (seed %i)",
  async (seed) => {
    const draw = drawing(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const caller = rig.connect();
      const frames = Buffer.concat(Array.from({ length: 1 + draw(40) }, () => anyFrame(draw, BLOCK)));
      const said = draw(2) === 0 ? spoilt(frames, draw) : frames;
      caller.begin();
      for (let at = 0; at < said.length; ) {
        const end = at + 1 + draw(draw(2) === 0 ? 30 : said.length);
        caller.say(said.subarray(at, end));
        at = end;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await eventually("it was accepted", () => rig.sockets.length === round + 1);
      // All that was said is read once the caller's end is.
      caller.end();
      await eventually("the connection is over", () => rig.closed === round + 1);
    }
    expect({ faults, open, unsent: rig.wrote - rig.took }).toEqual({ faults: [], open: 0, unsent: 0 });
  },
  60_000,
);
