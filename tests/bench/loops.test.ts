import { describe, expect, it } from "@jest/globals";
import { closedLoop } from "./closed-loop";
import { openLoop } from "./open-loop";

describe("a closed loop", () => {
  it("keeps as many operations open as it is told, and counts failures apart", async () => {
    let open = 0;
    let openMax = 0;
    let begun = 0;
    const operation = async () => {
      begun += 1;
      const number = begun;
      open += 1;
      openMax = Math.max(openMax, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      if (number % 5 === 0) throw new Error("every fifth");
    };
    const result = await closedLoop(operation, { inFlight: 8, seconds: 0.2 });
    expect(openMax).toBe(8);
    expect(open).toBe(0);
    expect(result.operations + result.failed).toBe(begun);
    expect(result.failed).toBeGreaterThan(0);
    expect(result.failure).toBe("every fifth");
    expect(result.p50Ms).toBeLessThanOrEqual(result.p99Ms);
    expect(result.p99Ms).toBeLessThanOrEqual(result.p999Ms);
  });

  it("throws what went wrong when nothing succeeded", async () => {
    const failing = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error("nobody is there");
    };
    await expect(closedLoop(failing, { inFlight: 1, seconds: 0.2 })).rejects.toThrow("nobody is there");
  });
});

describe("an open loop", () => {
  it("begins what is due though nothing has ended, and counts from when it was due", async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const operation = async () => {
      begun += 1;
      const number = begun;
      if (number === 50) release();
      await held;
      if (number % 2 === 0 && number > 50) throw new Error("some of the later ones");
    };
    const result = await openLoop(operation, { perSecond: 500, seconds: 0.2 });
    expect(begun).toBe(100);
    expect(result.operations + result.failed).toBe(100);
    expect(result.failed).toBe(25);
    expect(result.failure).toBe("some of the later ones");
    // The first one waits for the fiftieth, which is due after 98 ms.
    expect(result.maxMs).toBeGreaterThan(90);
  });

  it("counts a stall of the caller itself against all that it held up", async () => {
    let begun = 0;
    const operation = async () => {
      begun += 1;
      if (begun !== 10) return;
      // Nothing can begin meanwhile: from the caller's side each later operation looks fast.
      const until = performance.now() + 100;
      while (performance.now() < until);
    };
    const result = await openLoop(operation, { perSecond: 200, seconds: 0.25 });
    expect(result.operations).toBe(50);
    // 20 were due in the stall, one every 5 ms: the eleventh waited almost all of it, so did the one it is in.
    expect(result.maxMs).toBeGreaterThan(90);
    expect(result.p95Ms).toBeGreaterThan(70);
  });

  it("ends when everything has, though that takes longer than it was to run", async () => {
    const operation = () => new Promise((resolve) => setTimeout(resolve, 150));
    const result = await openLoop(operation, { perSecond: 100, seconds: 0.1 });
    expect(result.operations).toBe(10);
    expect(result.seconds).toBeGreaterThan(0.2);
  });

  it("throws what went wrong when nothing succeeded", async () => {
    const failing = () => Promise.reject(new Error("nobody is there"));
    await expect(openLoop(failing, { perSecond: 100, seconds: 0.1 })).rejects.toThrow("nobody is there");
  });
});
