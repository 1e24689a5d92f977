import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { KeptAnswers } from "../../../services/kv/kept-answers";

function answer(sequence: number) {
  return { sequence, bytes: Uint8Array.of(1), isWritten: false };
}

const sequences = fc.array(
  fc.oneof(
    fc.nat({ max: 40 }),
    fc.nat({ max: 1_000_000 }),
    fc.maxSafeNat(),
    fc.nat({ max: 9 }).map((n) => n * 1024),
  ),
  { maxLength: 200 },
);

describe("the answers that a session keeps", () => {
  it("are those that a Map would have, whatever comes and goes", () => {
    fc.assert(
      fc.property(sequences, (steps) => {
        const kept = new KeptAnswers();
        const model = new Map<number, ReturnType<typeof answer>>();
        // One that is there goes, and one that is not comes.
        for (const sequence of steps) {
          const known = model.get(sequence);
          expect(kept.get(sequence)).toBe(known);
          if (known !== undefined) {
            expect(kept.take(sequence)).toBe(known);
            model.delete(sequence);
          } else {
            const added = answer(sequence);
            kept.add(added);
            model.set(sequence, added);
          }
          expect(kept.take(-1)).toBeUndefined();
          expect(kept.size).toBe(model.size);
        }
        const sorted = [...model.keys()].sort((left, right) => left - right);
        expect(kept.inOrder().map(({ sequence }) => sequence)).toEqual(sorted);
        for (const sequence of sorted) expect(kept.get(sequence)).toBe(model.get(sequence));
      }),
    );
  });

  it("are found after thousands came and went in the order of a client", () => {
    const kept = new KeptAnswers();
    for (let sequence = 1; sequence <= 5000; sequence += 1) {
      kept.add(answer(sequence));
      if (sequence > 64) expect(kept.take(sequence - 64)?.sequence).toBe(sequence - 64);
    }
    expect(kept.inOrder().map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 64 }, (_, at) => 4937 + at),
    );
  });

  it("are all there that are left when most have gone", () => {
    const kept = new KeptAnswers();
    const answers = Array.from({ length: 1000 }, (_, at) => answer(at));
    for (const each of answers) kept.add(each);
    const left = new Set(answers);
    // Whatever order they go in: seven has no factor in common with a thousand.
    for (let at = 0; at < 1000; at += 1) {
      const gone = answers[(at * 7) % 1000]!;
      expect(kept.take(gone.sequence)).toBe(gone);
      left.delete(gone);
      if (at % 50 === 49) expect(new Set(kept.inOrder())).toEqual(left);
    }
    expect(kept.size).toBe(0);
  });

  it("are one a sequence", () => {
    const kept = new KeptAnswers();
    kept.add(answer(7));
    expect(() => kept.add(answer(7))).toThrow("a sequence has one answer");
  });
});
