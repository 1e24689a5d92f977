import { expect } from "@jest/globals";
import { type Answer, encodeAnswer } from "@quorate/services/kv";
import { hexEncode } from "@quorate/services/std";
import type { Harness } from "./harness";
import type { NaiveMachine } from "./naive-machine";

export function bytesOf(answers: readonly Answer[]): string[] {
  return answers.map((answer) => hexEncode(encodeAnswer(answer)));
}

/** The naive machine has no messages. */
function withoutMessage(answer: Answer): Answer {
  return answer.result?.$case === "refused"
    ? { ...answer, result: { $case: "refused", value: { ...answer.result.value, message: "" } } }
    : answer;
}

export function everythingOf(harness: Harness): unknown {
  return {
    resident: harness.machine.resident(),
    contents: harness.machine.resident().namespaces.map(({ id }) => harness.store.contents(id)),
    changes: harness.store.changes,
  };
}

/** Applies the list to the plain model, which must give the same answers and come to the same contents. */
export function expectAsNaive(
  harness: Harness,
  answers: readonly Answer[],
  naive: NaiveMachine,
  list: readonly Uint8Array[],
): void {
  expect(bytesOf(answers.map(withoutMessage))).toEqual(bytesOf(list.map((bytes) => naive.apply(bytes))));
  expect(harness.machine.meta.revision).toBe(Number(naive.revision));
  const { namespaces } = harness.machine.resident();
  expect(namespaces.map(({ name }) => name)).toEqual([...naive.spaces.keys()]);
  for (const { id, name, keyCount, byteCount } of namespaces) {
    const contents = harness.store.contents(id);
    expect(
      contents.map(({ key, value, createRevision, modRevision, version, leaseId }) => [
        hexEncode(key),
        hexEncode(value),
        createRevision,
        modRevision,
        version,
        leaseId,
      ]),
    ).toEqual(naive.contents(name));
    expect({ keyCount, byteCount }).toEqual({
      keyCount: contents.length,
      byteCount: contents.reduce((sum, { key: at, value: held }) => sum + at.length + held.length, 0),
    });
  }
}
