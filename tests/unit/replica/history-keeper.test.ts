import { describe, expect, it } from "@jest/globals";
import { HistoryKeeper } from "../../../services/replica/history-keeper";

function now(revision: number, compactedRevision = 0, timeMs = 0) {
  return { timeMs, revision, compactedRevision };
}

describe("history by count", () => {
  const limits = { revisionsMax: 1_600, ageMsMax: null };

  it("is given up in steps of a sixteenth of what is kept", () => {
    const history = new HistoryKeeper(limits);
    expect(history.due(now(1_600))).toBeNull();
    expect(history.due(now(1_699))).toBeNull();
    expect(history.due(now(1_700))).toBe(100);
    expect(history.due(now(1_799, 100))).toBeNull();
    expect(history.due(now(1_800, 100))).toBe(200);
  });

  it("is proposed once a term, until more is due", () => {
    const history = new HistoryKeeper(limits);
    history.proposed(100);
    expect(history.due(now(1_700))).toBeNull();
    expect(history.due(now(1_750))).toBe(150);
    history.reset();
    expect(history.due(now(1_700))).toBe(100);
  });

  it("of one revision is given up one by one", () => {
    const history = new HistoryKeeper({ revisionsMax: 1, ageMsMax: null });
    expect(history.due(now(1))).toBeNull();
    expect(history.due(now(2))).toBe(1);
  });
});

describe("history by age", () => {
  const limits = { revisionsMax: null, ageMsMax: 16_000 };

  it("keeps what was the state so long ago, and gives up what was before", () => {
    const history = new HistoryKeeper(limits);
    for (let timeMs = 0; timeMs <= 40_000; timeMs += 500) {
      history.advanced(timeMs, timeMs / 100);
      const due = history.due(now(timeMs / 100, 0, timeMs));
      if (timeMs < 16_000) expect(due).toBeNull();
      else {
        const ageMs = timeMs - (due ?? 0) * 100;
        expect(ageMs).toBeGreaterThanOrEqual(16_000);
        expect(ageMs).toBeLessThanOrEqual(17_000 + 1_000);
      }
    }
  });

  it("never goes by a revision that came after its time", () => {
    const history = new HistoryKeeper(limits);
    history.advanced(500, 10);
    history.advanced(2_000, 500);
    history.advanced(18_000, 500);
    expect(history.due(now(500, 0, 18_000))).toBe(10);
  });
});

it("keeps all history where no bound is set", () => {
  const history = new HistoryKeeper({ revisionsMax: null, ageMsMax: null });
  history.advanced(10 ** 9, 10 ** 9);
  expect(history.due(now(10 ** 9, 0, 10 ** 12))).toBeNull();
});
