import { jest } from "@jest/globals";
import type { Kv } from "@quorate/client";
import { eventually, type Patience, type TestCluster } from "../support";

/*
 * Ten copies of these tests may run at once on two cores: slowness is no failure. Whatever never comes to pass still
 * ends a test, with a word on what it waited for.
 */
const CONDITION_MS_MAX = 180_000;
const CALL_MS_MAX = 60_000;
const TEST_MS_MAX = 600_000;

/** For the top of a file. */
export function patientTests(): void {
  jest.setTimeout(TEST_MS_MAX);
}

/** `eventually`, with time for a busy machine. */
export function inTime<T>(
  what: string,
  condition: Parameters<typeof eventually<T>>[1],
  patience: Patience = {},
): Promise<T> {
  return eventually(what, condition, { deadlineMs: CONDITION_MS_MAX, ...patience });
}

/** Keys and values through a client that gives up later than by default. */
export function patientKv(
  cluster: TestCluster,
  endpoints: number | string | readonly number[] = cluster.numbers,
): Kv {
  return cluster.client(endpoints, { deadlineMs: CALL_MS_MAX }).kv;
}
