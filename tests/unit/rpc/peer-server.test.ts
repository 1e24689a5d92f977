import { Client, connectivityState, credentials } from "@grpc/grpc-js";
import { afterEach, test } from "@jest/globals";
import { PeerServer } from "@quorate/services/rpc";
import { eventually } from "../../support/eventually";
import { PATIENT_OPTIONS, recordingLog } from "../forward/serving";
import { FakePeerReplica, identityOf } from "./peer-rig";

const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

async function peerServer() {
  const server = new PeerServer({
    own: identityOf("n2"),
    replica: new FakePeerReplica(),
    log: recordingLog(),
  } as ConstructorParameters<typeof PeerServer>[0]);
  closing.push(() => server.close());
  return { server, port: await server.listen("127.0.0.1:0") };
}

test("a server for peers cuts connections that a peer keeps open without a call when it closes, so that its process can end", async () => {
  const { server, port } = await peerServer();
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), PATIENT_OPTIONS);
  closing.push(() => client.close());
  const channel = client.getChannel();
  const state = (): connectivityState => channel.getConnectivityState(false);
  channel.getConnectivityState(true);
  await eventually("it is connected", () => state() === connectivityState.READY);
  server.close();
  await eventually("it is cut", () => state() !== connectivityState.READY);
});
