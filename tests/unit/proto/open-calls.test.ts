import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "@jest/globals";
import { OpenCalls } from "@quorate/proto/pipeline";
import fc from "fast-check";

setFlagsFromString("--expose-gc");
const collectGarbage: (options?: { type: "minor" }) => void = runInNewContext("gc");

const ID_MAX = 2 ** 32 - 1;

interface Call {
  readonly name: string;
}

describe("open calls", () => {
  test("hold what a Map of them would, whatever their ids", () => {
    // Few ids, of which many belong in the same slot, and the largest and the smallest there are.
    const ids = fc.oneof(
      fc.nat(20),
      fc.nat(20).map((at) => at * 64),
      fc.nat(20).map((at) => ID_MAX - at * 128),
    );
    const step = fc.record({ id: ids, adds: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const open = new OpenCalls<Call>();
        const expected = new Map<number, Call>();
        for (const [at, { id, adds }] of steps.entries()) {
          if (adds && !expected.has(id)) {
            const call = { name: `call ${at}` };
            open.add(id, call);
            expected.set(id, call);
          } else {
            expect(open.take(id)).toBe(expected.get(id));
            expected.delete(id);
          }
          expect(open.size).toBe(expected.size);
        }
        for (const { id } of steps) expect(open.get(id)).toBe(expected.get(id));
        expect(new Map(open.entries())).toEqual(expected);
      }),
    );
  });

  test("however many are open, each is found and no other is", () => {
    const open = new OpenCalls<Call>();
    const calls = Array.from({ length: 2_000 }, (_, at) => ({ name: `call ${at}` }));
    for (const [at, call] of calls.entries()) {
      open.add(at, call);
      expect(open.get(at + 2_000)).toBeUndefined();
    }
    expect(calls.filter((call, at) => open.get(at) !== call)).toEqual([]);
    expect(open.size).toBe(2_000);
  });

  test("are told the oldest first, also where ids have begun anew", () => {
    const open = new OpenCalls<Call>();
    const ids = [ID_MAX - 2, ID_MAX, 1, 64, 65];
    for (const id of ids) open.add(id, { name: String(id) });
    expect(open.oldestFirst(65).map(({ name }) => Number(name))).toEqual(ids);
  });

  test("an id is that of one call", () => {
    const open = new OpenCalls<Call>();
    open.add(7, { name: "first" });
    expect(() => open.add(7, { name: "second" })).toThrow("the id 7 is that of a call which is open");
    expect(open.get(7)).toEqual({ name: "first" });
  });

  test("all are forgotten together", () => {
    const open = new OpenCalls<Call>();
    for (let id = 0; id < 200; id += 1) open.add(id, { name: String(id) });
    open.clear();
    expect(open.size).toBe(0);
    expect(open.entries()).toEqual([]);
    open.add(3, { name: "another" });
    expect(open.get(3)).toEqual({ name: "another" });
  });

  test("what was taken is young garbage, however long they have been in use", () => {
    const open = new OpenCalls<{ readonly body: readonly number[] }>();
    let lastId = 0;
    const make1000Calls = (): void => {
      for (let made = 0; made < 1000; made += 1) {
        lastId += 1;
        open.add(lastId, { body: new Array(100).fill(lastId) });
        open.take(lastId - 50);
      }
    };
    make1000Calls();
    // By now they are old, and so is all that they hold.
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < 50; at += 1) {
      make1000Calls();
      collectGarbage({ type: "minor" });
    }
    // A Map keeps 4 MB to 20 MB of these 40.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2_000_000);
  });
});
