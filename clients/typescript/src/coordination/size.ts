import { toBytes } from "#client/bytes";
import type { KvRecord } from "#client/record";

/** The value of a place in a line whose members must agree on a number. */
export function numberValue(state: "waiting" | "holding", number: number): Uint8Array {
  return toBytes(`${state} ${number}`);
}

/** The first number that somebody in line has and that is another; undefined where all agree. */
export function agreedNumber(records: readonly KvRecord[], number: number): string | undefined {
  return records
    .map((record) => Buffer.from(record.bytes).toString("utf8").split(" ")[1] ?? "")
    .find((theirs) => theirs !== `${number}`);
}
