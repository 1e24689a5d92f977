import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { trace } from "@opentelemetry/api";
import { connect, type Quorate } from "@quorate/client";
import { eventually } from "../../support/eventually";
import { ObservedCluster, type ObservedNode } from "./observed-cluster";
import { type Recorder, recorder, rootsOf, type SpanTree, treeBelow } from "./spans";

const PUT = "quorate.kv.v1.KvService/Put";

let spans: Recorder;
let cluster: ObservedCluster;

beforeAll(async () => {
  spans = recorder();
  trace.setGlobalTracerProvider(spans.provider);
  cluster = await ObservedCluster.open("on");
});

afterAll(async () => {
  await cluster.close();
  trace.disable();
  await spans.close();
});

/** The tree of the one Put that a client makes. */
async function putThrough(endpoint: string): Promise<readonly SpanTree[]> {
  const client: Quorate = connect({
    endpoints: endpoint,
    tracer: trace.getTracer("caller"),
    followMembers: false,
    deadlineMs: 100_000,
    connectTimeoutMs: 60_000,
  });
  try {
    // The first write opens a session, which is a write of its own.
    await client.kv.put("k", "before");
    const before = new Set(rootsOf(spans.finished()).map((span) => span.spanContext().spanId));
    await client.kv.put("k", "v");
    const root = await eventually("the span of the call has ended", async () =>
      rootsOf(spans.finished()).find((span) => span.name === PUT && !before.has(span.spanContext().spanId)),
    );
    const { spanId } = root.spanContext();
    return await eventually("each member has applied the write", async () => {
      const tree = treeBelow(spans.finished(), spanId);
      return flat(tree).filter(({ name }) => name === "quorate.apply").length === 3 ? tree : undefined;
    });
  } finally {
    await client.close();
  }
}

function flat(tree: readonly SpanTree[]): readonly SpanTree[] {
  return tree.flatMap((span) => [span, ...flat(span.below)]);
}

/** What a write is below the call that its leader serves. */
function proposed(leader: string): SpanTree {
  const onEach = (name: string): readonly SpanTree[] =>
    ["n1", "n2", "n3"].map((member) => ({ name, member, below: [] }));
  return {
    name: "quorate.propose",
    member: leader,
    below: [...onEach("quorate.apply"), ...onEach("quorate.log.append")],
  };
}

describe("the trace of one write", () => {
  it("L7: goes from the client over the gateway to the leader, its log, the followers' logs and where each applies it", async () => {
    const [leader, tree] = await cluster.underOneLeader(async ({ id }) => {
      return [id, await putThrough(cluster.gatewayAddress)] as const;
    });
    expect(tree).toEqual([
      { name: PUT, member: "", below: [{ name: PUT, member: leader, below: [proposed(leader)] }] },
    ]);
  });

  it("shows the follower that passed it on", async () => {
    const [leader, follower, tree] = await cluster.underOneLeader(async ({ id }) => {
      const other = cluster.nodes.find((node) => node.id !== id) as ObservedNode;
      return [id, other.id, await putThrough(other.client)] as const;
    });
    expect(tree).toEqual([
      {
        name: PUT,
        member: follower,
        below: [{ name: PUT, member: leader, below: [proposed(leader)] }],
      },
    ]);
  });

  it("is one trace", async () => {
    for (const root of rootsOf(spans.finished()).filter(({ name }) => name === PUT)) {
      const inTrace = spans
        .finished()
        .filter((span) => span.spanContext().traceId === root.spanContext().traceId);
      expect(inTrace.length).toBe(flat(treeBelow(spans.finished(), root.spanContext().spanId)).length + 1);
    }
  });
});
