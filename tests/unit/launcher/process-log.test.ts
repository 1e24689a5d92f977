import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { lastSentence } from "@quorate/services/launcher";
import { Workplace } from "../../support/workplace";

let workplace: Workplace;

beforeEach(() => {
  workplace = new Workplace();
});

afterEach(() => workplace.remove());

test.each([
  ["a line for people", "first\nn1: data-dir: is missing\n", "n1: data-dir: is missing"],
  ["a line of the structured log", 'first\n{"level":50,"msg":"a store failed"}\n', "a store failed"],
  ["a structured line without words", '{"level":50}\n', '{"level":50}'],
  ["half a line", '{"level":50,"msg":"a st', '{"level":50,"msg":"a st'],
  ["nothing", "", ""],
])("the last that a log says is %s", (_, text, said) => {
  const path = workplace.at("n1.log");
  writeFileSync(path, text);
  expect(lastSentence(path)).toBe(said);
});

test("a process without a log has said nothing", () => {
  expect(lastSentence(workplace.at("nowhere"))).toBe("");
});
