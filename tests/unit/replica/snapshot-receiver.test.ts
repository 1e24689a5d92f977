import { beforeEach, describe, expect, test } from "@jest/globals";
import {
  type ImageChunk,
  ImageDamaged,
  type ImageHeader,
  ReceiverFailure,
  SnapshotReceiver,
  type SnapshotSource,
  type StateReceiver,
  StoreFailure,
} from "@quorate/services/replica";

const HEADER: ImageHeader = { format: "f", applied: { term: 2, index: 40 }, revision: 30 };

function chunk(number: number, isLast = false): ImageChunk {
  return { position: Uint8Array.of(number), data: Uint8Array.of(number, number), checksum: 0, isLast };
}

/** What a stream of the peer does: its chunks, then an error or its end. */
type Stream = readonly (ImageChunk | "break")[] | "refused";

let log: string[];
let receivers: number;

beforeEach(() => {
  log = [];
  receivers = 0;
});

function sourceOf(streams: readonly Stream[], imageIds: readonly number[] = []): SnapshotSource {
  let asked = 0;
  return {
    fetch: async (from, resume) => {
      const stream = streams[asked] ?? "refused";
      const imageId = imageIds[asked] ?? 1;
      asked += 1;
      log.push(
        resume === null ? `ask ${from}` : `ask ${from} for ${resume.imageId} after ${resume.position}`,
      );
      if (stream === "refused") throw new Error("no");
      return {
        imageId,
        header: HEADER,
        chunks: (async function* () {
          for (const item of stream) {
            if (item === "break") throw new Error("broken");
            yield item;
          }
        })(),
      };
    },
  };
}

function stateWith(faults: { put?: (at: ImageChunk) => void; complete?: () => void } = {}) {
  return {
    receive: async (header: ImageHeader): Promise<StateReceiver> => {
      receivers += 1;
      const name = receivers;
      let position: Uint8Array | null = null;
      return {
        header,
        get position() {
          return position;
        },
        put: async (at) => {
          faults.put?.(at);
          log.push(`put ${at.position} into ${name}`);
          position = at.position;
        },
        complete: async () => {
          faults.complete?.();
          log.push(`complete ${name}`);
          return { resident: {} as never, applied: header.applied };
        },
        abandon: async () => {
          log.push(`abandon ${name}`);
        },
      };
    },
  };
}

function receiverOf(source: SnapshotSource, state = stateWith()): SnapshotReceiver {
  return new SnapshotReceiver({ source, state, retryTicks: 1 });
}

/** Lets retries come to their turn. */
async function brought(receiver: SnapshotReceiver, isWanted = true): Promise<unknown> {
  let result: unknown = "pending";
  const settled = receiver
    .bring("n1", () => isWanted)
    .then(
      (received) => {
        result = received;
      },
      (error: unknown) => {
        result = error;
      },
    );
  for (let tick = 0; tick < 20 && result === "pending"; tick += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    receiver.tick();
  }
  await settled;
  return result;
}

