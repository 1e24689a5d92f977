import { randomUUID } from "node:crypto";
import { connect, type Kv, type Quorate } from "@quorate/client";
import { checkedOptions } from "./options";
import { openCluster } from "./start-cluster";
import type { TestClientOptions } from "./test-node";

/** Where a run's global setup says which cluster its tests share: endpoints, comma-separated. */
export const SHARED_CLUSTER_VARIABLE = "QUORATE_SHARED_CLUSTER";

/** A namespace that no other test has. */
export interface SharedNamespace {
  readonly name: string;
  /** Its keys and values. */
  readonly kv: Kv;
  /** A client whose calls go to it unless they name another. */
  readonly client: Quorate;
}

/** One cluster for many tests, which keep apart by namespaces. */
export interface SharedCluster {
  /** A new client of the cluster, to be closed by its owner where it comes from a global setup. */
  client(options?: TestClientOptions): Quorate;
  /** Creates a namespace for one test. */
  namespace(): Promise<SharedNamespace>;
  /** Lets go of the cluster; ends it where this process started it. Safe twice. */
  close(): Promise<void>;
}

const OWN_CLUSTER = Symbol.for("@quorate/testing shared cluster");
const holder = globalThis as { [OWN_CLUSTER]?: Promise<SharedCluster> };

/**
 * The cluster that the tests of a run share: the one that the global setup has started, or else one in memory of this
 * process, started by the first call. It does not keep the process from ending.
 */
export function sharedCluster(): Promise<SharedCluster> {
  holder[OWN_CLUSTER] ??= open();
  return holder[OWN_CLUSTER];
}

async function open(): Promise<SharedCluster> {
  const endpoints = process.env[SHARED_CLUSTER_VARIABLE];
  if (endpoints !== undefined && endpoints !== "") {
    const clients = new Set<Quorate>();
    const client = (options: TestClientOptions = {}): Quorate => {
      const made = connect({ ...options, endpoints });
      clients.add(made);
      return made;
    };
    return shared(client, async () => {
      await Promise.all([...clients].map((made) => made.close()));
    });
  }
  const cluster = await openCluster(checkedOptions({}), { keepsProcess: false });
  return shared(
    (options) => cluster.client(options),
    () => cluster.close(),
  );
}

function shared(client: (options?: TestClientOptions) => Quorate, end: () => Promise<void>): SharedCluster {
  const own = client();
  return {
    client,
    async namespace() {
      const name = `test-${randomUUID()}`;
      await own.namespaces.create(name);
      const made = client({ namespace: name });
      return { name, kv: made.kv, client: made };
    },
    close() {
      delete holder[OWN_CLUSTER];
      return end();
    },
  };
}
