import { describe, expect, it } from "@jest/globals";
import {
  type Command,
  changeMembershipCommand,
  deleteRangeCommand,
  encodeCommand,
  grantLeaseCommand,
  INITIAL_STATE,
  incrementCommand,
  prefixRange,
  putCommand,
  revokeLeaseCommand,
  StateMachine,
  type StateWrites,
  tickCommand,
  verifyCommand,
} from "@quorate/services/kv";
import { MemoryStateDisk, openMemoryStateStore } from "@quorate/services/memory";
import type { Entry } from "@quorate/services/raft";
import { type StateStore, StoreFailure } from "@quorate/services/replica";
import { type AppliedEntry, Applier, ApplierStopped } from "../../../services/replica/applier";
import { PATIENT_BYTES_MAX, PATIENT_ENTRIES_MAX } from "../../../services/replica/apply-patience";

const source = { namespace: "", requestId: null, wallTimeMs: 0 };

function put(key: string, leaseId = 0n, value = Buffer.from("x")): Command {
  return putCommand(source, {
    key: Buffer.from(key),
    value,
    leaseId,
    returnPrevious: false,
    expectedModRevision: null,
  });
}

function entriesOf(commands: readonly Command[]): readonly Entry[] {
  return commands.map((command, at) => ({
    term: 1,
    index: at + 1,
    kind: command.operation?.$case === "changeMembership" ? "conf_change_v2" : "normal",
    data: encodeCommand(command),
  }));
}

/** Applies the commands as they wait together, and says how they were cut into batches, and what was told when. */
async function applied(commands: readonly Command[]): Promise<{
  readonly batches: readonly number[];
  readonly told: readonly string[];
}> {
  const store = openMemoryStateStore(new MemoryStateDisk());
  const told: string[] = [];
  const batches: number[] = [];
  const done = new Promise<void>((resolve, reject) => {
    const applier = new Applier(
      new StateMachine(INITIAL_STATE),
      store,
      { term: 0, index: 0 },
      {
        written: (writes: StateWrites) => {
          told.push(`written ${writes.meta.revision}`);
          expect(applier.visible.revision).toBe(writes.meta.revision);
        },
        applied: (entries: readonly AppliedEntry[]) => {
          told.push(`applied ${entries.at(-1)?.id.index}`);
          batches.push(entries.length);
          if (entries.at(-1)?.id.index === commands.length) resolve();
        },
        failed: reject,
      },
    );
    applier.push(entriesOf(commands));
  });
  await done;
  await store.close();
  return { batches, told };
}

