import { describe, expect, test } from "@jest/globals";
import { type Collection, json, type Kv, QuorateError } from "@quorate/client";
import { FakeWatchCluster } from "./fake-watch-cluster";
import { ModelStore } from "./model-store";
import { ScriptedEndpoints } from "./scripted-endpoints";

interface User {
  readonly name: string;
  readonly visits: number;
}

interface Rig {
  readonly store: ModelStore;
  readonly ends: ScriptedEndpoints;
  readonly kv: Kv;
  readonly users: Collection<User>;
}

const ADA = '{"name":"Ada","visits":1}';

function rig(values: Readonly<Record<string, string>> = { "user/ada": ADA }): Rig {
  const store = new ModelStore();
  for (const [key, value] of Object.entries(values)) store.put(key, value);
  const ends = new ScriptedEndpoints("127.0.0.1:1", (attempt) => store.answer(attempt) ?? {});
  const { kv } = ends.client;
  return { store, ends, kv, users: kv.collection("user/", json<User>()) };
}

describe("a collection", () => {
  test("reads and writes typed values under its prefix", async () => {
    const { store, ends, users } = rig();
    expect(await ends.timing.drive(users.get("ada"))).toEqual({ name: "Ada", visits: 1 });
    await ends.timing.drive(users.put("bob", { name: "Bob", visits: 0 }));
    expect(store.values["user/bob"]).toBe('{"name":"Bob","visits":0}');
    expect(users.key("bob")).toBe("user/bob");
  });

  test("a value that the codec refuses is refused with its key, in both directions", async () => {
    const { ends, users } = rig({ "user/odd": "{" });
    const read = await ends.failure(users.get("odd"));
    expect(read.message).toMatch(/^the value of "user\/odd" cannot be read: the stored value is not JSON/);
    const write = await ends.failure(users.put("nan", { name: "N", visits: Number.NaN }));
    expect(write.message).toBe('the value for "user/nan" cannot be stored: NaN at "visits" has no JSON form');
    expect(write.reason).toBe("INVALID_ARGUMENT");
  });
});

describe("update", () => {
  test("changes what is there, and says what it wrote and at which revision", async () => {
    const { store, ends, users } = rig();
    const result = await ends.timing.drive(
      users.update("ada", (user) => user && { ...user, visits: user.visits + 1 }),
    );
    expect(result).toEqual({ value: { name: "Ada", visits: 2 }, revision: store.revision });
    expect(store.values["user/ada"]).toBe('{"name":"Ada","visits":2}');
  });

  test("is asked again with the newer value when another wrote in between", async () => {
    const { store, ends, users } = rig();
    const seen: (number | undefined)[] = [];
    await ends.timing.drive(
      users.update("ada", async (user) => {
        seen.push(user?.visits);
        if (seen.length < 3) store.put("user/ada", `{"name":"Ada","visits":${seen.length * 10}}`);
        return { name: "Ada", visits: (user?.visits ?? 0) + 1 };
      }),
    );
    expect(seen).toEqual([1, 10, 20]);
    expect(store.values["user/ada"]).toBe('{"name":"Ada","visits":21}');
  });

  test("writes nothing for undefined, and creates what is missing", async () => {
    const { store, ends, users } = rig();
    const revision = store.revision;
    expect(await ends.timing.drive(users.update("ada", () => undefined))).toEqual({
      value: undefined,
      revision: undefined,
    });
    expect(store.revision).toBe(revision);
    await ends.timing.drive(users.update("eve", (user) => user ?? { name: "Eve", visits: 0 }));
    expect(store.values["user/eve"]).toBe('{"name":"Eve","visits":0}');
  });

  test("names no revision when an attempt failed and there was nothing left to write", async () => {
    const { store, ends, users } = rig();
    const result = await ends.timing.drive(
      users.update("ada", (user) => {
        store.delete("user/ada");
        return user;
      }),
    );
    expect([result, store.values]).toEqual([{ value: undefined, revision: undefined }, {}]);
  });

  test("keeps the lease of the key, unless it is given another", async () => {
    const { store, ends, kv, users } = rig({});
    const touch = (user: User | undefined) => ({ name: "Ada", visits: (user?.visits ?? 0) + 1 });
    store.put("user/ada", ADA, 7n);
    await ends.timing.drive(users.update("ada", touch));
    expect((await ends.timing.drive(kv.get("user/ada")))?.leaseId).toBe(7n);
    await ends.timing.drive(users.update("ada", touch, { leaseId: 0n }));
    expect((await ends.timing.drive(kv.get("user/ada")))?.leaseId).toBe(0n);
  });

  test("what the change throws ends it, and nothing is written", async () => {
    const { store, ends, users } = rig();
    const work = users.update("ada", () => {
      throw new Error("changed my mind");
    });
    expect((await ends.failure(work)).message).toBe("changed my mind");
    expect(store.values["user/ada"]).toBe(ADA);
  });
});

