import { describe, expect, test } from "@jest/globals";
import { ErrorReason, Outcome } from "@quorate/proto/kv";
import { Refusal } from "@quorate/proto/log";
import { CallFailure } from "@quorate/services/forward";
import { SESSIONS_MAX, type WriteId } from "@quorate/services/kv";
import { WriteOrder } from "@quorate/services/rpc";
import { utf8Encode } from "@quorate/services/std";
import { eventually } from "#support";
import { applied, FakeNode } from "./fake-node";
import { KV, put, serve } from "./node-rig";

const WAIT_MS_MAX = 500;

function id(sequence: number, follows?: number, clientId = 1): WriteId {
  const plain = { clientId, sequence, firstUnanswered: 1 };
  return follows === undefined ? plain : { ...plain, follows };
}

/** Its writes go as the handlers of calls let them go: at once, or when their turn has come. */
class Rig {
  readonly gone: string[] = [];
  readonly order: WriteOrder;
  readonly #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  #nowMs = 0;

  constructor(callsMax?: number) {
    this.order = new WriteOrder({
      waitMsMax: WAIT_MS_MAX,
      wallMs: () => this.#nowMs,
      after: (delayMs, run) => {
        const timer = { atMs: this.#nowMs + delayMs, run };
        this.#timers.push(timer);
        return () => void this.#timers.splice(this.#timers.indexOf(timer), 1);
      },
      ...(callsMax === undefined ? {} : { callsMax }),
    });
  }

  get timers(): number {
    return this.#timers.length;
  }

  async come(write: WriteId | null, call = callOf()): Promise<void> {
    const turn = this.order.turn(write, call);
    if (turn !== null) await turn;
    this.gone.push(write === null ? "none" : `${write.clientId}/${write.sequence}`);
    this.order.gone(write);
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) if (timer.atMs <= this.#nowMs) timer.run();
    await this.idle();
  }

  async idle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function callOf(deadlineMs = 60_000) {
  return Object.assign(new EventTarget(), { aborted: false, deadlineMs });
}

describe("the order in which writes go to the replica", () => {
  test("whatever comes in its place goes at once", () => {
    const { order } = new Rig();
    for (const write of [id(1, 0), id(2, 1), id(3, 2), id(5, 3), id(5, 3), id(6, 0)]) {
      expect(order.turn(write, callOf())).toBeNull();
      order.gone(write);
    }
    expect(order.size).toBe(0);
  });

  test("writes without an order do, too, and so do those that say nothing of themselves", () => {
    const { order } = new Rig();
    for (const write of [id(9), id(3), null]) {
      expect(order.turn(write, callOf())).toBeNull();
      order.gone(write);
      order.settled(write);
      order.refused(write);
    }
    expect(order.turn(id(2, 1), callOf())).not.toBeNull();
  });

  test("one that comes too early waits for the one that it follows, and all go in their order", async () => {
    const rig = new Rig();
    for (const write of [id(4, 3), id(2, 1), id(5, 4), id(3, 2)]) void rig.come(write);
    await rig.idle();
    expect([rig.gone, rig.order.size]).toEqual([[], 4]);
    void rig.come(id(1, 0));
    // In the turn in which the first went, when nobody behind it has gone on yet.
    void rig.come(id(6, 5));
    await rig.idle();
    expect(rig.gone).toEqual(["1/1", "1/2", "1/3", "1/4", "1/5", "1/6"]);
    expect([rig.order.size, rig.timers, rig.order.held]).toEqual([0, 0, 5]);
  });

  test("sessions do not wait for each other", async () => {
    const rig = new Rig();
    void rig.come(id(2, 1));
    void rig.come(id(1, 0, 2));
    void rig.come(id(2, 1, 2));
    await rig.idle();
    expect(rig.gone).toEqual(["2/1", "2/2"]);
  });

  test("whoever has waited enough goes as it is; once it has its answer, so does what follows it", async () => {
    const rig = new Rig();
    void rig.come(id(3, 2));
    void rig.come(id(4, 3));
    await rig.pass(WAIT_MS_MAX - 1);
    expect(rig.gone).toEqual([]);
    await rig.pass(1);
    expect(rig.gone).toEqual(["1/3", "1/4"]);
    void rig.come(id(6, 4));
    void rig.come(id(7, 6));
    await rig.idle();
    expect(rig.gone).toHaveLength(2);
    rig.order.settled(id(4, 3));
    await rig.idle();
    expect(rig.gone).toEqual(["1/3", "1/4", "1/6", "1/7"]);
  });

  test("a call with little time waits for half of it", async () => {
    const rig = new Rig();
    void rig.come(id(3, 2), callOf(100));
    await rig.pass(49);
    expect(rig.gone).toEqual([]);
    await rig.pass(1);
    expect(rig.gone).toEqual(["1/3"]);
  });

  test("behind one that came to nothing, writes wait until it comes again", async () => {
    const rig = new Rig();
    void rig.come(id(1, 0));
    void rig.come(id(2, 1));
    rig.order.refused(id(2, 1));
    void rig.come(id(3, 2));
    await rig.idle();
    expect(rig.gone).toEqual(["1/1", "1/2"]);
    void rig.come(id(2, 1));
    await rig.idle();
    expect(rig.gone).toEqual(["1/1", "1/2", "1/2", "1/3"]);
    expect([rig.order.held, rig.order.refusals]).toEqual([1, 1]);
  });

  test("a caller that leaves waits no longer", async () => {
    const rig = new Rig();
    const call = callOf();
    void rig.come(id(2, 1), call);
    call.dispatchEvent(new Event("abort"));
    await rig.idle();
    expect([rig.order.size, rig.timers]).toEqual([0, 0]);
  });

  test("when another leads, all go on, and what went before counts no more", async () => {
    const rig = new Rig();
    void rig.come(id(1, 0));
    void rig.come(id(4, 3));
    void rig.come(id(3, 2));
    rig.order.clear();
    await rig.idle();
    expect(rig.gone).toEqual(["1/1", "1/3", "1/4"]);
    expect(rig.order.turn(id(2, 1), callOf())).not.toBeNull();
  });

  test("no more wait than may, and no more sessions are kept than there can be", () => {
    const { order } = new Rig(1);
    expect(order.turn(id(2, 1), callOf())).not.toBeNull();
    expect(order.turn(id(3, 2), callOf())).toBeNull();
    const many = new Rig().order;
    for (let clientId = 1; clientId <= SESSIONS_MAX + 1; clientId += 1) many.gone(id(1, 0, clientId));
    expect(many.turn(id(2, 1, SESSIONS_MAX + 1), callOf())).toBeNull();
    expect(many.turn(id(2, 1, 1), callOf())).not.toBeNull();
  });
});

describe("the writes of a node", () => {
  async function ordered() {
    const node = new FakeNode();
    const rig = new Rig();
    const { order } = rig;
    const serving = await serve(node, { writeOrder: order });
    const write = (requestId: string, key = "k", options: { readonly deadlineMs?: number } = {}) =>
      serving.unary(`${KV}Put`, put({ key: utf8Encode(key) }), {
        metadata: { "quorate-request-id": requestId },
        ...options,
      });
    return { node, order, write, rig };
  }

  const sequences = ({ commands }: FakeNode) => commands.map(({ requestId }) => Number(requestId?.sequence));

  test("go in their order, however they come", async () => {
    const { node, order, write } = await ordered();
    const early = [write("7/3/1/2"), write("7/2/1/1")];
    await eventually("both wait", () => order.size === 2);
    await Promise.all([write("7/1/1/0"), ...early]);
    expect(sequences(node)).toEqual([1, 2, 3]);
  });

  test("go when those before them have gone, and wait for no answers", async () => {
    const { node, order, write } = await ordered();
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    node.submitted = () => answered.then(() => applied());
    const early = write("7/2/1/1");
    await eventually("it waits", () => order.size === 1);
    const first = write("7/1/1/0");
    await eventually("both have gone", () => node.commands.length === 2);
    answer();
    expect([(await first).error, (await early).error]).toEqual([null, null]);
    expect(sequences(node)).toEqual([1, 2]);
  });

  test("go behind one that has its answer, though it went before its turn", async () => {
    const { node, order, write, rig } = await ordered();
    const early = write("7/2/1/1");
    await eventually("it waits", () => order.size === 1);
    await rig.pass(WAIT_MS_MAX);
    expect((await early).error).toBeNull();
    expect((await write("7/3/1/2")).error).toBeNull();
    expect(sequences(node)).toEqual([2, 3]);
  });

  test("wait for nobody whose call is refused whenever it comes", async () => {
    const { node, order, write } = await ordered();
    const early = write("7/2/1/1");
    await eventually("it waits", () => order.size === 1);
    const { error } = await write("7/1/1/0", "");
    expect(CallFailure.from(error).reason).toBe(ErrorReason.INVALID_ARGUMENT);
    expect((await early).error).toBeNull();
    expect(sequences(node)).toEqual([2]);
  });

  test("wait again for one that the state machine called out of order, or that was not taken", async () => {
    const { node, order, write } = await ordered();
    const refused = { refusal: Refusal.OUT_OF_ORDER, message: "1 comes behind 2", oldestRevision: 0n };
    for (const outcome of [
      { ...applied(), answer: { revision: 8n, result: { $case: "refused" as const, value: refused } } },
      { kind: "not_applied" as const, reason: "backlog_full" as const, leaderId: "n1" },
    ]) {
      node.submitted = outcome;
      const { error } = await write("7/1/1/0");
      expect(CallFailure.from(error).outcome).toBe(Outcome.NOT_APPLIED);
      node.submitted = applied();
      const behind = write("7/2/1/1");
      await eventually("it waits", () => order.size === 1);
      await write("7/1/1/0");
      expect((await behind).error).toBeNull();
      order.clear();
    }
  });

  test("go nowhere where the deadline comes before their turn", async () => {
    const { node, order, write } = await ordered();
    const { error } = await write("7/2/1/1", "k", { deadlineMs: 50 });
    expect(error).not.toBeNull();
    await eventually("nothing waits", () => order.size === 0);
    await write("7/1/1/0");
    expect(sequences(node)).toEqual([1]);
  });
});
