import { expect } from "@jest/globals";
import { type Connection, GrpcConnection, Quorate, QuorateError } from "@quorate/client";
import { clusterOfFile, type TestCluster } from "#support";
import { inTime, patientTests } from "./patient";

patientTests();

const cluster = clusterOfFile({ nodes: 3, gateways: 1, profile: "default" });

const DEADLINE_MS = 60_000;
const WRITES = 1500;
const LARGE_BYTES = 100_000;
const CONNECT_MS_MAX = 5_000;

/** A client that counts what came out of order of what it sent. */
class CountedClient {
  outOfOrder = 0;
  readonly client: Quorate;

  constructor(endpoints: readonly string[]) {
    this.client = new Quorate(
      { endpoints, followMembers: false, deadlineMs: DEADLINE_MS },
      { connect: (address) => this.counted(new GrpcConnection(address, CONNECT_MS_MAX)) },
    );
  }

  private counted(connection: Connection): Connection {
    return {
      unary: async (method, request, options) => {
        try {
          return await connection.unary(method, request, options);
        } catch (thrown) {
          if (QuorateError.from(thrown).reason === "OUT_OF_ORDER") this.outOfOrder += 1;
          throw thrown;
        }
      },
      serverStream: (method, request, options) => connection.serverStream(method, request, options),
      duplex: (method, requests, options) => connection.duplex(method, requests, options),
      close: () => connection.close(),
    };
  }
}

/** Puts one value after another to a key, many at once. @returns the revision of each, in the order in which they were begun */
async function putAll(
  client: Quorate,
  key: string,
  count: number,
  inFlight: number,
  valueAt: (at: number) => string = String,
): Promise<number[]> {
  const revisions: number[] = [];
  let begun = 0;
  const worker = async (): Promise<void> => {
    while (begun < count) {
      const at = begun;
      begun += 1;
      revisions[at] = (await client.kv.put(key, valueAt(at))).revision;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return revisions;
}

function expectRising(revisions: readonly number[]): void {
  expect(revisions).toEqual([...new Set(revisions)].sort((left, right) => left - right));
}

const ways: readonly { readonly name: string; endpoint(cluster: TestCluster): Promise<string> }[] = [
  { name: "the leader", endpoint: async (c) => c.address(await c.leader()) },
  { name: "a follower", endpoint: async (c) => c.address((await c.followers())[0] as number) },
  { name: "a gateway", endpoint: async (c) => c.gateway().address },
];

for (const { name, endpoint } of ways) {
  for (const inFlight of [64, 1000]) {
    cluster.test(`${inFlight} writes under way at once through ${name} keep their order`, async (c) => {
      const counted = new CountedClient([await endpoint(c)]);
      const key = `order ${name} ${inFlight}`;
      expectRising(await putAll(counted.client, key, WRITES, inFlight));
      expect(await counted.client.kv.getText(key)).toBe(String(WRITES - 1));
      // Within one connection nothing overtakes, so what is refused is the exception.
      expect(counted.outOfOrder).toBeLessThan(WRITES / 10);
      await counted.client.close();
    });
  }
}

for (const { name, endpoint } of ways) {
  cluster.test(
    `small writes among large ones through ${name} keep their order, and are rarely refused`,
    async (c) => {
      const counted = new CountedClient([await endpoint(c)]);
      const key = `sizes ${name}`;
      const sizeOf = (at: number): number => (at % 10 === 0 ? LARGE_BYTES : 1);
      expectRising(await putAll(counted.client, key, WRITES / 3, 64, (at) => "x".repeat(sizeOf(at))));
      // They go by streams of their own, and the small ones overtake them.
      expect(counted.outOfOrder).toBeLessThan(WRITES / 30);
      await counted.client.close();
    },
  );
}

cluster.test("they keep it when the leader is killed and started again meanwhile", async (c) => {
  const { client } = new CountedClient(c.numbers.map((node) => c.address(node)));
  const key = "order over fail-overs";
  const counts = { begun: 0, answered: 0 };
  const revisions: number[] = [];
  let isOver = false;
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const at = counts.begun;
      counts.begun += 1;
      revisions[at] = (await client.kv.put(key, String(at))).revision;
      counts.answered += 1;
    }
  };
  const workers = Promise.all(Array.from({ length: 100 }, worker));
  const goesOn = async (): Promise<void> => {
    const before = counts.answered;
    await inTime("writes go on", () => counts.answered >= before + 300);
  };
  await goesOn();
  for (let round = 0; round < 2; round += 1) {
    const leader = await c.leader();
    await c.kill(leader);
    await goesOn();
    await c.restart(leader);
    await goesOn();
  }
  isOver = true;
  await workers;
  expectRising(revisions);
  expect(revisions).toHaveLength(counts.begun);
  await client.close();
});
