import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import type { ImageChunk, IncomingImage, OutgoingImages } from "@quorate/services/replica";
import {
  PeerServer,
  PeerSnapshotSource,
  type PeerSnapshotSourceOptions,
  removalIn,
} from "@quorate/services/rpc";
import { eventually, NeverWill } from "../../support/eventually";
import { PATIENCE_MS, recordingLog } from "../forward/serving";
import { FakeImages, FakePeerReplica, identityOf, membershipOf, partsOf } from "./peer-rig";

const KIB = 1024;
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

async function sender(parts: readonly Uint8Array[]) {
  const images = new FakeImages(parts);
  const replica = new FakePeerReplica();
  replica.images = images as unknown as OutgoingImages;
  const log = recordingLog();
  const server = new PeerServer({ own: identityOf("n2"), replica, log, sendingMax: 2 });
  const port = await server.listen("127.0.0.1:0");
  closing.push(() => server.close());
  return { server, images, replica, log, address: `127.0.0.1:${port}` };
}

function sourceAt(address: string | null, changes: Partial<PeerSnapshotSourceOptions> = {}) {
  const source = new PeerSnapshotSource({
    own: identityOf("n1"),
    addressOf: () => address,
    epoch: () => 0,
    silenceMsMax: PATIENCE_MS,
    ...changes,
  });
  closing.push(() => source.close());
  return source;
}

const { signal: never } = new AbortController();

async function allOf(image: IncomingImage): Promise<ImageChunk[]> {
  const chunks: ImageChunk[] = [];
  for await (const chunk of image.chunks) chunks.push(chunk);
  return chunks;
}

function bytesOf(chunks: readonly ImageChunk[]): Buffer {
  return Buffer.concat(chunks.map(({ data }) => data));
}

/** Carries connections, until it cuts them. */
class Cutting {
  private readonly sockets: Socket[] = [];
  private readonly listener = createServer((near) => {
    const far = connect(this.port, "127.0.0.1");
    near.on("error", () => {});
    far.on("error", () => {});
    this.sockets.push(near, far);
    near.pipe(far);
    far.pipe(near);
  });

  constructor(private readonly port: number) {
    closing.push(() => {
      this.cut();
      this.listener.close();
    });
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.listener.listen(0, "127.0.0.1", resolve));
    const address = this.listener.address();
    return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }
}

