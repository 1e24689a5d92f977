import { expect } from "@jest/globals";
import {
  type Answer,
  appendCommand,
  type Command,
  deleteCommand,
  deleteRangeCommand,
  incrementCommand,
  type KeyRange,
  putCommand,
  type Refusal,
} from "@quorate/services/kv";
import { utf8Encode } from "@quorate/services/std";
import { ANYONE, type Harness } from "./harness";

interface PutOptions {
  readonly expected?: bigint;
  readonly returnPrevious?: boolean;
  readonly leaseId?: bigint;
}

export function put(key: string, value: string, options: PutOptions = {}): Command {
  return putCommand(ANYONE, {
    key: utf8Encode(key),
    value: utf8Encode(value),
    leaseId: options.leaseId ?? 0n,
    returnPrevious: options.returnPrevious ?? false,
    expectedModRevision: options.expected ?? null,
  });
}

export function remove(key: string, options: PutOptions = {}): Command {
  return deleteCommand(ANYONE, {
    key: utf8Encode(key),
    returnPrevious: options.returnPrevious ?? false,
    expectedModRevision: options.expected ?? null,
  });
}

export function removeRange(start: string, end: string | null, keysMax = 10_000): Command {
  const range: KeyRange = { start: utf8Encode(start), end: end === null ? null : utf8Encode(end) };
  return deleteRangeCommand(ANYONE, range, keysMax);
}

export function increment(key: string, delta: bigint): Command {
  return incrementCommand(ANYONE, utf8Encode(key), delta);
}

export function append(key: string, value: string, valueBytesMax = 100): Command {
  return appendCommand(ANYONE, {
    key: utf8Encode(key),
    value: utf8Encode(value),
    atStart: false,
    valueBytesMax,
  });
}

export function prepend(key: string, value: string, valueBytesMax = 100): Command {
  return appendCommand(ANYONE, {
    key: utf8Encode(key),
    value: utf8Encode(value),
    atStart: true,
    valueBytesMax,
  });
}

export function doneOf(answer: Answer) {
  expect(answer.result?.$case).toBe("done");
  return (answer.result as Extract<Answer["result"], { $case: "done" }>).value;
}

export function refusedOf(answer: Answer) {
  expect(answer.result?.$case).toBe("refused");
  return (answer.result as Extract<Answer["result"], { $case: "refused" }>).value;
}

/** Applies a command that must be refused with this, and must change nothing at all. */
export function expectRefused(
  it: Harness,
  command: Command,
  refusal: Refusal,
  message: string,
  oldestRevision = 0n,
): void {
  const before = {
    resident: it.machine.resident(),
    contents: it.store.contents(),
    changes: it.store.changes.length,
  };
  const answer = it.apply(command);
  expect(refusedOf(answer)).toEqual({ refusal, message, oldestRevision });
  expect(answer.revision).toBe(BigInt(before.resident.meta.revision));
  expect({
    resident: it.machine.resident(),
    contents: it.store.contents(),
    changes: it.store.changes.length,
  }).toEqual(before);
}
