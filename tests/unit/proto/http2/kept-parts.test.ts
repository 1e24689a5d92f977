import { describe, expect, test } from "@jest/globals";
import { KeptParts } from "../../../../proto/http2/kept-parts";

function all(kept: KeptParts): Buffer[] {
  const parts: Buffer[] = [];
  for (let part = kept.shift(); part !== null; part = kept.shift()) parts.push(part);
  return parts;
}

describe("parts that are kept", () => {
  test("come out in their order, and what came last behind them", () => {
    const parts = [5000, 1, 1, 3000, 1, 9000, 2].map((length, nth) => Buffer.alloc(length, nth));
    const kept = new KeptParts();
    for (const part of parts) kept.push(part);
    expect(kept.length).toBe(17_005);
    expect(kept.takeWith(Buffer.of(77))).toEqual(Buffer.concat([...parts, Buffer.of(77)]));
    expect([kept.length, kept.shift()]).toEqual([0, null]);
    for (const part of parts) kept.push(part);
    expect(Buffer.concat(all(kept))).toEqual(Buffer.concat(parts));
    expect(kept.length).toBe(0);
  });

  test("are put together where they are small, and left where they are not", () => {
    const kept = new KeptParts();
    for (let nth = 0; nth < 100_000; nth += 1) kept.push(Buffer.of(nth));
    expect(all(kept).length).toBeLessThan(40);
    const large = [Buffer.alloc(5000), Buffer.alloc(6000)];
    for (const part of large) kept.push(part);
    expect(all(kept).map((part, nth) => part.buffer === large[nth]?.buffer)).toEqual([true, true]);
  });

  test("keep no chunk of which they are but a little", () => {
    const chunk = Buffer.allocUnsafeSlow(64 * 1024);
    const kept = new KeptParts();
    kept.push(chunk.subarray(0, 10_000));
    kept.push(chunk.subarray(0, 20_000));
    expect(all(kept).map((part) => part.buffer.byteLength)).toEqual([10_000, 64 * 1024]);
  });
});