describe("an image of the state from a peer", () => {
  test("F2: comes whole, in chunks with their checksums, and is given up by its sender then", async () => {
    const parts = partsOf(40, 200 * KIB);
    const { images, address } = await sender(parts);
    const image = await sourceAt(address).fetch("n2", null, never);
    expect(image).toMatchObject({
      imageId: 1,
      header: { format: "memory-1", applied: { index: 70, term: 3 }, revision: 50 },
    });
    const chunks = await allOf(image);
    expect(bytesOf(chunks).equals(Buffer.concat(parts))).toBe(true);
    expect(chunks.map(({ isLast }) => isLast).indexOf(true)).toBe(39);
    await eventually("the image is given up", () => images.count === 0);
    expect(images.touched).toBe(40);
  });

  test("leaves no timer behind when all has come", async () => {
    const silenceMsMax = 54_321;
    const set = jest.spyOn(globalThis, "setTimeout");
    const cleared = jest.spyOn(globalThis, "clearTimeout");
    closing.push(() => {
      set.mockRestore();
      cleared.mockRestore();
    });
    const { address } = await sender(partsOf(3, KIB));
    await allOf(await sourceAt(address, { silenceMsMax }).fetch("n2", null, never));
    const timers = set.mock.results.filter((_, at) => set.mock.calls[at]?.[1] === silenceMsMax);
    expect(timers.length).toBeGreaterThan(3);
    const stopped = new Set(cleared.mock.calls.map(([timer]) => timer));
    expect(timers.filter(({ value }) => !stopped.has(value as NodeJS.Timeout))).toEqual([]);
  });

  test("F3: a stream that broke is gone on with after the last chunk that came, of the same image", async () => {
    const parts = partsOf(60, 100 * KIB);
    const { images, address } = await sender(parts);
    const cutting = new Cutting(Number(address.split(":")[1]));
    const first = await sourceAt(await cutting.open()).fetch("n2", null, never);
    const got: ImageChunk[] = [];
    const breaking = async (): Promise<void> => {
      for await (const chunk of first.chunks) {
        got.push(chunk);
        if (got.length === 3) cutting.cut();
      }
    };
    await expect(breaking()).rejects.toThrow();
    expect(got.length).toBeGreaterThan(2);
    // The window is 2 MiB.
    expect(got.length).toBeLessThan(40);
    const { position } = got.at(-1)!;
    const second = await sourceAt(address).fetch("n2", { imageId: first.imageId, position }, never);
    expect(second.imageId).toBe(first.imageId);
    got.push(...(await allOf(second)));
    expect(bytesOf(got).equals(Buffer.concat(parts))).toBe(true);
    await eventually("the image is given up", () => images.count === 0);
  });

  test("an image that its sender does not keep any more is to be asked for anew", async () => {
    const { address } = await sender(partsOf(1, 10));
    const resume = { imageId: 9, position: Buffer.from("0") };
    await expect(sourceAt(address).fetch("n2", resume, never)).rejects.toThrow("no image 9 any more");
  });

  test("is read from the state no faster than it is taken", async () => {
    const { images, address } = await sender(partsOf(120, 256 * KIB));
    const image = await sourceAt(address).fetch("n2", null, never);
    const state = images.held.get(1)!;
    let before = 0;
    let looks = 0;
    await eventually("the sender waits", () => {
      looks = state.taken > 0 && state.taken === before ? looks + 1 : 0;
      before = state.taken;
      return looks === 5;
    });
    // 30 MiB in all: what is under way are the windows of HTTP/2.
    expect(state.taken).toBeLessThan(60);
    expect(await allOf(image)).toHaveLength(120);
  });

  test("F3: a peer that never begins is noticed", async () => {
    const held: Socket[] = [];
    const silent = createServer((socket) => held.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    closing.push(() => {
      for (const socket of held) socket.destroy();
      silent.close();
    });
    const { port } = silent.address() as { port: number };
    const source = sourceAt(`127.0.0.1:${port}`, { silenceMsMax: 200 });
    await expect(source.fetch("n2", null, never)).rejects.toThrow("no message came within 200 ms");
  });

  test("F3: a peer that stalls between chunks is noticed, and gone on with where it stalled", async () => {
    const parts = partsOf(10, 10 * KIB);
    const { images, address } = await sender(parts);
    images.before = (at) => (at === 5 ? new Promise(() => {}) : Promise.resolve());
    const source = sourceAt(address, { silenceMsMax: 200 });
    const got: ImageChunk[] = [];
    let imageId = 0;
    const goneOn = () => (got.length === 0 ? null : { imageId, position: got.at(-1)!.position });
    // A machine that stalls is taken for the peer that does, and gone on after likewise.
    await eventually("it is waited for what does not come", async () => {
      try {
        const image = await source.fetch("n2", goneOn(), never);
        ({ imageId } = image);
        for await (const chunk of image.chunks) got.push(chunk);
      } catch (error) {
        const { message } = error as Error;
        if (!message.includes("no message came within 200 ms")) throw new NeverWill(message);
        return got.length === 5;
      }
      throw new NeverWill("nothing stalled");
    });
    images.before = () => Promise.resolve();
    got.push(...(await allOf(await sourceAt(address).fetch("n2", goneOn(), never))));
    expect(bytesOf(got).equals(Buffer.concat(parts))).toBe(true);
  });

  test("whoever asks for an image and forgets about it holds no stream open", async () => {
    const { images, log, address } = await sender(partsOf(100, 256 * KIB));
    // Each attempt that is too slow to begin leaves one, kept to be gone on with.
    images.imagesMax = Number.POSITIVE_INFINITY;
    const forgetful = sourceAt(address, { silenceMsMax: 200 });
    await eventually("it is begun", () => forgetful.fetch("n2", null, never));
    const other = sourceAt(address);
    const placed = () =>
      eventually("a place is free", () => other.fetch("n2", null, never).catch(() => null));
    // Two are sent at once here: the second of these can begin only where what was forgotten has ended.
    expect((await placed()).imageId).not.toBe((await placed()).imageId);
    expect(log.lines.length).toBeGreaterThan(0);
  });

  test("F3: two at once are sent, and a third is turned away until one has ended", async () => {
    const { address } = await sender(partsOf(100, 256 * KIB));
    const source = sourceAt(address);
    const first = await source.fetch("n2", null, never);
    await source.fetch("n2", null, never);
    await expect(source.fetch("n2", null, never)).rejects.toThrow("too many images");
    await allOf(first);
    const third = await eventually("a place is free", () =>
      source.fetch("n2", null, never).catch(() => null),
    );
    expect(third.imageId).toBe(3);
  });

  test("what is gone on with takes the place of its own stream before", async () => {
    const { address } = await sender(partsOf(100, 256 * KIB));
    const source = sourceAt(address);
    const first = await source.fetch("n2", null, never);
    await source.fetch("n2", null, never);
    const again = await source.fetch("n2", { imageId: first.imageId, position: Buffer.from("97") }, never);
    expect(await allOf(again)).toHaveLength(2);
    await expect(allOf(first)).rejects.toThrow();
  });

  test("a state that is replaced under way ends the stream, and the image", async () => {
    const { images, address } = await sender(partsOf(100, 256 * KIB));
    const image = await sourceAt(address).fetch("n2", null, never);
    images.held.get(1)!.close();
    await expect(allOf(image)).rejects.toThrow("replaced by a snapshot");
    await eventually("the image is given up", () => images.count === 0);
  });

  test("is broken off when it is cancelled, and not begun when it was before", async () => {
    const { images, address } = await sender(partsOf(100, 256 * KIB));
    const cancelling = new AbortController();
    const source = sourceAt(address);
    const image = await source.fetch("n2", null, cancelling.signal);
    cancelling.abort();
    await expect(allOf(image)).rejects.toThrow("cancelled");
    // Kept, to be gone on with.
    expect(images.count).toBe(1);
    await expect(source.fetch("n2", null, cancelling.signal)).rejects.toThrow("cancelled");
  });

  test("G6: is sent to members only, and a removed one is told so", async () => {
    const { replica, address } = await sender(partsOf(1, 10));
    replica.membership = membershipOf(["n2", "n3"], { retiredStores: ["store-4"] });
    const stranger = sourceAt(address).fetch("n2", null, never);
    await expect(stranger).rejects.toThrow('refused: "n1" is no member of the cluster');
    const error = await sourceAt(address, { own: identityOf("n4") })
      .fetch("n2", null, never)
      .catch((thrown: unknown) => thrown);
    expect(removalIn(error)).toContain("data directory store-4");
    expect(removalIn(await stranger.catch((thrown: unknown) => thrown))).toBeNull();
    await expect(sourceAt(null).fetch("n2", null, never)).rejects.toThrow("not known where n2 is reached");
  });
});