describe("batches", () => {
  it("take all that waits", async () => {
    expect((await applied([put("a"), put("b"), put("c")])).batches).toEqual([3]);
  });

  it("begin anew with a command that reads a range, which goes on with what follows", async () => {
    const deletion = deleteRangeCommand(source, prefixRange(Buffer.from("a")), 10);
    const { batches } = await applied([put("a"), put("b"), deletion, put("c"), deletion, deletion]);
    expect(batches).toEqual([2, 2, 1, 1]);
  });

  it("begin anew with the passing of time while there are leases", async () => {
    const time = tickCommand(10, 0);
    expect((await applied([put("a"), time, put("b"), time])).batches).toEqual([4]);
    const { batches } = await applied([grantLeaseCommand(source, 1000), put("a"), time, put("b"), time]);
    // A lease that is granted within the batch has no keys from before it.
    expect(batches).toEqual([5]);
  });

  it("read no more than 256 values at once", async () => {
    const increments = Array.from({ length: 600 }, (_, at) =>
      incrementCommand(source, Buffer.from(`${at}`), 1n),
    );
    expect((await applied(increments)).batches).toEqual([256, 256, 88]);
  });

  it("read no more than 16,384 keys at once, for ending a lease reads as many as it has", async () => {
    const held = [1n, 2n].flatMap((leaseId) =>
      Array.from({ length: 9 * 1024 }, (_, at) => put(`${leaseId}/${at}`, leaseId)),
    );
    const grants = Array.from({ length: 1024 }, () => grantLeaseCommand(source, 1000));
    const revocations = [1n, 2n, 3n].map((leaseId) => revokeLeaseCommand(source, leaseId));
    const { batches } = await applied([...grants, ...held, ...revocations]);
    expect(batches.slice(1 + 18)).toEqual([1, 2]);
  });

  it("take no more than 4 MiB of entries at once", async () => {
    const puts = Array.from({ length: 7 }, (_, at) => put(`${at}`, 0n, Buffer.alloc(1024 * 1024)));
    expect((await applied(puts)).batches).toEqual([3, 3, 1]);
    const longest = put("a", 0n, Buffer.alloc(5 * 1024 * 1024));
    expect((await applied([put("a"), longest, put("b")])).batches).toEqual([1, 1, 1]);
  });

  it("end with a command that compares replicas, which is of the state right behind it", async () => {
    expect((await applied([put("a"), verifyCommand(0), put("b"), put("c")])).batches).toEqual([2, 2]);
  });

  it("have a change of the configuration alone", async () => {
    const voters = { votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const change = changeMembershipCommand({ voters: ["n1"], ...voters }, [], 0);
    expect((await applied([put("a"), put("b"), change, put("c"), put("d")])).batches).toEqual([2, 1, 2]);
  });
});

it("tells what was written when reads may see it, and before the outcome", async () => {
  const deletion = deleteRangeCommand(source, prefixRange(Buffer.from("a")), 10);
  expect((await applied([put("a"), put("b"), deletion])).told).toEqual([
    "written 2",
    "applied 2",
    "written 3",
    "applied 3",
  ]);
});

describe("with a store that has in memory what is read, and takes what is written at once", () => {
  /**
   * @param room what each write is answered with, in turn; null from then on
   * @param onWritten what its owner does besides when a batch is written
   */
  function applierOf(room: (Promise<void> | null)[] = [], onWritten: () => void = () => {}) {
    const store = {
      read: () => ({ get: () => null, range: () => [] }),
      write: () => room.shift() ?? null,
    } as unknown as StateStore;
    const told: string[] = [];
    const applier: Applier = new Applier(
      new StateMachine(INITIAL_STATE),
      store,
      { term: 0, index: 0 },
      {
        written: ({ meta }) => {
          onWritten();
          told.push(`written ${meta.revision}`);
        },
        applied: (entries) => {
          told.push(`applied ${entries.at(-1)?.id.index}`);
          if (entries.at(-1)?.id.index === 1) applier.push(all.slice(1));
          told.push("told");
        },
        failed: (failure) => told.push(`failed: ${failure.message}`),
      },
    );
    return { applier, told };
  }

  const all = entriesOf([put("a"), put("b")]);
  const first = ["written 1", "applied 1", "told"];
  const second = ["written 2", "applied 2", "told"];

  it("a batch is applied in the call that brings it, and what comes of it right behind", () => {
    const { applier, told } = applierOf();
    applier.push(all.slice(0, 1));
    expect(told).toEqual([...first, ...second]);
    expect(applier.applied).toEqual({ term: 1, index: 2 });
  });

  it("what is written is applied when that is told", () => {
    const appliedWhenWritten: number[] = [];
    const { applier } = applierOf([], () => appliedWhenWritten.push(applier.applied.index));
    applier.push(all.slice(0, 1));
    expect(appliedWhenWritten).toEqual([1, 2]);
  });

  it("the next batch waits where there is no room for more", async () => {
    let makeRoom = (): void => {};
    const { applier, told } = applierOf([
      new Promise((resolve) => {
        makeRoom = resolve;
      }),
    ]);
    applier.push(all);
    expect(told).toEqual([]);
    makeRoom();
    await applier.stop();
    expect(told).toEqual(["written 2"]);
  });

  it("a failed write ends it", async () => {
    const lost = new StoreFailure("lost", { dataLoss: false });
    const { applier, told } = applierOf([null, Promise.reject(lost)]);
    applier.push(all.slice(0, 1));
    await applier.stop();
    expect(told).toEqual([...first, "failed: lost"]);
  });

  it("a fault of ours ends it: nothing more is applied, and who stops it need not wait", async () => {
    const fault = new Error("a fault of ours");
    const { applier, told } = applierOf([], () => {
      throw fault;
    });
    expect(() => applier.push(all.slice(0, 1))).toThrow(fault);
    applier.push(all.slice(1));
    await expect(applier.exclusive(() => Promise.resolve())).rejects.toThrow(ApplierStopped);
    await applier.stop();
    expect(told).toEqual([]);
  });

  it("a fault of ours that comes when a write was waited for is told to who stops it, once", async () => {
    const fault = new Error("a fault of ours");
    const { applier, told } = applierOf([Promise.resolve()], () => {
      throw fault;
    });
    applier.push(all);
    await expect(applier.stop()).rejects.toThrow(fault);
    await applier.stop();
    expect(told).toEqual([]);
  });

  it("what runs between batches is waited for", async () => {
    const { applier, told } = applierOf();
    const ran = applier.exclusive(async ({ index }) => {
      applier.push(all.slice(0, 1));
      await Promise.resolve();
      told.push(`ran after ${index}`);
    });
    expect(told).toEqual([]);
    await ran;
    await Promise.resolve();
    expect(told).toEqual(["ran after 0", ...first, ...second]);
  });
});

describe("with a store in memory, and nobody who waits for what is applied", () => {
  function applierOf(isAwaited: () => boolean = () => false) {
    const store = {
      read: () => ({ get: () => null, range: () => [] }),
      write: () => null,
    } as unknown as StateStore;
    const batches: number[] = [];
    const applier = new Applier(
      new StateMachine(INITIAL_STATE),
      store,
      { term: 0, index: 0 },
      {
        written: () => undefined,
        applied: (entries) => batches.push(entries.length),
        failed: (failure) => {
          throw failure;
        },
      },
      isAwaited,
    );
    return { applier, batches };
  }

  const many = entriesOf(Array.from({ length: 3 * PATIENT_ENTRIES_MAX }, (_, at) => put(`k${at}`)));

  it("few entries wait until they are to be caught up with, and are then one batch", () => {
    const { applier, batches } = applierOf();
    applier.push(many.slice(0, 2));
    applier.push(many.slice(2, 3));
    expect(applier.applied.index).toBe(0);
    void applier.catchUp();
    expect(batches).toEqual([3]);
    void applier.catchUp();
    expect(batches).toEqual([3]);
  });

  it("as many as may wait are applied by the last of them, and those after them wait anew", () => {
    const { applier, batches } = applierOf();
    for (const entry of many.slice(0, 2 * PATIENT_ENTRIES_MAX + 1)) applier.push([entry]);
    expect(batches).toEqual([PATIENT_ENTRIES_MAX, PATIENT_ENTRIES_MAX]);
  });

  it("entries of many bytes do not wait", () => {
    const { applier, batches } = applierOf();
    const [first, second] = entriesOf([put("a"), put("b".repeat(PATIENT_BYTES_MAX))]);
    applier.push([first!]);
    expect(batches).toEqual([]);
    applier.push([second!]);
    expect(batches).toEqual([2]);
  });

  it("a change of who takes part does not wait, nor what came before it", () => {
    const { applier, batches } = applierOf();
    const configuration = {
      voters: ["n1"],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const change = encodeCommand(changeMembershipCommand(configuration, [], 0));
    applier.push(many.slice(0, 1));
    applier.push([{ term: 1, index: 2, kind: "conf_change_v2", data: change }]);
    expect(batches).toEqual([1, 1]);
  });

  it("all is applied with whatever comes once somebody waits for it, even with nothing", () => {
    let isAwaited = false;
    const { applier, batches } = applierOf(() => isAwaited);
    applier.push(many.slice(0, 1));
    isAwaited = true;
    applier.push([]);
    applier.push(many.slice(1, 2));
    expect(batches).toEqual([1, 1]);
  });

  it("what waits is not applied any more by one that stops", async () => {
    const { applier, batches } = applierOf();
    applier.push(many.slice(0, 1));
    await applier.stop();
    void applier.catchUp();
    expect(batches).toEqual([]);
  });
});
