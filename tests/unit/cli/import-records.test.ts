import { expect, test } from "@jest/globals";
import { importRecords, type LineOutcome, type StoredPair } from "@quorate/cli";

async function* lines(count: number, malformed: readonly number[] = []): AsyncGenerator<LineOutcome> {
  for (let at = 0; at < count; at += 1) {
    if (malformed.includes(at)) yield { kind: "malformed", why: "bad" };
    else yield { kind: "pair", pair: { key: Buffer.from(String(at)), value: Buffer.alloc(0) } };
  }
}

function planOf(put: (pair: StoredPair) => Promise<unknown>, skip = 0) {
  const failures: number[] = [];
  return {
    failures,
    plan: {
      skip,
      inFlightMax: 4,
      put,
      onFailure: (number: number) => failures.push(number),
      onProgress: () => undefined,
    },
  };
}

test("all records are written, no more than allowed at a time", async () => {
  let [underWay, most] = [0, 0];
  const { plan } = planOf(async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
  });
  expect(await importRecords(lines(50), plan)).toEqual({
    imported: 50,
    skipped: 0,
    failed: 0,
    done: 50,
    abandoned: false,
  });
  expect(most).toBe(4);
});

test("what an earlier run did is left out", async () => {
  const written: string[] = [];
  const { plan } = planOf(async ({ key }) => written.push(Buffer.from(key).toString()), 7);
  expect(await importRecords(lines(10), plan)).toMatchObject({ imported: 3, skipped: 7, done: 10 });
  expect(written).toEqual(["7", "8", "9"]);
});

test("the next run goes on at the first record that is not done, whatever was done behind it", async () => {
  const { plan, failures } = planOf(async ({ key }) => {
    if (Buffer.from(key).toString() === "5") throw new Error("no");
  });
  expect(await importRecords(lines(10, [8]), plan)).toMatchObject({ imported: 8, failed: 2, done: 5 });
  expect(failures.toSorted()).toEqual([6, 9]);
});

test("when nothing succeeds any more the rest is not tried", async () => {
  const { plan } = planOf(async () => {
    throw new Error("down");
  });
  const result = await importRecords(lines(10_000), plan);
  expect(result).toMatchObject({ imported: 0, done: 0, abandoned: true });
  expect(result.failed).toBeLessThan(300);
});
