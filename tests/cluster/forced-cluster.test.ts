import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { connect, type Quorate } from "@quorate/client";
import { LocalCluster, type PortReservation, reservePorts } from "@quorate/services/launcher";
import { Workplace } from "../support";
import { inTime, patientTests } from "./patient";

patientTests();

let workplace: Workplace;
let ports: PortReservation;
let cluster: LocalCluster;
const clients: Quorate[] = [];

beforeEach(async () => {
  workplace = new Workplace();
  ports = await reservePorts(5);
  cluster = LocalCluster.describe({
    dataDir: workplace.at("data"),
    basePort: ports.basePort,
    profile: "fast",
    gateway: false,
    readyMsMax: 60_000,
  });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await cluster.stop();
  await ports.release();
  await workplace.remove();
});

function enter(): void {
  for (const { pid } of cluster.processes()) if (pid !== null) workplace.enter(pid);
}

function reach(endpoints: string): Quorate {
  const client = connect({ endpoints: [endpoints], deadlineMs: 60_000 });
  clients.push(client);
  return client;
}

test("the last node left goes on alone with all that it holds, grows again, and shuts the others out", async () => {
  await cluster.start();
  enter();
  const before = cluster.clusterId;
  const writer = reach(cluster.addressOf("n1"));
  for (let at = 0; at < 10; at += 1) await writer.kv.put(`k${at}`, `v${at}`);
  // A read of n2's own state, to be sure that it has come there.
  const reader = reach(cluster.addressOf("n2"));
  await inTime(
    "n2 has all of it",
    async () => (await reader.kv.get("k9", { consistency: "stale" })) !== null,
  );
  for (const name of ["n1", "n2", "n3"]) await cluster.killProcess(name);

  await cluster.forceNewCluster("n2");
  enter();
  expect(cluster.clusterId).not.toBe(before);
  const survivor = reach(cluster.addressOf("n2"));
  expect((await survivor.kv.get("k9"))?.text()).toBe("v9");
  expect((await survivor.cluster.members()).map(({ memberId }) => memberId)).toEqual(["n2"]);

  // A new one takes the place of those that are lost; their ids are not used again while their data is there.
  const added = await cluster.addNode();
  enter();
  expect(added.id).toBe("n4");
  await inTime("it votes", async () => {
    const members = await survivor.cluster.members();
    return members.filter(({ voter }) => voter).length === 2;
  });
  await survivor.kv.put("after", "alone");

  // With the same words as ever it starts again, and is the same cluster.
  await cluster.stop();
  await cluster.start();
  enter();
  expect((await reach(cluster.addressOf("n4")).kv.get("after"))?.text()).toBe("alone");
});