describe("F3: an image is brought", () => {
  test("in one stream", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1), chunk(2, true)]]));
    expect(await brought(receiver)).toMatchObject({ opened: { applied: HEADER.applied } });
    expect(log).toEqual(["ask n1", "put 1 into 1", "put 2 into 1", "complete 1"]);
    expect(receiver.receiving).toBeNull();
  });

  test("and gone on with where its stream broke", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1), "break"], "refused", [chunk(2), chunk(3, true)]]));
    expect(await brought(receiver)).not.toBeNull();
    expect(log).toEqual([
      "ask n1",
      "put 1 into 1",
      "ask n1 for 1 after 1",
      "ask n1 for 1 after 1",
      "put 2 into 1",
      "put 3 into 1",
      "complete 1",
    ]);
  });

  test("and gone on with where its stream ended without the last chunk", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1)], [chunk(2, true)]]));
    expect(await brought(receiver)).not.toBeNull();
    expect(log).toEqual(["ask n1", "put 1 into 1", "ask n1 for 1 after 1", "put 2 into 1", "complete 1"]);
  });

  test("anew where the peer has another one", async () => {
    const source = sourceOf(
      [
        [chunk(1), "break"],
        [chunk(1), chunk(2, true)],
      ],
      [1, 2],
    );
    expect(await brought(receiverOf(source))).not.toBeNull();
    expect(log).toEqual([
      "ask n1",
      "put 1 into 1",
      "ask n1 for 1 after 1",
      "abandon 1",
      "put 1 into 2",
      "put 2 into 2",
      "complete 2",
    ]);
  });

  test("and a damaged chunk is asked for again", async () => {
    let isDamaged = true;
    const state = stateWith({
      put: ({ position }) => {
        if (position[0] !== 2 || !isDamaged) return;
        isDamaged = false;
        throw new ImageDamaged("a bit");
      },
    });
    const source = sourceOf([[chunk(1), chunk(2, true)], [chunk(2, true)]]);
    expect(await brought(receiverOf(source, state))).not.toBeNull();
    expect(log).toEqual(["ask n1", "put 1 into 1", "ask n1 for 1 after 1", "put 2 into 1", "complete 1"]);
  });

  test("and begun anew where it turns out damaged as a whole", async () => {
    let isDamaged = true;
    const state = stateWith({
      complete: () => {
        if (isDamaged) {
          isDamaged = false;
          throw new ImageDamaged("a sum");
        }
      },
    });
    const source = sourceOf([[chunk(1, true)], [chunk(1, true)]], [1, 2]);
    expect(await brought(receiverOf(source, state))).not.toBeNull();
    expect(log).toEqual(["ask n1", "put 1 into 1", "abandon 1", "ask n1", "put 1 into 2", "complete 2"]);
  });

  test("and given up after a few attempts without a chunk, with nothing left behind", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1), "break"]]));
    expect(await brought(receiver)).toBeNull();
    expect(log.filter((line) => line.startsWith("ask"))).toHaveLength(4);
    expect(log.at(-1)).toBe("abandon 1");
    expect(receiver.isBusy).toBe(false);
  });

  test("and given up at once where it would be of no use any more", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1, true)]]));
    expect(await brought(receiver, false)).toBeNull();
    expect(log).toEqual(["ask n1"]);
  });

  test("and given up when it is cancelled", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1), "break"]]));
    const result = receiver.bring("n1", () => true);
    await new Promise((resolve) => setImmediate(resolve));
    receiver.cancel();
    expect(await result).toBeNull();
    expect(log.at(-1)).toBe("abandon 1");
  });

  test("and given up when space becomes scarce, and not begun before there is some again", async () => {
    const stream = [chunk(1), chunk(2), chunk(3, true)];
    const state = stateWith({
      put: (at) => receivers === 1 && at.position[0] === 2 && receiver.setLowOnSpace(true),
    });
    const receiver = receiverOf(sourceOf([stream, stream]), state);
    expect(await brought(receiver)).toBeNull();
    expect(log).toEqual(["ask n1", "put 1 into 1", "put 2 into 1", "abandon 1"]);
    expect(await brought(receiver)).toBeNull();
    expect(log).toHaveLength(4);
    receiver.setLowOnSpace(false);
    expect(await brought(receiver)).toBeInstanceOf(Object);
  });

  test("and never after the receiver was closed", async () => {
    const receiver = receiverOf(sourceOf([[chunk(1, true)]]));
    receiver.close();
    expect(await receiver.bring("n1", () => true)).toBeNull();
    expect(log).toEqual([]);
  });

  test("and no stream is left open that nobody takes anything of", async () => {
    let isLeft = true;
    const source = sourceOf([[chunk(1, true)]]);
    const receiver = receiverOf({
      fetch: (from, resume, cancellation) => {
        cancellation.addEventListener("abort", () => {
          isLeft = false;
        });
        return source.fetch(from, resume, cancellation);
      },
    });
    expect(await brought(receiver, false)).toBeNull();
    expect(isLeft).toBe(false);
  });

  describe("and given up where there is no room for it", () => {
    const noRoom = (): never => {
      throw new ReceiverFailure("out of file descriptors", {});
    };

    test.each(["receive", "put", "complete"] as const)("which %s says", async (step) => {
      const state = step === "receive" ? { receive: async () => noRoom() } : stateWith({ [step]: noRoom });
      const told: string[] = [];
      const source = sourceOf([[chunk(1, true)]]);
      const failed = ({ message }: ReceiverFailure) => void told.push(message);
      const receiver = new SnapshotReceiver({ source, state, retryTicks: 2, failed });
      expect(await brought(receiver)).toBeNull();
      expect(told).toEqual(["out of file descriptors"]);
      expect(log.filter((line) => line.startsWith("abandon"))).toEqual(
        step === "receive" ? [] : ["abandon 1"],
      );
      expect(receiver.isBusy).toBe(false);
    });

    test("and asked for again after rests that grow, until one has come", async () => {
      let isShort = true;
      const state = stateWith({ complete: () => isShort && noRoom() });
      const stream = [chunk(1, true)];
      const receiver = new SnapshotReceiver({
        source: sourceOf(Array.from({ length: 20 }, () => stream)),
        state,
        retryTicks: 2,
      });
      const rests: number[] = [];
      /** How many ticks pass before it asks once more, whatever comes of that. */
      const next = async (): Promise<unknown> => {
        const asked = log.filter((line) => line === "ask n1").length;
        for (let ticks = 0; ; ticks += 1) {
          const result = await receiver.bring("n1", () => true);
          if (log.filter((line) => line === "ask n1").length > asked) {
            rests.push(ticks);
            return result;
          }
          receiver.tick();
        }
      };
      for (let attempt = 0; attempt < 9; attempt += 1) expect(await next()).toBeNull();
      isShort = false;
      expect(await next()).not.toBeNull();
      isShort = true;
      expect(await next()).toBeNull();
      expect(await next()).toBeNull();
      expect(rests).toEqual([0, 2, 4, 8, 16, 32, 64, 128, 128, 128, 0, 2]);
    });
  });

  test("and a store that fails is told as such", async () => {
    const state = stateWith({
      put: () => {
        throw new StoreFailure("the disk", { dataLoss: false });
      },
    });
    const receiver = receiverOf(sourceOf([[chunk(1)]]), state);
    expect(await brought(receiver)).toBeInstanceOf(StoreFailure);
    expect(log.at(-1)).toBe("abandon 1");
  });
});
