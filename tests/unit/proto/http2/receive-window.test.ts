import { expect, it } from "@jest/globals";
import { ReceiveWindow } from "../../../../proto/http2/receive-window";

it("all of a window may come, and not a byte more", () => {
  expect(new ReceiveWindow(100_000).take(49_999)).toBe(0);
  expect(new ReceiveWindow(100_000).take(100_000)).toBe(100_000);
  expect(() => new ReceiveWindow(100_000).take(100_001)).toThrow("a window that was not kept to");
});

it("what has come may come again when it is half of the window, and each byte once", () => {
  const window = new ReceiveWindow(100_000);
  let mayCome = 100_000;
  for (let nth = 0; nth < 100; nth += 1) {
    mayCome += window.take(9999) - 9999;
    expect(mayCome).toBeGreaterThanOrEqual(50_000);
  }
  expect(() => window.take(mayCome + 1)).toThrow("a window that was not kept to");
  expect(new ReceiveWindow(100_000).take(50_000)).toBe(50_000);
});

it("a window is no smaller than what the other side takes for granted", () => {
  const window = new ReceiveWindow(10);
  expect([window.beyondDefault, window.take(65_535)]).toEqual([0, 65_535]);
  expect(new ReceiveWindow(65_536).beyondDefault).toBe(1);
});
