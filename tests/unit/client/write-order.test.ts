import { describe, expect, test } from "@jest/globals";
import { QuorateError } from "@quorate/client";
import fc from "fast-check";
import { isLongRun } from "../../support/long-run";
import { OrderingServer, outOfOrder, type Weather } from "./ordering-server";
import {
  type Attempt,
  connectionLost,
  HEADER,
  noLeader,
  ScriptedEndpoints,
  sessionAnswer,
} from "./scripted-endpoints";

const A = "127.0.0.1:1";
const DONE = { header: HEADER };

/** A server whose answers a test gives one by one, and a client of it with an open session. */
class Desk {
  readonly ends: ScriptedEndpoints;
  /** Of the puts that wait for an answer. */
  readonly #open: { readonly id: string; readonly settle: (answer: object) => void }[] = [];

  constructor() {
    this.ends = new ScriptedEndpoints(A, ({ method, requestId }: Attempt) => {
      if (method !== "Put") return sessionAnswer(method) ?? DONE;
      return new Promise<object>((resolve, reject) => {
        const settle = (answer: object) =>
          answer instanceof QuorateError ? reject(answer) : resolve(answer);
        this.#open.push({ id: requestId ?? "", settle });
      });
    });
  }

  static async open(): Promise<Desk> {
    const desk = new Desk();
    const first = desk.put("first");
    await desk.idle();
    desk.answer("42/1/1/0", DONE);
    await first;
    return desk;
  }

  put(key: string, options: { readonly signal?: AbortSignal; readonly deadlineMs?: number } = {}) {
    return this.ends.client.kv.put(key, "v", options);
  }

  /** What was sent and not answered. */
  get open(): readonly string[] {
    return this.#open.map(({ id }) => id);
  }

  answer(id: string, answer: object): void {
    const at = this.#open.findIndex((each) => each.id === id);
    if (at < 0) throw new Error(`${id} is not open: ${this.open.join(", ")}`);
    this.#open.splice(at, 1)[0]?.settle(answer);
  }

