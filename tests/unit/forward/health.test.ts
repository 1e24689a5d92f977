import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { HealthDefinition, HealthCheckResponse_ServingStatus as ServingStatus } from "@quorate/proto/health";
import { Health } from "@quorate/services/forward";
import { type Channel, createChannel, createClient, Status } from "nice-grpc";
import { eventually } from "../../support/eventually";
import { Serving, serviceOf } from "./serving";

const KV = "quorate.kv.v1.KvService";
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = ServingStatus;

describe("the health of a server", () => {
  let serving: Serving;
  let health: Health;
  let channel: Channel;

  beforeEach(async () => {
    serving = await Serving.open(serviceOf(() => new Promise(() => {})));
    health = new Health();
    health.addTo(serving.server);
    channel = createChannel(serving.address);
  });

  afterEach(async () => {
    health.close();
    channel.close();
    await serving.close();
  });

  test("is told of the process and of the services of the leader, and of no other", async () => {
    const client = createClient(HealthDefinition, channel);
    const statusOf = async (service: string) => (await client.check({ service })).status;
    expect([await statusOf(""), await statusOf(KV)]).toEqual([SERVING, NOT_SERVING]);
    health.setLeaderKnown(true);
    expect([await statusOf(""), await statusOf(KV)]).toEqual([SERVING, SERVING]);
    await expect(statusOf("of.nobody")).rejects.toMatchObject({ code: Status.NOT_FOUND });
    health.stop();
    health.setLeaderKnown(true);
    expect([await statusOf(""), await statusOf(KV)]).toEqual([NOT_SERVING, NOT_SERVING]);
  });

  test("is told to who watches as often as it changes, until the server ends", async () => {
    const client = createClient(HealthDefinition, channel);
    const watch = (service: string): { seen: ServingStatus[]; ended: Promise<unknown> } => {
      const seen: ServingStatus[] = [];
      const ended = (async () => {
        for await (const { status } of client.watch({ service })) seen.push(status);
      })().catch((error: unknown) => error);
      return { seen, ended };
    };
    const [ofProcess, ofKv, ofNobody] = ["", KV, "of.nobody"].map(watch) as [
      ReturnType<typeof watch>,
      ReturnType<typeof watch>,
      ReturnType<typeof watch>,
    ];
    const all = [ofProcess, ofKv, ofNobody];
    await eventually("all are told at once", () => all.every(({ seen }) => seen.length === 1));
    health.setLeaderKnown(true);
    health.setLeaderKnown(true);
    await eventually("a leader is known", () => ofKv.seen.length === 2);
    health.setLeaderKnown(false);
    await eventually("no leader is known", () => ofKv.seen.length === 3);
    health.close();
    for (const { ended } of all) expect(await ended).toMatchObject({ code: Status.UNAVAILABLE });
    expect(all.map(({ seen }) => seen)).toEqual([
      [SERVING, NOT_SERVING],
      [NOT_SERVING, SERVING, NOT_SERVING],
      [SERVICE_UNKNOWN],
    ]);
  });
});
