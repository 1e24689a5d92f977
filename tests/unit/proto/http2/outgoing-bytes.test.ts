import { describe, expect, test } from "@jest/globals";
import { OutgoingBytes } from "../../../../proto/http2/outgoing-bytes";
import { LARGE_SLAB_BYTES, SMALL_SLAB_BYTES } from "../../../../proto/http2/slabs";
import { seededRandom } from "../../../../services/std";

function add(out: OutgoingBytes, bytes: Buffer): void {
  const at = out.reserve(bytes.length);
  out.slab.set(bytes, at);
  out.commit(at + bytes.length);
}

/** The memory that a gathering of these frames lay in, which is given back. */
function memoryOf(out: OutgoingBytes, frames: readonly number[]): readonly ArrayBufferLike[] {
  for (const length of frames) add(out, Buffer.alloc(length));
  const memory = out.take().map((part) => part.buffer);
  out.recycle();
  return [...new Set(memory)];
}

/** By what they are, and not by what lies in them. */
function areTheSame(some: readonly ArrayBufferLike[], others: readonly ArrayBufferLike[]): boolean {
  return some.length === others.length && some.every((memory) => others.includes(memory));
}

describe("bytes that leave together", () => {
  test.each([
    { frames: [100, 200], parts: [300] },
    { frames: [SMALL_SLAB_BYTES - 10, 20, 30], parts: [SMALL_SLAB_BYTES - 10, 50] },
    {
      frames: Array<number>(6).fill(LARGE_SLAB_BYTES / 4),
      parts: [LARGE_SLAB_BYTES, LARGE_SLAB_BYTES / 2],
    },
    { frames: [10, 2 * LARGE_SLAB_BYTES], parts: [10, 2 * LARGE_SLAB_BYTES] },
  ])("are few parts: $frames are $parts", ({ frames, parts }) => {
    const out = new OutgoingBytes();
    for (const length of frames) add(out, Buffer.alloc(length));
    expect(out.length).toBe(frames.reduce((sum, length) => sum + length));
    expect(out.take().map(({ length }) => length)).toEqual(parts);
    expect(out.length).toBe(0);
    out.recycle();
  });

  test("lie in the memory of those that left before, on however many connections", () => {
    const connections = Array.from({ length: 20 }, () => new OutgoingBytes());
    const memories = [1, 2].map(() => {
      for (const out of connections) add(out, Buffer.alloc(500));
      const memory = connections.map((out) => (out.take()[0] as Buffer).buffer);
      for (const out of connections) out.recycle();
      return memory;
    });
    expect(memories.map((memory) => new Set(memory).size)).toEqual([20, 20]);
    expect(areTheSame(memories[0]!, memories[1]!)).toBe(true);
  });

  test("lie in the memory of those that left before, also where they are too many for one piece of it", () => {
    const frames = Array<number>(20).fill(LARGE_SLAB_BYTES / 3);
    const before = memoryOf(new OutgoingBytes(), frames);
    expect(before.length).toBe(7);
    expect(areTheSame(memoryOf(new OutgoingBytes(), frames), before)).toBe(true);
  });

  test.each([
    ["small", [500], 500],
    ["large", [1000, LARGE_SLAB_BYTES / 2], 100],
  ])("keep no more %s pieces of memory for others than some", (_, frames, most) => {
    const memories = [1, 2].map(() => {
      const connections = Array.from({ length: 2 * most }, () => new OutgoingBytes());
      const memory = connections.map((out) => {
        for (const length of frames) add(out, Buffer.alloc(length));
        return (out.take().at(-1) as Buffer).buffer;
      });
      for (const out of connections) out.recycle();
      return memory;
    });
    const again = new Set(memories[0]);
    const kept = (memories[1] as ArrayBufferLike[]).filter((memory) => again.has(memory)).length;
    expect([kept > 0, kept < most]).toEqual([true, true]);
  });

  test("are begun in more memory where much left the time before", () => {
    const out = new OutgoingBytes();
    const frames = [1000, 3000, 5000];
    expect(memoryOf(out, frames).map(({ byteLength }) => byteLength)).toEqual([
      SMALL_SLAB_BYTES,
      LARGE_SLAB_BYTES,
    ]);
    const large = memoryOf(out, frames);
    expect(large.map(({ byteLength }) => byteLength)).toEqual([LARGE_SLAB_BYTES]);
    expect(areTheSame(memoryOf(out, [1000]), large)).toBe(true);
    expect(memoryOf(out, [1000]).map(({ byteLength }) => byteLength)).toEqual([SMALL_SLAB_BYTES]);
  });

  test("stay what they are until they have left, whatever others say meanwhile", () => {
    const random = seededRandom(7);
    const connections = Array.from({ length: 5 }, () => ({
      out: new OutgoingBytes(),
      added: [] as Buffer[],
      transit: null as { readonly taken: readonly Buffer[]; readonly expected: Buffer } | null,
    }));
    let left = 0;
    for (let step = 0; step < 20_000; step += 1) {
      const connection = connections[random.below(connections.length)]!;
      const { out, transit } = connection;
      if (random.below(3) > 0) {
        const bytes = Buffer.alloc(1 + random.below(27) ** 3, step);
        add(out, bytes);
        connection.added.push(bytes);
      } else if (transit === null) {
        connection.transit = { taken: out.take(), expected: Buffer.concat(connection.added) };
        connection.added = [];
      } else {
        expect(Buffer.concat(transit.taken).equals(transit.expected)).toBe(true);
        left += transit.expected.length;
        connection.transit = null;
        out.recycle();
      }
    }
    expect(left).toBeGreaterThan(1_000_000);
  });
});
