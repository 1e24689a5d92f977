import { expect, test } from "@jest/globals";
import { CallFailure } from "@quorate/services/forward";
import { requestIdOf } from "@quorate/services/rpc";
import * as fc from "fast-check";

/** The form as it is documented, which the parser by hand is held to. */
const FORM = /^([1-9]\d{0,15})\/([1-9]\d{0,15})\/([1-9]\d{0,15})(?:\/(0|[1-9]\d{0,15}))?$/;

function documented(text: string): object | null {
  const parts = FORM.exec(text);
  if (parts === null) return null;
  const [clientId, sequence, firstUnanswered] = parts.slice(1, 4).map(Number) as [number, number, number];
  if (!Number.isSafeInteger(clientId) || !Number.isSafeInteger(sequence)) return null;
  if (firstUnanswered > sequence) return null;
  if (parts[4] === undefined) return { clientId, sequence, firstUnanswered };
  const follows = Number(parts[4]);
  return follows < sequence ? { clientId, sequence, firstUnanswered, follows } : null;
}

function parsed(text: string): object | null {
  try {
    return requestIdOf(text);
  } catch (error) {
    expect(error).toBeInstanceOf(CallFailure);
    return null;
  }
}

test("a request id is read where it has the documented form, and refused elsewhere", () => {
  const odd = fc.constantFrom(
    "",
    "0",
    "01",
    "-1",
    "1.5",
    " 1",
    "1e3",
    "9007199254740993",
    "12345678901234567",
    "１",
  );
  const number = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }).map(String) },
    fc.maxSafeNat().map(String),
    odd,
  );
  const joined = fc.array(number, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
  const text = fc.oneof(
    joined,
    joined.map((id) => `${id}/`),
    fc.string(),
  );
  void fc.assert(
    fc.property(text, (id) => {
      expect(parsed(id)).toEqual(documented(id));
    }),
    { numRuns: 2000 },
  );
});
