import { Client, Metadata } from "@grpc/grpc-js";
import { afterEach, expect, test } from "@jest/globals";
import { channelCredentials } from "@quorate/services/forward";
import { eventually } from "../../support/eventually";
import { RefusingServer } from "./refusing-server";
import { PATIENT_OPTIONS } from "./serving";

const closing: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function refusingServer(): Promise<RefusingServer> {
  const server = await RefusingServer.open();
  closing.push(() => server.close());
  return server;
}

/** Goes on trying to connect until it is closed. */
function trying(address: string): () => void {
  const client = new Client(address, channelCredentials(), PATIENT_OPTIONS);
  const call = client.makeUnaryRequest(
    "/a/b",
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    Buffer.of(1),
    new Metadata({ waitForReady: true }),
    () => {},
  );
  const close = (): void => {
    call.cancel();
    client.close();
  };
  closing.push(close);
  return close;
}

test("a channel that is closed between two attempts to connect makes no more", async () => {
  const [left, kept] = await Promise.all([refusingServer(), refusingServer()]);
  const channels = Array.from({ length: 10 }, () => trying(left.address));
  await eventually("each has failed", () => left.refused >= channels.length);
  for (const close of channels) close();
  await left.settled();
  const { accepted } = left;
  trying(kept.address);
  // Each waits longer than the one before: by then the others would have come again.
  await eventually("one that is open tries again and again", () => kept.refused >= 4);
  expect(left.accepted).toBe(accepted);
});
