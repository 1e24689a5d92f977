import type { Socket } from "node:net";
import { beforeEach, describe, expect, it } from "@jest/globals";
import { FRAME_HEAD_BYTES } from "../../../../proto/http2/frames";
import { takeIn } from "../../../../proto/http2/input";
import { Sender } from "../../../../proto/http2/sender";
import { Stream } from "../../../../proto/http2/stream";

const NO_BYTES = Buffer.alloc(0);
/** Longer than a frame may be, so it waits in its stream. */
const LONG_BYTES = 20_000;

/** A transport that keeps what it is given, and takes it when it is told to. */
class HeldTransport {
  readonly writes: { readonly bytes: Buffer; readonly take: () => void }[] = [];
  isEnded = false;

  write(bytes: Buffer, taken: () => void = () => {}): void {
    this.writes.push({ bytes, take: taken });
  }

  /** Takes all that it was given. */
  takeAll(): void {
    for (const { take } of this.writes.splice(0)) take();
  }

  cork(): void {}

  uncork(): void {}

  end(): void {
    this.isEnded = true;
  }
}

interface Rig {
  readonly transport: HeldTransport;
  readonly sender: Sender;
  wrote: number;
  took: number;
  stream(id: number, told?: Partial<{ drained: () => void }>): Stream;
}

function rigOf(): Rig {
  const transport = new HeldTransport();
  const sender = new Sender(transport as unknown as Socket, {
    wrote: (bytes) => {
      rig.wrote += bytes;
    },
    took: (bytes) => {
      rig.took += bytes;
    },
    finished: () => {},
    flooded: () => {},
  });
  const carrier = {
    sendHeaders: () => {},
    sendData: sender.data.bind(sender),
    sendEnd: sender.end.bind(sender),
    hasRoom: sender.hasRoom.bind(sender),
    reset: () => {},
    credit: () => {},
  };
  const rig: Rig = {
    transport,
    sender,
    wrote: 0,
    took: 0,
    stream: (id, { drained = () => {} } = {}) => {
      const stream = new Stream(id, carrier, 0, 1_000_000, 1000);
      stream.listener = { onData: () => {}, onEnd: () => {}, onDrained: drained, onClosed: () => {} };
      return stream;
    },
  };
  sender.widen(1_000_000);
  return rig;
}

/** What goes on now is over, with all promises that settle by it. */
const over = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Of each write the first byte of the data in it, and how much there is. */
function dataOf({ transport }: Rig): readonly string[] {
  return transport.writes.map(({ bytes }) => `${bytes.length - FRAME_HEAD_BYTES} of ${bytes.at(-1)}`);
}

