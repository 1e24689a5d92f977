import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  type Codec,
  type CollectionItem,
  integer,
  json,
  type Kv,
  type KvEvent,
  protobuf,
  type StandardSchema,
  standard,
} from "@quorate/client";
import { LeaderHint } from "@quorate/client/generated";

/*
 * What the compiler infers of collections. Nothing here runs: the project's build fails where an expectation does, and
 * where a line that must be refused is not.
 */

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function expectType<Expected>() {
  return <Actual>(_: Actual, ..._same: Same<Actual, Expected> extends true ? [] : [never]): void => undefined;
}

interface User {
  readonly name: string;
  readonly visits: number;
}

interface Draft {
  readonly name: string;
}

declare const schema: StandardSchema<Draft, User>;

export async function reads(kv: Kv): Promise<void> {
  const users = kv.collection("user/", json<User>());
  expectType<User | undefined>()(await users.get("ada"));
  expectType<CollectionItem<User> | undefined>()(await users.getItem("ada"));
  expectType<(User | undefined)[]>()(await users.batchGet(["ada"]));
  for await (const item of users.scan()) expectType<User>()(item.value);
  const cache = await users.cache();
  expectType<User | undefined>()(cache.get("ada"));
  for (const [id, user] of cache.entries()) {
    expectType<string>()(id);
    expectType<User>()(user);
  }
}

export async function writes(kv: Kv): Promise<void> {
  const users = kv.collection("user/", json<User>());
  // @ts-expect-error a user has visits
  await users.put("ada", { name: "Ada" });
  await users.update("ada", (user) => {
    expectType<User | undefined>()(user);
    return user && { ...user, visits: user.visits + 1 };
  });
  // @ts-expect-error what a change returns is a user too
  await users.update("ada", () => "Ada");
}

export async function watches(kv: Kv): Promise<void> {
  for await (const event of kv.watch("k")) expectType<KvEvent>()(event);
  for await (const event of kv.collection("user/", json<User>()).watch()) {
    // @ts-expect-error not every event has a value
    void event.value;
    switch (event.kind) {
      case "put":
      case "current":
        expectType<User>()(event.value);
        expectType<string>()(event.id);
        break;
      case "delete":
        expectType<User | undefined>()(event.previous);
        break;
      case "truncated":
      case "synced":
        expectType<number>()(event.revision);
    }
  }
}

export async function transactions(kv: Kv): Promise<void> {
  const users = kv.collection("user/", json<User>());
  const visits = kv.collection("visits/", integer);
  const { results } = await kv.txn().do(users.ops.get("ada"), visits.ops.increment("ada")).commit();
  if (results.length === 2) {
    expectType<User | undefined>()(results[0]);
    expectType<bigint>()(results[1]);
  }
  // @ts-expect-error a user has visits
  kv.txn().do(users.ops.put("ada", { name: "Ada" }));
  await kv.transact(async (tx) => {
    expectType<User | undefined>()(await tx.in(users).get("ada"));
    // @ts-expect-error a bigint is counted, not text
    tx.in(visits).put("ada", "1");
  });
}

export async function schemas(kv: Kv): Promise<void> {
  const codec = standard(schema);
  expectType<Codec<User, Draft>>()(codec);
  const users = kv.collection("user/", codec);
  await users.put("ada", { name: "Ada" });
  expectType<User | undefined>()(await users.get("ada"));
  // @ts-expect-error a draft has a name
  await users.put("ada", { visits: 1 });
}

export function messages(kv: Kv): void {
  expectType<Codec<LeaderHint>>()(protobuf(LeaderHint));
  expectType<Codec<Duration>>()(protobuf(DurationSchema, { toBinary, fromBinary }));
  // @ts-expect-error a schema of @bufbuild/protobuf comes with the functions that read it
  kv.collection("d/", protobuf(DurationSchema));
}
