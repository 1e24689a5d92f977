import { compare, op, type Quorate } from "@quorate/client";
import { type Driver, WrongAnswer } from "../driver";

/** Through the typed client, as an application would call it. */
export function typedDriver(client: Quorate): Driver {
  const { kv } = client;
  return {
    put: (key, value) => kv.put(key, value),
    async get(key) {
      if ((await kv.get(key)) === undefined) throw new WrongAnswer(`${key} is not there`);
    },
    async getStale(key) {
      if ((await kv.get(key, { consistency: "stale" })) === undefined)
        throw new WrongAnswer(`${key} is not there`);
    },
    async compareAndSet(key, revision, value) {
      return (await kv.put(key, value, { expectedModRevision: revision as number })).revision;
    },
    async scan(start, end) {
      let records = 0;
      for await (const _ of kv.scan({ start, end })) records += 1;
      return records;
    },
    async transact({ guard, first, second, read }, value) {
      const { succeeded } = await kv
        .txn()
        .if(compare.exists(guard))
        .do(op.put(first, value), op.put(second, value), op.get(read))
        .commit();
      if (!succeeded) throw new WrongAnswer(`${guard} is not there`);
    },
    async revisions(start, end) {
      const found: number[] = [];
      for await (const { modRevision } of kv.scan({ start, end }, { keysOnly: true }))
        found.push(modRevision);
      return found;
    },
    close: () => client.close(),
  };
}
