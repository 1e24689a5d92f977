import { jest } from "@jest/globals";
import type { Kv } from "@quorate/client";
import type { TestCluster } from "../support";

/** How long calls and tests may take on a machine that is busy with the tests of others. */
const CALL_MS_MAX = 30_000;
const TEST_MS_MAX = 120_000;

/** Keys and values through a client that gives up later than by default: here, slowness is no failure. */
export function patientKv(
  cluster: TestCluster,
  endpoints: number | string | readonly number[] = cluster.numbers,
): Kv {
  return cluster.client(endpoints, { deadlineMs: CALL_MS_MAX }).kv;
}

/** For the top of a file: its tests end by their own deadlines, which say what they waited for. */
export function patientTests(): void {
  jest.setTimeout(TEST_MS_MAX);
}
