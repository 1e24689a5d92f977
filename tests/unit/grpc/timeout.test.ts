import { expect, test } from "@jest/globals";
import { timeoutText } from "@quorate/services/grpc";

test.each([
  [1, "1m"],
  [1500, "1500m"],
  [0.2, "1m"],
  [1500.2, "1501m"],
  [0, "1m"],
  [-7, "1m"],
  [99_999_999, "99999999m"],
  [100_000_000, "100000S"],
  [100_000_000_000, "1666667M"],
  [1e15, "99999999H"],
])("%s ms are %s", (ms, text) => {
  expect(timeoutText(ms)).toBe(text);
});
