import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { eventually } from "../../../support/eventually";
import { anyFrame, drawing, spoilt } from "./drawn-frames";
import { settings } from "./raw-end";
import { RawServer, REQUEST, type Requester } from "./requesting-rig";

const ROUNDS = 150;
const STREAMS = 6;

/** A status, a field that is kept, and one that was. */
const BLOCK = Buffer.from("\x88\x40\x01a\x01b\xbe", "latin1");

let server: RawServer;
let faults: unknown[];
/** Streams that were begun, less those that were told to be over. */
let open: number;

beforeEach(async () => {
  faults = [];
  open = 0;
  server = new RawServer();
  await server.listen();
});

afterEach(() => server.close());

/** Asks on a stream, in parts, and is told at most once that it is over. */
function ask(requester: Requester, nth: number): void {
  const stream = requester.connection.request(REQUEST);
  open += 1;
  let isOver = false;
  const over = (what: string): void => {
    if (isOver) faults.push(`${what} behind the end`);
    isOver = true;
    open -= 1;
  };
  stream.listener = {
    onHeaders: () => {
      if (isOver) faults.push("headers behind the end");
    },
    onData: (bytes) => {
      if (isOver) faults.push("data behind the end");
      if (bytes.length % 3 === 0) stream.pause();
      if (bytes.length % 7 === 6) stream.reset();
      setImmediate(() => stream.resume());
    },
    onEnd: () => {
      over("an end");
      if (!stream.hasLocalEnded) stream.reset();
    },
    onDrained: () => {},
    onClosed: () => {
      if (!stream.isEndTold) over("a reset");
    },
  };
  stream.write(Buffer.alloc(5), Buffer.alloc(nth * 30_000), null);
  if (nth % 2 === 0) stream.end([]);
}

test.each([1, 2, 3, 4])(
  "whatever a server says, each stream and connection ends once (seed %i)",
  async (seed) => {
    const draw = drawing(seed);
    for (let round = 0; round < ROUNDS; round += 1) {
      const [requester, end] = await server.dial();
      const { closed } = requester;
      for (let nth = 0; nth < STREAMS; nth += 1) ask(requester, nth);
      const frames = Buffer.concat(Array.from({ length: 1 + draw(40) }, () => anyFrame(draw, BLOCK)));
      const said = draw(2) === 0 ? spoilt(frames, draw) : frames;
      end.say(settings());
      for (let at = 0; at < said.length; ) {
        const until = at + 1 + draw(draw(2) === 0 ? 30 : said.length);
        end.say(said.subarray(at, until));
        at = until;
        await new Promise((resolve) => setImmediate(resolve));
      }
      // All that was said is read once the server's end is.
      end.end();
      await eventually("the connection is over", () => requester.connection.destroyed && closed.length > 0);
      faults.push(...requester.faults, ...closed.slice(1));
    }
    await eventually("what was held is told", () => open === 0);
    expect(faults).toEqual([]);
  },
  60_000,
);
