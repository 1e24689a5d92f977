import { expect, test } from "@jest/globals";
import { Stage } from "@quorate/cli";
import type { Quorate } from "@quorate/client";

test("a demo that asks who leads amid an election waits for its end", async () => {
  const answers = ["", "", "n2"];
  const status = async () => ({ leaderId: answers.shift() ?? "nobody was to ask again" });
  const quorate = { cluster: { status } } as unknown as Quorate;
  const stage = new Stage(undefined as never, quorate, undefined as never);
  expect(await stage.leaderId()).toBe("n2");
});
