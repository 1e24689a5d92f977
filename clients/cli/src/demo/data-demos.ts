import { type Codec, integer, json, QuorateError, text } from "@quorate/client";
import type { Demo, Stage } from "./stage";

export const basic: Demo = {
  description: "keys and values: put, get, delete, conditions, scans",
  async run(stage) {
    const { kv } = stage.quorate;
    await stage.say("A value is written under a key, and read back.");
    const { revision } = await kv.put("greeting", "hello");
    await stage.show('kv.put("greeting", "hello")', { revision });
    const found = await kv.getText("greeting");
    await stage.show('kv.getText("greeting")', found);
    await stage.holds("what was written is read", found === "hello");

    await stage.say("A key that is not there is undefined, which an empty value is not.");
    await kv.put("empty", "");
    await stage.holds("an absent key is undefined", (await kv.get("nobody")) === undefined);
    await stage.holds("an empty value is there", (await kv.getText("empty")) === "");

    await stage.say("A write can be conditional on the revision that its caller has read.");
    const record = await kv.get("greeting");
    await kv.put("greeting", "hi", { expectedModRevision: record?.modRevision ?? 0 });
    const late = await failureOf(kv.put("greeting", "hey", { expectedModRevision: revision }));
    await stage.show(`kv.put("greeting", "hey", { expectedModRevision: ${revision} })`, late.reason);
    await stage.holds("the late one is refused", late.reason === "CONDITION_FAILED");

    await stage.say("Keys are ordered, so a prefix is a table.");
    for (const name of ["cherry", "apple", "banana"]) await kv.put(`fruit/${name}`, name.toUpperCase());
    const keys: string[] = [];
    for await (const { key } of kv.scan({ prefix: "fruit/" })) keys.push(key);
    await stage.show('kv.scan({ prefix: "fruit/" })', keys);
    await stage.holds("they come in order", keys.join() === "fruit/apple,fruit/banana,fruit/cherry");

    await stage.say("What was can still be read: each change has a revision.");
    const past = await kv.getText("greeting", { revision });
    await stage.show(`kv.getText("greeting", { revision: ${revision} })`, past);
    await stage.holds("the past is as it was", past === "hello");

    const { deleted } = await kv.delete("greeting");
    await stage.holds("a deleted key is gone", deleted && (await kv.get("greeting")) === undefined);
  },
};

export const types: Demo = {
  description: "values with types: text, numbers, JSON, nested and null, bytes",
  async run(stage) {
    const { kv } = stage.quorate;
    await stage.say("A collection is a prefix with a codec: what is put in comes out, with its type.");
    const samples: readonly [string, unknown][] = [
      ["string", "Grüße 👋"],
      ["integer", 42],
      ["float", 2.5],
      ["boolean", true],
      ["null", null],
      ["list", [1, "two", null, [3]]],
      ["object", { name: "Ada", address: { city: "London", tags: ["a", "b"] } }],
    ];
    const values = kv.collection("types/", json<unknown>());
    for (const [id, value] of samples) {
      await values.put(id, value);
      const back = await values.get(id);
      await stage.show(`values.get("${id}")`, back);
      await stage.holds(`${id} comes back alike`, JSON.stringify(back) === JSON.stringify(value));
    }

    await stage.say("Counters are integers of 64 bits, exact where a number of JavaScript is not.");
    await roundTrip(stage, "big", 9_007_199_254_740_993n, integer);
    await stage.holds(
      "adding to one is exact",
      (await kv.increment("typed/big", 2)) === 9_007_199_254_740_995n,
    );
    await roundTrip(stage, "text", "any text,\nwith lines and \0", text);
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    await kv.put("typed/bytes", bytes);
    const record = await kv.get("typed/bytes");
    await stage.holds(
      "all 256 bytes come back",
      Buffer.compare(record?.bytes ?? Buffer.alloc(0), bytes) === 0,
    );
  },
};

export const restrictions: Demo = {
  description: "what is refused, and how it is said: nothing is lost or changed",
  async run(stage) {
    const { kv } = stage.quorate;
    await stage.say("What cannot be is refused with an error that names the field and the limit.");
    const refusals: readonly [string, () => Promise<unknown>, QuorateError["reason"]][] = [
      ["an empty key", () => kv.put("", "x"), "INVALID_ARGUMENT"],
      ["a key of 5,000 bytes", () => kv.put("k".repeat(5000), "x"), "INVALID_ARGUMENT"],
      ["a value of 1.5 MiB", () => kv.put("big", new Uint8Array(1.5 * 1024 * 1024)), "TOO_LARGE"],
      ["an unknown namespace", () => stage.quorate.namespace("nowhere").put("a", "b"), "UNKNOWN_NAMESPACE"],
      ["a revision that is not there yet", () => kv.get("a", { revision: 1e9 }), "FUTURE_REVISION"],
    ];
    for (const [what, call, reason] of refusals) {
      const error = await failureOf(call());
      await stage.show(what, `${error.code} (${error.reason}): ${error.message}`);
      await stage.holds(`${what} is ${reason}`, error.reason === reason);
    }

    await stage.say("A refused write changes nothing.");
    await kv.put("word", "not a number");
    const word = await failureOf(kv.increment("word"));
    await stage.holds("a word cannot be counted up", word.reason === "NOT_AN_INTEGER");
    await kv.put("most", "9223372036854775807");
    const overflow = await failureOf(kv.increment("most"));
    await stage.holds("a counter does not wrap around", overflow.reason === "INTEGER_OVERFLOW");
    await stage.holds(
      "both are as they were",
      (await kv.getText("word")) === "not a number" && (await kv.getText("most")) === "9223372036854775807",
    );
  },
};

async function roundTrip<T>(stage: Stage, id: string, value: T, codec: Codec<T>): Promise<void> {
  const collection = stage.quorate.kv.collection("typed/", codec);
  await collection.put(id, value);
  const back = await collection.get(id);
  await stage.show(`typed.get("${id}")`, back);
  await stage.holds(`${id} comes back alike`, back === value);
}

/** The failure of a call that should fail. */
export async function failureOf(call: Promise<unknown>): Promise<QuorateError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  return new QuorateError("the call did not fail", { code: "OK" });
}