describe("a transport that is slow to take what it is given", () => {
  let rig: Rig;
  let stream: Stream;

  beforeEach(() => {
    rig = rigOf();
    stream = rig.stream(1);
  });

  const taker = (told: string[], name: string) => () => void told.push(name);

  it("gets what was said meanwhile in one write when it has taken what it had", async () => {
    stream.write(NO_BYTES, Buffer.alloc(10, 1), null);
    await over();
    stream.write(NO_BYTES, Buffer.alloc(20, 2), null);
    stream.write(NO_BYTES, Buffer.alloc(30, 3), null);
    await over();
    expect(dataOf(rig)).toEqual(["10 of 1"]);
    rig.transport.writes[0]?.take();
    expect(dataOf(rig)).toEqual(["10 of 1", `${20 + FRAME_HEAD_BYTES + 30} of 3`]);
  });

  it("gets what waits in a stream when it has taken what it had, without anything else that is said", async () => {
    stream.write(NO_BYTES, Buffer.alloc(10, 1), null);
    await over();
    stream.write(NO_BYTES, Buffer.alloc(LONG_BYTES, 2), null);
    rig.transport.writes[0]?.take();
    expect(dataOf(rig)).toEqual(["10 of 1", `${LONG_BYTES + FRAME_HEAD_BYTES} of 2`]);
  });

  it("has the memory of what it has not taken, also where another write went before it to the end", async () => {
    stream.write(NO_BYTES, Buffer.alloc(10, 1), null);
    await over();
    stream.write(NO_BYTES, Buffer.alloc(500, 2), null);
    rig.sender.finish();
    const [first, last] = rig.transport.writes;
    const said = Buffer.from(last?.bytes as Buffer);
    first?.take();
    const others = Array.from({ length: 4 }, () => rigOf());
    for (const other of others) other.stream(1).write(NO_BYTES, Buffer.alloc(1000, 0xff), null);
    await over();
    expect(others.map(({ transport }) => transport.writes.length)).toEqual([1, 1, 1, 1]);
    expect([rig.transport.isEnded, last?.bytes]).toEqual([true, said]);
    for (const { transport } of others) transport.takeAll();
  });

  it.each([
    ["taken", (): void => {}],
    ["lost", ({ sender }: Rig) => sender.stop()],
  ])(
    "tells of each message that it is %s once, in the order of all, where they go to the end",
    async (_, lose) => {
      const told: string[] = [];
      stream.write(NO_BYTES, Buffer.alloc(10), taker(told, "in transit"));
      stream.write(NO_BYTES, Buffer.alloc(10), taker(told, "in transit too"));
      await over();
      stream.write(NO_BYTES, Buffer.alloc(20), taker(told, "to the end"));
      rig.sender.finish();
      expect([told, rig.wrote, rig.took]).toEqual([[], 40, 0]);
      lose(rig);
      rig.transport.takeAll();
      expect(told).toEqual(["in transit", "in transit too", "to the end"]);
      expect(rig.took).toBe(40);
    },
  );

  it("has all that waits counted as taken where it is lost", async () => {
    const told: string[] = [];
    stream.write(NO_BYTES, Buffer.alloc(10), taker(told, "in transit"));
    await over();
    stream.write(NO_BYTES, Buffer.alloc(20), taker(told, "gathered"));
    rig.sender.stop();
    rig.sender.stop();
    expect([told, rig.took]).toEqual([["in transit", "gathered"], 30]);
  });

  it("has a stream hear once that there is room, and only when there is", async () => {
    let drained = 0;
    const full = rig.stream(3, { drained: () => (drained += 1) });
    full.sendWindow = 500;
    expect(full.write(NO_BYTES, Buffer.alloc(LONG_BYTES), null)).toBe(false);
    await over();
    rig.transport.takeAll();
    expect(drained).toBe(0);
    rig.sender.widenStream(full, LONG_BYTES);
    for (let nth = 0; nth < 3; nth += 1) {
      stream.write(NO_BYTES, Buffer.alloc(10), null);
      await over();
      rig.transport.takeAll();
      expect(drained).toBe(1);
    }
  });
});

describe("what a stream says", () => {
  let rig: Rig;
  let stream: Stream;

  beforeEach(() => {
    rig = rigOf();
    stream = rig.stream(1);
  });

  function say(bytes: number): void {
    stream.write(NO_BYTES, Buffer.alloc(bytes, 1), null);
  }

  it("leaves behind the input that is taken in, with what the connection has said by itself before", () => {
    rig.sender.windowUpdate(0, 7);
    takeIn(() => say(10), undefined);
    expect(rig.transport.writes.map(({ bytes }) => bytes.length)).toEqual([2 * FRAME_HEAD_BYTES + 4 + 10]);
  });

  it("leaves when what goes on is over, also where something left behind an input before", async () => {
    takeIn(() => say(10), undefined);
    rig.transport.writes[0]?.take();
    say(20);
    expect(rig.transport.writes.length).toBe(1);
    await over();
    expect(dataOf(rig)).toEqual(["10 of 1", "20 of 1"]);
  });

  it("goes on behind what waits in it, however much of the window is left", async () => {
    stream.sendWindow = LONG_BYTES + 100;
    say(LONG_BYTES);
    stream.write(NO_BYTES, Buffer.alloc(10, 2), null);
    await over();
    expect(rig.transport.writes.map(({ bytes }) => bytes.at(-1))).toEqual([2]);
    expect(stream.sendWindow).toBe(90);
  });
});