  /** Until all that needs no time is done. */
  async idle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("the place of a write", () => {
  test("each names the write before it that is still waited for, 0 where there is none", async () => {
    const desk = await Desk.open();
    const puts = ["a", "b", "c"].map((key) => desk.put(key));
    await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0", "42/3/2/2", "42/4/2/3"]);
    desk.answer("42/2/2/0", DONE);
    await desk.idle();
    const later = desk.put("d");
    await desk.idle();
    expect(desk.open).toEqual(["42/3/2/2", "42/4/2/3", "42/5/3/4"]);
    for (const id of desk.open) desk.answer(id, DONE);
    await Promise.all([...puts, later]);
  });

  test("one that came too early waits until the one before it has its answer, and names it no more", async () => {
    const desk = await Desk.open();
    const puts = Promise.all(["a", "b"].map((key) => desk.put(key)));
    await desk.idle();
    desk.answer("42/3/2/2", outOfOrder);
    await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0"]);
    desk.answer("42/2/2/0", DONE);
    await desk.idle();
    expect(desk.open).toEqual(["42/3/3/0"]);
    expect(desk.ends.timing.nowMs()).toBe(0);
    desk.answer("42/3/3/0", DONE);
    await puts;
  });

  test("when the one before it goes again, all that came too early go right behind it", async () => {
    const desk = await Desk.open();
    const puts = Promise.all(["a", "b", "c", "d"].map((key) => desk.put(key)));
    await desk.idle();
    desk.answer("42/2/2/0", connectionLost);
    desk.answer("42/3/2/2", outOfOrder);
    desk.answer("42/5/2/4", outOfOrder);
    desk.answer("42/4/2/3", outOfOrder);
    await desk.idle();
    expect(desk.open).toEqual([]);
    const done = desk.ends.timing.drive(puts);
    while (desk.open.length < 4) await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0", "42/3/2/2", "42/4/2/3", "42/5/2/4"]);
    for (const id of desk.open) desk.answer(id, DONE);
    await done;
    expect(desk.ends.of("Put")).toHaveLength(1 + 8);
  });

  test("while one waits for another attempt, those behind it are not sent", async () => {
    const desk = await Desk.open();
    const first = desk.put("a");
    await desk.idle();
    desk.answer("42/2/2/0", noLeader);
    await desk.idle();
    const second = desk.put("b");
    await desk.idle();
    expect(desk.open).toEqual([]);
    const done = desk.ends.timing.drive(Promise.all([first, second]));
    while (desk.open.length < 2) await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0", "42/3/2/2"]);
    for (const id of desk.open) desk.answer(id, DONE);
    await done;
  });

  test("behind one that its caller gave up, a write names the one before that", async () => {
    const desk = await Desk.open();
    const abort = new AbortController();
    const first = desk.put("a");
    const second = desk.put("b", { signal: abort.signal });
    const third = desk.put("c");
    await desk.idle();
    abort.abort();
    desk.answer("42/3/2/2", new QuorateError("cancelled", { code: "CANCELLED" }));
    await expect(second).rejects.toMatchObject({ code: "CANCELLED", outcome: "unknown" });
    desk.answer("42/4/2/3", outOfOrder);
    await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0", "42/4/2/2"]);
    desk.answer("42/2/2/0", DONE);
    desk.answer("42/4/2/2", DONE);
    await Promise.all([first, third]);
  });

  test("a refusal of the one before it, which no server keeps, lets it go", async () => {
    const desk = await Desk.open();
    const first = desk.put("a");
    const second = desk.put("b");
    await desk.idle();
    desk.answer("42/3/2/2", outOfOrder);
    const tooLarge = { code: "RESOURCE_EXHAUSTED", reason: "TOO_LARGE", outcome: "not_applied" } as const;
    desk.answer("42/2/2/0", new QuorateError("value is too long", tooLarge));
    await expect(first).rejects.toMatchObject({ reason: "TOO_LARGE" });
    await desk.idle();
    expect(desk.open).toEqual(["42/3/3/0"]);
    desk.answer("42/3/3/0", DONE);
    await second;
  });

  test("namespaces do not wait for each other", async () => {
    const desk = await Desk.open();
    const here = desk.put("a");
    const there = desk.ends.client.namespace("other").put("b", "v");
    await desk.idle();
    expect(desk.open).toEqual(["42/2/2/0", "42/1/1/0"]);
    for (const id of desk.open) desk.answer(id, DONE);
    await Promise.all([here, there]);
  });

  test("whoever waits behind another until its deadline was not applied, and says so", async () => {
    const desk = await Desk.open();
    void desk.put("a", { deadlineMs: 5_000 }).catch(() => undefined);
    await desk.idle();
    desk.answer("42/2/2/0", noLeader);
    await desk.idle();
    const { client } = desk.ends;
    // Virtual time jumps past its deadline before the first is sent again.
    const failure = desk.ends.failure(client.kv.put("b", "v", { deadlineMs: 5 }));
    await expect(failure).resolves.toMatchObject({
      message: "the deadline passed while waiting for the writes before it",
      reason: "DEADLINE_EXCEEDED",
      outcome: "not_applied",
    });
    expect(desk.ends.of("Put").some(({ requestId }) => requestId?.startsWith("42/3/"))).toBe(false);
  });

  test("one that may have been applied before it came too early stays unknown", async () => {
    const desk = await Desk.open();
    void desk.put("a", { deadlineMs: 5_000 }).catch(() => undefined);
    const second = desk.put("b", { deadlineMs: 1_000 });
    await desk.idle();
    desk.answer("42/3/2/2", connectionLost);
    const failure = desk.ends.failure(second);
    while (!desk.open.includes("42/3/2/2")) await desk.idle();
    desk.answer("42/3/2/2", outOfOrder);
    await expect(failure).resolves.toMatchObject({ code: "DEADLINE_EXCEEDED", outcome: "unknown" });
  });

  test("a server that calls everything out of order is not asked without a pause", async () => {
    const ends = new ScriptedEndpoints(A, ({ method }) => sessionAnswer(method) ?? outOfOrder);
    const puts = ["a", "b", "c"].map((key) => ends.failure(ends.client.kv.put(key, "v")));
    for (const error of await Promise.all(puts)) {
      expect(error).toMatchObject({ outcome: "not_applied" });
    }
    expect(ends.of("Put").length).toBeLessThan(150);
  });
});

describe("a session that is lost", () => {
  test("its writes begin in the next one in their order, before those that came later", async () => {
    const desk = await Desk.open();
    const puts = ["a", "b", "c"].map((key) => desk.put(key));
    await desk.idle();
    const expired = new QuorateError("no such session", {
      code: "FAILED_PRECONDITION",
      reason: "SESSION_EXPIRED",
      outcome: "not_applied",
    });
    desk.answer("42/4/2/3", expired);
    await desk.idle();
    puts.push(desk.put("d"));
    desk.answer("42/2/2/0", expired);
    await desk.idle();
    expect(desk.open).toEqual(["42/3/2/2"]);
    desk.answer("42/3/2/2", expired);
    await desk.idle();
    expect(desk.open).toEqual(["42/1/1/0", "42/2/1/1", "42/3/1/2", "42/4/1/3"]);
    const keys = desk.ends.of("Put").map(({ request }) => (request as { key: Uint8Array }).key.toString());
    expect(keys.slice(-4)).toEqual(["a", "b", "c", "d"].map((key) => Buffer.from(key).toString()));
    for (const id of desk.open) desk.answer(id, DONE);
    await Promise.all(puts);
  });
});

describe("however the way to the server is", () => {
  const CALM: Omit<Weather, "draw"> = { latencyMsMax: 20, loss: 0, copies: 0, refusals: 0, oblivion: 0 };

  /** Numbers without end: not the same again in each round. */
  function drawing(numbers: readonly number[]): () => number {
    let drawn = 0;
    return () => {
      drawn += 1;
      return ((numbers[drawn % numbers.length] as number) + 37 * Math.floor(drawn / numbers.length)) % 100;
    };
  }

  async function run(
    draw: () => number,
    weather: Partial<Weather>,
    writes: number,
  ): Promise<{ readonly server: OrderingServer; readonly answered: readonly string[] }> {
    const ends: ScriptedEndpoints = new ScriptedEndpoints(A, (attempt) => server.answer(attempt));
    const server = new OrderingServer(ends.timing, { ...CALM, ...weather, draw });
    const answered: string[] = [];
    const puts = Array.from({ length: writes }, async (_, at) => {
      // Some begin later, with others under way.
      await new Promise<void>((resolve) => ends.timing.schedule(at % 3 === 0 ? 0 : at, () => resolve()));
      begun.push(`${at}`);
      await ends.client.kv.put(`${at}`, "v", { deadlineMs: 60_000 });
      answered.push(`${at}`);
    });
    const begun: string[] = [];
    const outcomes = await ends.timing.drive(Promise.allSettled(puts));
    for (const outcome of outcomes) {
      // What may have been applied in a session that was lost is told as such, and nothing else fails.
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ outcome: "unknown" });
    }
    const places = new Map(begun.map((key, at) => [key, at]));
    const order = server.carriedOut.map((key) => places.get(key) as number);
    expect(order).toEqual([...order].sort((left, right) => left - right));
    expect(new Set(server.carriedOut).size).toBe(server.carriedOut.length);
    expect(server.carriedOut).toEqual(expect.arrayContaining(answered));
    return { server, answered };
  }

