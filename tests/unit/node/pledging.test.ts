import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { SILENT_LOG } from "@quorate/services/forward";
import { type PledgingOutcome, rememberPledges } from "@quorate/services/node";

let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "quorate-pledging-"));
});

afterEach(() => {
  rmSync(path, { recursive: true });
});

interface Start {
  readonly outcome: PledgingOutcome;
  readonly tookMs: number;
}

/** A start with lease reads and that election timeout; null: without lease reads. */
async function start(
  electionTimeoutMs: number | null,
  signal = new AbortController().signal,
): Promise<Start> {
  const profile = { heartbeatMs: 5, electionTimeoutMs: electionTimeoutMs ?? 1_000 };
  const fromMs = performance.now();
  const outcome = await rememberPledges(
    { leaseReads: electionTimeoutMs !== null, profile },
    { path },
    { log: SILENT_LOG, signal },
  );
  return { outcome, tookMs: performance.now() - fromMs };
}

const known = (pledgedMs: number): PledgingOutcome => ({ kind: "known", pledgedMs });

describe("a start with lease reads", () => {
  test("has nothing to wait for where there never were any, and each later one as long as one before it pledged itself", async () => {
    expect((await start(60_000)).outcome).toEqual(known(0));
    expect((await start(60_000)).outcome).toEqual(known(60_000));
    expect((await start(90_000)).outcome).toEqual(known(60_000));
    expect((await start(90_000)).outcome).toEqual(known(90_000));
  });

  test("with a shorter election timeout waits out the longer one first", async () => {
    await start(50);
    const { outcome, tookMs } = await start(20);
    expect(outcome).toEqual(known(0));
    expect(tookMs).toBeGreaterThanOrEqual(45);
    expect((await start(20)).outcome).toEqual(known(20));
  });

  test("is refused where what is remembered is damaged", async () => {
    for (const text of ["", "soon\n", "-1\n", "1000"]) {
      writeFileSync(join(path, "pledge"), text);
      expect((await start(20)).outcome).toMatchObject({
        kind: "refused",
        setting: "data-dir",
        message: expect.stringContaining("pledge is damaged"),
      });
    }
  });

  test("is refused where nothing can be remembered", async () => {
    mkdirSync(join(path, "pledge"));
    expect((await start(20)).outcome).toMatchObject({ kind: "refused", setting: "data-dir" });
  });
});

describe("a start without lease reads", () => {
  test("remembers nothing, and waits for nothing", async () => {
    expect((await start(null)).outcome).toEqual(known(0));
    expect(readdirSync(path)).toEqual([]);
  });

  test("waits out, once, what was pledged with them", async () => {
    await start(50);
    const { outcome, tookMs } = await start(null);
    expect(outcome).toEqual(known(0));
    expect(tookMs).toBeGreaterThanOrEqual(45);
    expect(readdirSync(path)).toEqual([]);
  });

  test("that is given up meanwhile leaves the waiting to the next", async () => {
    await start(60_000);
    const abort = new AbortController();
    const given = start(null, abort.signal);
    abort.abort();
    expect((await given).outcome).toEqual({ kind: "aborted" });
    expect(readdirSync(path)).toEqual(["pledge"]);
  });
});