describe("within a Txn and a transaction", () => {
  test("A21: operations of collections answer with typed values", async () => {
    const { ends, kv, users } = rig();
    const txn = kv
      .txn()
      .do(
        users.ops.put("bob", { name: "Bob", visits: 3 }),
        users.ops.get("bob"),
        users.ops.get("nobody"),
        users.ops.delete("ada"),
      );
    const { results } = await ends.timing.drive(txn.commit());
    expect(results).toEqual([
      { previous: undefined },
      { name: "Bob", visits: 3 },
      undefined,
      { deleted: true, previous: undefined },
    ]);
  });

  test("a transaction sees a collection with its own writes", async () => {
    const { store, ends, kv, users } = rig();
    const names = await ends.timing.drive(
      kv.transact(async (tx) => {
        tx.in(users).put("bob", { name: "Bob", visits: 0 });
        const items = await tx.in(users).scan();
        return items.map(({ id, value }) => `${id}: ${value.name}`);
      }),
    );
    expect(names).toEqual(["ada: Ada", "bob: Bob"]);
    expect(Object.keys(store.values)).toEqual(["user/ada", "user/bob"]);
  });
});

describe("a watch of a collection", () => {
  test("tells ids and values; one that cannot be read ends nothing", async () => {
    const cluster = new FakeWatchCluster("127.0.0.1:1");
    cluster.write(["user/ada", ADA], ["other", "x"]);
    cluster.write(["user/bad", "{"]);
    cluster.write(["user/ada", null]);
    const users = cluster.client.kv.collection("user/", json<User>());
    const watch = users.watch({ fromRevision: 1 });
    const taken: unknown[] = [];
    const consume = async () => {
      for await (const event of watch) {
        if (event.kind === "put") {
          taken.push([event.kind, event.id, event.revision, tried(() => event.value)]);
        } else if (event.kind === "delete") {
          taken.push([event.kind, event.id, event.revision]);
          break;
        }
      }
    };
    await cluster.timing.drive(consume());
    expect(taken).toEqual([
      ["put", "ada", 1, { name: "Ada", visits: 1 }],
      ["put", "bad", 2, expect.stringMatching(/^the value of "user\/bad" cannot be read/)],
      ["delete", "ada", 3],
    ]);
    expect(cluster.creations[0]?.create.prefix).toEqual(Buffer.from("user/"));
  });

  test("of one id, with the current state first", async () => {
    const cluster = new FakeWatchCluster("127.0.0.1:1");
    cluster.write(["user/ada", ADA], ["user/bob", ADA]);
    const users = cluster.client.kv.collection("user/", json<User>());
    const watch = users.watch({ id: "ada", currentState: true });
    const { value } = await cluster.timing.drive(watch.next());
    expect(value).toMatchObject({ kind: "current", id: "ada", value: { visits: 1 } });
    watch.close();
  });
});

test("a counter counts from 0, and is set and reset", async () => {
  const { store, ends, kv } = rig({ other: "x" });
  const counter = kv.counter("visits");
  expect(await ends.timing.drive(counter.get())).toBe(0n);
  await ends.timing.drive(counter.set(41));
  expect(await ends.timing.drive(counter.get())).toBe(41n);
  await ends.timing.drive(counter.reset());
  expect(store.values).toEqual({ other: "x", visits: "0" });
  const broken = await ends.failure(counter.set(1.5));
  expect(broken.reason).toBe("INVALID_ARGUMENT");
  expect((await ends.failure(kv.counter("other").get())).message).toContain('"other"');
});

function tried(work: () => unknown): unknown {
  try {
    return work();
  } catch (thrown) {
    return QuorateError.from(thrown).message;
  }
}
