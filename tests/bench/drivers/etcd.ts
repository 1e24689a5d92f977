import type { Etcd3 } from "etcd3";
import { type Driver, WrongAnswer } from "../driver";

/** Through the npm client etcd3, as its own documentation calls it. */
export function etcdDriver(client: Etcd3): Driver {
  const rows = async (start: string, end: string) =>
    (await client.getAll().inRange({ start, end }).exec()).kvs;
  return {
    // A builder sends nothing before somebody waits for it.
    put: async (key, value) => client.put(key).value(value),
    async get(key) {
      if ((await client.get(key).buffer()) === null) throw new WrongAnswer(`${key} is not there`);
    },
    async getStale(key) {
      const value = await client.get(key).serializable(true).buffer();
      if (value === null) throw new WrongAnswer(`${key} is not there`);
    },
    async compareAndSet(key, revision, value) {
      const { succeeded, header } = await client
        .if(key, "Mod", "==", revision)
        .then(client.put(key).value(value))
        .commit();
      if (!succeeded) throw new WrongAnswer(`${key} is no longer at revision ${revision}`);
      return header.revision;
    },
    scan: async (from, to) => (await rows(from, to)).length,
    async transact({ guard, first, second, read }, value) {
      const { succeeded } = await client
        .if(guard, "Version", ">", 0)
        .then(client.put(first).value(value), client.put(second).value(value), client.get(read))
        .commit();
      if (!succeeded) throw new WrongAnswer(`${guard} is not there`);
    },
    revisions: async (from, to) => (await rows(from, to)).map(({ mod_revision }) => mod_revision),
    close: async () => client.close(),
  };
}
