import { describe, expect, test } from "@jest/globals";
import { eventually, NeverWill } from "../../support/eventually";

describe("eventually", () => {
  test("returns what the condition returned first that was truthy", async () => {
    const answers = [undefined, 0, "", "there", "later"];
    expect(await eventually("an answer", () => answers.shift())).toBe("there");
    expect(answers).toEqual(["later"]);
  });

  test("takes a condition that throws as one that does not hold yet", async () => {
    let looks = 0;
    const seen = eventually("the third look", async () => {
      looks += 1;
      if (looks < 3) throw new Error("not yet");
      return looks;
    });
    expect(await seen).toBe(3);
  });

  test("fails at the deadline with what was waited for and the last failure", async () => {
    const vain = eventually("the impossible", () => Promise.reject(new Error("no way")), { deadlineMs: 30 });
    await expect(vain).rejects.toThrow(/^waited \d+ ms in vain: the impossible; last failure: no way$/);
  });

  test("fails at the deadline with what was seen last", async () => {
    const vain = eventually("something", () => null, { deadlineMs: 30 });
    await expect(vain).rejects.toThrow(/something; last seen: null$/);
  });

  test("stops at once when the condition can never hold", async () => {
    let looks = 0;
    const hopeless = eventually("the impossible", () => {
      looks += 1;
      throw new NeverWill("it is over");
    });
    await expect(hopeless).rejects.toThrow("it is over");
    expect(looks).toBe(1);
  });
});