  test.each<[string, Partial<Weather>]>([
    ["messages overtake each other", {}],
    ["requests and answers are lost", { loss: 15 }],
    ["requests come once more, later", { copies: 40, loss: 5 }],
    ["servers turn some away", { refusals: 20 }],
    ["all of that happens, and sessions are forgotten", { loss: 5, copies: 20, refusals: 10, oblivion: 1 }],
  ])("%s: writes are carried out once, in the order in which they were begun", async (_, weather) => {
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(99), { minLength: 50, maxLength: 150 }), async (numbers) => {
        refused += (await run(drawing(numbers), weather, 40)).server.outOfOrder;
      }),
      { numRuns: isLongRun ? 200 : 20 },
    );
    expect(refused).toBeGreaterThan(0);
  });

  test("one that lets nothing overtake has nothing to refuse", async () => {
    const { server, answered } = await run(() => 50, {}, 300);
    expect(server.outOfOrder).toBe(0);
    expect(answered).toHaveLength(300);
  });

  test("after a pause in which everything was turned away, a full pipeline takes a few rounds, not one for each write", async () => {
    const ends: ScriptedEndpoints = new ScriptedEndpoints(A, (attempt) =>
      ends.timing.nowMs() < 200 && attempt.method === "Put"
        ? new Promise((_, reject) => ends.timing.schedule(5, () => reject(connectionLost)))
        : server.answer(attempt),
    );
    const server = new OrderingServer(ends.timing, { ...CALM, draw: () => 50 });
    const puts = Array.from({ length: 1_000 }, (_, at) => ends.client.kv.put(`${at}`, "v"));
    await ends.timing.drive(Promise.all(puts));
    expect(server.carriedOut).toEqual(Array.from({ length: 1_000 }, (_, at) => `${at}`));
    expect(ends.timing.nowMs()).toBeLessThan(1_000);
  });
});
